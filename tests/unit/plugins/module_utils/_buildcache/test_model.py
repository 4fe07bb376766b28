from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import (
    BuildcacheError,
    DisguisedError,
    Package,
)
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Item

A, B = "a" * 32, "b" * 32
TREE = Package("tree", "2.1.0", A)
SIGNED = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

{
"version":3
}
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCgAdFiEE
=kmxW
-----END PGP SIGNATURE-----
"""


def blob(kind: str, digest: str, size: int = 7) -> dict[str, Any]:
    return {"mediaType": kind, "checksum": digest, "contentLength": size, "checksumAlgorithm": "sha256"}


ARCHIVE = "application/vnd.spack.install.v2.tar+gzip"
SPEC = "application/vnd.spack.spec.v5+json"


@pytest.mark.parametrize(
    ("given", "url", "scheme"),
    [
        ("/srv/cache/", "file:///srv/cache", "file"),
        ("file:///srv/cache", "file:///srv/cache", "file"),
        ("s3://lab/bio", "s3://lab/bio", "s3"),
        ("https://cache.example/v1/", "https://cache.example/v1", "http"),
    ],
)
def test_places(given: str, url: str, scheme: str) -> None:
    cache = model.parse_cache("site", given)
    assert (cache.url, cache.scheme) == (url, scheme)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("cache", "is no place for one"),
        ("", "is no place for one"),
        ("file://srv/cache", "is no place for one"),
        ("s3://", "is no place for one"),
        ("ftp://x/y", "is no place for one"),
        ("https://user:secret@cache.example/x", "holds a user name or password"),
        ("/srv/../etc", "has '..' in it"),
    ],
)
def test_no_places(given: str, said: str) -> None:
    with pytest.raises(BuildcacheError, match=said) as error:
        model.parse_cache("site", given)
    if "secret" in given:
        assert "secret" not in str(error.value)


def test_lock() -> None:
    document = {
        "roots": [{"hash": A, "spec": "tree"}],
        "concrete_specs": {
            A: {
                "name": "tree",
                "version": "2.1.0",
                "dependencies": [
                    {"name": "x", "hash": B, "parameters": {"deptypes": ["build", "link"]}},
                    {"name": "y", "hash": "c" * 32, "type": ["build"]},
                ],
            },
            B: {"name": "gcc", "version": "12", "external": {"path": "/usr"}},
        },
    }
    lock = model.parse_lock(json.dumps(document), "spack.lock")
    assert lock.roots == (A,)
    assert [package.label for package in lock.wanted] == ["tree@2.1.0/aaaaaaa"]
    assert lock.packages[A].dependencies == ((B, True), ("c" * 32, False))
    assert lock.packages[B].external


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"concrete_specs": {"../x": {"name": "a", "version": "1"}}}'])
def test_no_lock(text: str) -> None:
    with pytest.raises(BuildcacheError, match=r"/x/spack\.lock is no spack\.lock"):
        model.parse_lock(text, "/x/spack.lock")


def test_listing() -> None:
    paths = [
        f"v3/manifests/spec/tree/tree-2.1.0-{A}.spec.manifest.json",
        "v3/manifests/index/index.manifest.json",
        f"v3/manifests/key/{'0A' * 20}.key.manifest.json",
        "blobs/sha256/ab/abcd",
        "petal/seeds/bio.json",
    ]
    items = [Item(path, 1, 0.0) for path in paths]
    new = model.sort_listing(items)
    assert list(new.manifests) == [A]
    assert list(new.keys) == ["0A" * 20]
    assert list(new.seeds) == ["bio"]
    assert new.manifests[A].path == model.manifest_path(TREE)


def test_signed_payload() -> None:
    assert model.payload(SIGNED) == ('{\n"version":3\n}', True)
    assert model.payload(SIGNED.replace("\n", "\r\n")) == ('{\n"version":3\n}', True)
    assert model.payload("{}") == ("{}", False)
    assert model.payload(SIGNED.replace("}\n-----BEGIN PGP SIG", "}\n- -x\n-----BEGIN PGP SIG"))[0].endswith("\n-x")


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 3}\n' + SIGNED,
        SIGNED + '{"version": 3}\n',
        SIGNED + SIGNED,
        SIGNED.replace("Hash: SHA512\n", "Hash: SHA512\nComment: x\n"),
        SIGNED.replace("-----BEGIN PGP SIGNED", "-----BEGIN PGP\n-----BEGIN PGP SIGNED"),
        SIGNED.split("-----BEGIN PGP SIGNATURE", maxsplit=1)[0],
        SIGNED.replace("-----END PGP SIGNATURE-----", ""),
    ],
)
def test_what_only_looks_signed(text: str) -> None:
    with pytest.raises(DisguisedError, match="malformed"):
        model.payload(text)


def test_record() -> None:
    text = json.dumps({"version": 3, "data": [blob(ARCHIVE, "1" * 64, 11), blob(SPEC, "2" * 64)]})
    record = model.parse_record(text)
    assert (record.archive, record.sha256, record.size) == (f"blobs/sha256/11/{'1' * 64}", "1" * 64, 11)
    assert (record.spec, record.spec_sha256) == (f"blobs/sha256/22/{'2' * 64}", "2" * 64)


@pytest.mark.parametrize(
    "document",
    [
        {"version": 4, "data": [blob(ARCHIVE, "1" * 64), blob(SPEC, "2" * 64)]},
        {"version": 3, "data": [blob(ARCHIVE, "1" * 64)]},
        {"version": 3, "data": [blob(ARCHIVE, "../../etc/passwd"), blob(SPEC, "2" * 64)]},
        {"version": 3},
        [],
    ],
)
def test_broken_records(document: Any) -> None:
    with pytest.raises(BuildcacheError, match="its manifest cannot be read"):
        model.parse_record(json.dumps(document))


def spec(name: str = "tree", key: str = A) -> dict[str, Any]:
    return {"spec": {"nodes": [{"name": name, "hash": key}, {"name": "gcc", "hash": B}]}}


def test_identity() -> None:
    model.check_identity(json.dumps(spec()), TREE)
    with pytest.raises(DisguisedError, match="it is tree/bbbbbbb under another"):
        model.check_identity(json.dumps(spec(key=B)), TREE)
    with pytest.raises(DisguisedError, match="it is wood/"):
        model.check_identity(json.dumps(spec("wood")), TREE)
    with pytest.raises(BuildcacheError, match="cannot be read"):
        model.check_identity("{}", TREE)


def test_index() -> None:
    installs = {
        A: {"spec": {"name": "tree", "version": "1"}, "in_buildcache": True},
        B: {"spec": {"name": "gcc", "version": "1", "external": {"path": "/"}}, "in_buildcache": True},
        "c" * 32: {"spec": {"name": "build-only", "version": "1"}},
    }
    assert list(model.parse_index(json.dumps({"database": {"installs": installs}}))) == [A]
    with pytest.raises(BuildcacheError, match="index"):
        model.parse_index("{}")


def test_notes_of_seeds() -> None:
    lock = model.Lock({A: TREE, B: Package("gcc", "1", B, True)}, (A,))
    text = model.seed_text("bio", "sha256:0", lock)
    assert model.parse_seed(text, "x") == {A}
    assert model.seed_path("bio-1.0") == "petal/seeds/bio-1.0.json"
    for name in ("", "..", "a/b", "-x"):
        with pytest.raises(BuildcacheError, match="is no name of a seed"):
            model.seed_path(name)
    for broken in ("", "{}", '{"hashes": ["x"]}', '{"hashes": [1]}', '{"hashes": 3}'):
        with pytest.raises(BuildcacheError, match="repair or remove"):
            model.parse_seed(broken, "petal/seeds/bio.json")


def test_blobs_named_by_manifests() -> None:
    assert model.single_blob(json.dumps({"data": [{"checksum": "4" * 64}]})) == f"blobs/sha256/44/{'4' * 64}"
    for text in ("{}", '{"data": []}', '{"data": [{"checksum": "../../x"}]}'):
        with pytest.raises(BuildcacheError):
            model.single_blob(text)
