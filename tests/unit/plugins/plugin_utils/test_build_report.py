# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of a build: whole, alone, the same for the same, and harmless whatever the packages are called."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import build_report
from ansible_collections.petal.hpc.plugins.plugin_utils.build_report import BARS_LIMIT, PARTS_LIMIT, make, render

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"
VOID = {"meta", "rect", "line", "path"}


class Page(HTMLParser):
    """What a page has, and whether each tag that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def all(self, tag: str, **with_: str) -> list[dict[str, str | None]]:
        wanted = {key.rstrip("_"): value for key, value in with_.items()}
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]


def entry(name: str, number: int, origin: str = "source", **more: Any) -> dict[str, Any]:
    prefix = f"/shared/spack/opt/{number}"
    given = {"name": name, "version": "1", "manager": "spack", "hash": f"{number:032d}", "origin": origin}
    return {**given, "prefix": prefix, "license": "MIT", "dependencies": [], **more}


def manifest(packages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    parts = {f"spack/opt/{number}": 1000 + number for number in range(len(packages))}
    return {
        "name": "bio",
        "fingerprint": "sha256:" + "0" * 64,
        "build_id": "20261122T000000Z-00000000",
        "created": "2026-11-22T00:00:00Z",
        "mount_dir": "/shared",
        "packages": packages,
        "sizes": {"used_bytes": sum(parts.values()), "files": 9, "parts": parts},
        **more,
    }


def record(packages: list[dict[str, Any]]) -> dict[str, Any]:
    """One package after another, each three seconds, and each needs the one before."""
    begun = 1_800_000_000.0
    return {
        "install_s": 3.0 * len(packages),
        "packages": [
            {
                **one,
                "dependencies": [packages[at - 1]["hash"]] if at else [],
                "seconds": 3.0,
                "started": begun + 3 * at,
                "ended": begun + 3 * at + 3,
            }
            for at, one in enumerate(packages)
        ],
    }


THREE = [entry(name, number) for number, name in enumerate(("zlib", "hdf5", "netcdf"))]


def test_a_page_needs_nothing_else_and_runs_nothing() -> None:
    text = render(manifest(THREE), record(THREE))
    page = Page(text)
    (policy,) = (one for one in page.all("meta") if "http-equiv" in one)
    content = str(policy["content"])
    assert content.startswith("default-src 'none'; ")
    assert "unsafe" not in content
    assert "script-src" not in content
    # The one style is the one that the policy names.
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in content
    attributes = {(tag, name) for tag, found in page.tags for name in found}
    assert not {name for _tag, name in attributes} & {"style", "src", "srcset", "action", "data", "xlink:href"}
    assert not [name for _tag, name in attributes if name.startswith("on")]
    assert all(str(found["href"]).startswith("#") for tag, found in page.tags if "href" in found)
    assert not {tag for tag, _found in page.tags} & {"script", "link", "iframe", "object", "img", "base", "form"}
    assert "url(" not in style
    assert "@import" not in style


def test_it_says_who_waited_for_whom() -> None:
    page = Page(render(manifest(THREE), record(THREE)))
    assert len(page.all("rect", class_="source critical")) == 3
    # Each begins where the line from the one before ends.
    lines = [str(one["d"]) for one in page.all("path", class_="wait critical")]
    assert [line.rpartition("H")[2] for line in lines] == [
        one["x"] for one in page.all("rect", class_="source critical")
    ][1:]
    words = " ".join(page.text.split())
    assert "netcdf@1: 3.0 s, built from source, waited for hdf5@1" in words
    assert "Packages that were installed: 3, in 9.0 s from 2027-01-15 08:00:00 UTC on, at most 1 at a time." in words
    assert "each needs the one before, took 9.0 s together, of 9.0 s that Spack worked" in words
    assert "netcdf@1 source 6.0 s 3.0 s hdf5@1" in words


def test_each_drawing_has_a_title_a_description_and_a_table() -> None:
    page = Page(render(manifest(THREE), record(THREE)))
    drawings = page.all("svg")
    assert len(drawings) == 2
    ids = {found["id"] for tag, found in page.tags if tag in ("title", "desc") and "id" in found}
    assert {word for one in drawings for word in str(one["aria-labelledby"]).split()} == ids
    assert all(one["role"] == "img" for one in drawings)
    assert len(page.all("table")) == 5


def test_the_treemap_is_as_large_as_what_it_stands_for() -> None:
    many = [entry(f"p{number}", number) for number in range(PARTS_LIMIT + 20)]
    boxes = Page(render(manifest(many), {})).all("rect")
    assert len(boxes) == PARTS_LIMIT + 1
    area = sum(float(str(one["width"])) * float(str(one["height"])) for one in boxes)
    assert area == pytest.approx(build_report.WIDTH * build_report.TREEMAP, rel=0.01)


def test_what_others_call_their_packages_is_text() -> None:
    packages = [entry(HOSTILE, 0, license=HOSTILE)]
    sharing = {"level": HOSTILE, "reasons": [HOSTILE], "sensitive": [{"path": HOSTILE, "why": HOSTILE}]}
    given = manifest(packages, name=HOSTILE, sharing=sharing, os=HOSTILE, locks={HOSTILE: HOSTILE}, created=HOSTILE)
    text = render({**given, "modules": [{"check": HOSTILE}]}, record(packages))
    page = Page(text)
    assert not {tag for tag, _found in page.tags} & {"script", "img"}
    assert "<script>alert(1)" in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_the_same_build_has_the_same_page() -> None:
    turned = manifest(THREE[::-1])
    turned["sizes"]["parts"] = dict(reversed(turned["sizes"]["parts"].items()))
    assert render(manifest(THREE), record(THREE)) == render(turned, record(THREE))


def test_what_is_not_known_is_said_and_not_drawn() -> None:
    page = Page(render(manifest(THREE, sizes={}), {}))
    assert page.all("svg") == []
    assert "it was noted when it was installed, so none is drawn" in page.text
    assert "was not measured" in page.text
    assert "The longest chain" not in page.text


def test_a_volume_without_spack() -> None:
    six = {"name": "six", "version": "1.17.0", "manager": "pypi", "hash": "", "license": "MIT"}
    page = Page(render(manifest([six], sizes={"parts": {"envs/small/1": 5}}), {}))
    assert "Spack installed nothing for this build" in page.text
    assert "taken from a package index" in page.text
    assert len(page.all("rect", class_="environment")) == 1


def test_of_a_large_stack_the_page_stays_small_and_the_chain_is_drawn() -> None:
    chain = [entry(f"package-{number}", number) for number in range(400)]
    others = [entry(f"other-{number}", number) for number in range(400, 1000)]
    times = {"seconds": 9.0, "started": 1_800_000_000.0, "ended": 1_800_000_009.0}
    found = record(chain)
    found["packages"] += [{**one, **times} for one in others]
    text = render(manifest([*chain, *others]), found)
    assert len(text) < 700_000
    assert len(Page(text).all("rect", class_="source critical")) == BARS_LIMIT
    assert "Of those 700, which took least, are in the table only." in text


def test_it_is_kept_once(tmp_path: Path) -> None:
    given = {"manifest": manifest(THREE), "environment": record(THREE), "directory": str(tmp_path / "reports")}
    planned = make(given, check=True)
    assert planned["changed"]
    assert not (tmp_path / "reports").exists()
    first, second = make(given, check=False), make(given, check=False)
    assert [first["changed"], second["changed"]] == [True, False]
    (path,) = (tmp_path / "reports").iterdir()
    assert str(path) == first["path"] == planned["path"]
    assert path.read_text(encoding="utf-8") == planned["html"]
    assert "html" not in first  # it is in a file
    assert path.name == "20261122T000000Z-00000000.html"


def test_the_users_cache_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build_report, "KEPT", 2)
    for day in (3, 1, 2, 4):
        given = {"manifest": manifest(THREE, build_id=f"2026112{day}T000000Z-00000000"), "environment": {}}
        assert make({**given, "directory": None}, check=False)["changed"]
    (tmp_path / "petal/reports/mine.html").write_text("")
    assert sorted(path.name[:8] for path in (tmp_path / "petal/reports").iterdir()) == [
        "20261123",
        "20261124",
        "mine.htm",
    ]


def test_where_it_cannot_be_kept_a_build_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = {"manifest": manifest(THREE), "environment": {}, "directory": str(tmp_path / "file" / "reports")}
    found = make(given, check=False)
    assert found["path"] == ""
    assert "could not be kept" in found["warnings"][0]
    assert found["html"].startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("build_id", ["../x", "", "a/b", "-x", "x" * 200])
def test_a_build_id_that_is_no_name_is_refused(build_id: str, tmp_path: Path) -> None:
    with pytest.raises(PetalError, match="cannot be the name of a file"):
        make(
            {"manifest": manifest(THREE, build_id=build_id), "environment": {}, "directory": str(tmp_path)}, check=False
        )


def test_the_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_report, "MISSING", ImportError("No module named 'squarify'"))
    with pytest.raises(PetalError, match="install the Python package squarify on the controller"):
        render(manifest(THREE), {})
