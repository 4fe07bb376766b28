"""What caches say they have: by their index in both layouts, or by the names of their files."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import listing, model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.inspector import packages_of
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import Store
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.listing import Listed
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, Cache
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Item

A, B, C, D = "a" * 32, "b" * 32, "c" * 32, "d" * 32
ARCH = {"platform": "linux", "platform_os": "debian12", "target": {"name": "x86_64_v3", "generation": 0}}
BY_GCC = [
    {"name": "cmake", "hash": D, "parameters": {"deptypes": ["build"], "virtuals": []}},
    {"name": "gcc", "hash": C, "parameters": {"deptypes": ["build"], "virtuals": ["c", "cxx"]}},
]
NEW: dict[str, Any] = {
    "spec": {"name": "zlib", "version": "1.3.1", "arch": ARCH, "dependencies": BY_GCC},
    "in_buildcache": True,
}
GCC = {"spec": {"name": "gcc", "version": "12.2.0", "external": {"path": "/usr"}}, "in_buildcache": False}
OLD_ARCH = {"platform_os": "ubuntu22.04", "target": "aarch64"}
OLD = {
    "spec": {
        "name": "xz",
        "version": "5.4",
        "arch": OLD_ARCH,
        "compiler": {"name": "gcc", "version": "11.4"},
        "dependencies": [{"name": "gmake", "hash": D, "type": ["build"]}],
    },
    "in_buildcache": True,
}


def index(**installs: Any) -> str:
    return json.dumps({"database": {"version": "8", "installs": installs}})


def test_who_compiled_it_is_who_gives_a_language() -> None:
    assert listing.of_index("site", index(**{A: NEW, C: GCC})) == [
        Listed("site", "zlib", "1.3.1", A, "debian12", "x86_64_v3", "gcc@12.2.0")
    ]


def test_an_index_from_before_spack_1() -> None:
    assert listing.of_index("site", index(**{B: OLD})) == [
        Listed("site", "xz", "5.4", B, "ubuntu22.04", "aarch64", "gcc@11.4")
    ]


@pytest.mark.parametrize("text", ["", "[]", '{"database": 1}', index(**{A: {"in_buildcache": True}}), "[" * 10**5])
def test_what_is_no_index_is_an_error(text: str) -> None:
    with pytest.raises(BuildcacheError, match="index"):
        listing.of_index("site", text)


@pytest.mark.parametrize(
    ("key", "spec"),
    [
        ("not a hash", {"name": "zlib", "version": "1"}),
        (A, {"name": "zlib\x1b[2J", "version": "1"}),
        (A, {"name": "zlib", "version": "1" * 300}),
    ],
)
def test_what_no_package_is_called_is_left_out(key: str, spec: dict[str, Any]) -> None:
    assert listing.of_index("site", index(**{key: {"spec": spec, "in_buildcache": True}})) == []


def test_of_what_is_odd_the_name_stays() -> None:
    odd = {
        "spec": {**NEW["spec"], "arch": {"platform_os": "\n", "target": None}, "dependencies": []},
        "in_buildcache": True,
    }
    assert listing.of_index("site", index(**{A: odd})) == [Listed("site", "zlib", "1.3.1", A)]


class Held(Store):
    """A cache in memory."""

    def __init__(self, files: dict[str, bytes], listed: bool = True) -> None:
        super().__init__(Cache("site", "file:///site"))
        self._files = files
        self._listed = listed

    def listing(self) -> list[Item] | None:
        return [Item(path, len(data), 86400.0) for path, data in self._files.items()] if self._listed else None

    def read(self, paths: Sequence[str], limit: int = 1 << 20) -> dict[str, bytes]:
        return {path: self._bounded(path, self._files[path], limit) for path in paths if path in self._files}


def held(files: dict[str, bytes], listed: bool = True) -> tuple[Store, model.Contents | None]:
    store = Held(files, listed)
    items = store.listing()
    return store, None if items is None else model.sort_listing(items)


def new_index(data: bytes) -> dict[str, bytes]:
    digest = hashlib.sha256(data).hexdigest()
    manifest = {"version": 3, "data": [{"checksum": digest}]}
    return {model.INDEX: json.dumps(manifest).encode(), model.blob_path(digest): data}


MANIFEST = f"v3/manifests/spec/zlib/zlib-1.3.1-{A}.spec.manifest.json"
LATE = f"v3/manifests/spec/py-x/py-x-2.0-rc1-{B}.spec.manifest.json"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_came_after_the_index_is_told_by_its_name(pack: Any) -> None:
    files = {**new_index(pack(index(**{A: NEW, C: GCC}).encode())), MANIFEST: b"", LATE: b""}
    assert sorted(packages_of(*held(files)), key=lambda one: one.name) == [
        Listed("site", "py-x", "2.0-rc1", B, pushed="1970-01-02T00:00:00Z"),
        Listed("site", "zlib", "1.3.1", A, "debian12", "x86_64_v3", "gcc@12.2.0", "1970-01-02T00:00:00Z"),
    ]


def test_a_cache_without_an_index_is_told_by_names_where_it_can_be_listed() -> None:
    assert [one.name for one in packages_of(*held({MANIFEST: b""}))] == ["zlib"]
    with pytest.raises(BuildcacheError, match="site has no index, so what it has cannot be listed"):
        packages_of(*held({MANIFEST: b""}, listed=False))


def test_of_one_that_cannot_be_listed_no_date_is_known() -> None:
    (found,) = packages_of(*held(new_index(index(**{A: NEW}).encode()), listed=False))
    assert (found.name, found.pushed, found.compiler) == ("zlib", None, "gcc")


def test_the_old_layout_tells_sizes() -> None:
    stem = f"linux-ubuntu22.04-aarch64-gcc-11.4-xz-5.4-{B}"
    files = {
        listing.OLD_INDEX: index(**{B: OLD}).encode(),
        f"build_cache/{stem}.spec.json.sig": b"signed",
        f"build_cache/linux-ubuntu22.04-aarch64/gcc-11.4/xz-5.4/{stem}.spack": b"archive",
    }
    (found,) = packages_of(*held(files))
    assert (found.name, found.size, found.pushed) == ("xz", len(b"archive"), "1970-01-02T00:00:00Z")


PACKAGES = [Listed("site", "zlib", version, A) for version in ("1.9", "1.10", "1.10-rc1", "develop")]


def test_the_newest_version_comes_first() -> None:
    assert [one.version for one in listing.chosen(PACKAGES, "")[0]] == ["1.10-rc1", "1.10", "1.9", "develop"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["py-zlib", "zlib-ng"]),
        ("ZLIB", ["py-zlib", "zlib-ng"]),
        ("zlib*", ["zlib-ng"]),
        ("zlib", ["py-zlib", "zlib-ng"]),
    ],
)
def test_by_a_part_of_the_name_or_a_pattern(text: str, names: list[str]) -> None:
    both = [Listed("site", name, "1", A) for name in ("zlib-ng", "py-zlib")]
    assert [one.name for one in listing.chosen(both, text)[0]] == names


def test_more_than_anybody_reads_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 3)
    found, more = listing.chosen(PACKAGES, "")
    assert (len(found), more) == (3, 1)
