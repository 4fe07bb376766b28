"""Which finds are of packages' own tests."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._audit import place


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("lib/python3.11/site-packages/tornado/test/test.key", True),
        ("spack/opt/x/share/testdata/k.pem", True),
        ("etc/tests", False),
        ("spack/opt/mariadb/mysql-test/std_data/k.pem", True),
        ("spack/opt/cmake/share/cmake-3.25/Templates/Windows/k.pfx", True),
        ("opt/pytest/k.pem", False),
        ("opt/latest/k.pem", False),
        ("etc/mytests/k.pem", False),
        ("home/jo/k.pem", False),
    ],
)
def test_test_paths(path: str, expected: bool) -> None:
    assert place.is_test_path(tuple(path.split("/"))) is expected


@pytest.mark.parametrize(
    ("path", "python", "spack"),
    [
        ("envs/.python/cpython-3.12/lib/python3.12/test/certdata/keycert.pem", True, False),
        ("lib/python3.12/mytest/keycert.pem", False, False),
        ("test/python3.12/keycert.pem", False, False),
        ("spack/lib/spack/spack/test/data/k.pem", False, True),
        ("spack/var/spack/gpg.mock/keys/k.key", False, True),
        ("spack/opt/spack/x/test/k.pem", False, False),
        ("home/spack/lib/spack/test/k.pem", False, False),
    ],
)
def test_places_without_a_list_of_files(path: str, python: bool, spack: bool) -> None:
    parts = tuple(path.split("/"))
    assert (place.is_of_python(parts), place.is_of_spack(parts)) == (python, spack)


def test_records_of_wheels() -> None:
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"x").digest()).rstrip(b"=").decode()
    record = f'a/tests/k.pem,sha256={digest},1\n"b,c.pem",sha256={digest},1\na/x.py,,\nbroken\nd,sha256=A,1\n'
    assert place.wheel_digests(record) == {
        name: hashlib.sha256(b"x").hexdigest() for name in ("a/tests/k.pem", "b,c.pem")
    }


def test_manifests_of_spack() -> None:
    digest = base64.b32encode(hashlib.sha1(b"x").digest()).decode()
    manifest = {"/old/prefix/share/tests/k.pem": {"hash": digest}, "/old/prefix/share/tests": {"mode": 1}}
    assert place.spack_digest(manifest, "share/tests/k.pem") == hashlib.sha1(b"x").hexdigest()
    several: list[Any] = [None, [], {"/p/share/tests/k.pem": 1}, {"/p/share/tests/k.pem": {"hash": "?"}}]
    for damaged in several:
        assert place.spack_digest(damaged, "share/tests/k.pem") == ""
