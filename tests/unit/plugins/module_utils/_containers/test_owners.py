"""Which files packages of an image have brought."""

from __future__ import annotations

import json

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers import owners


def test_dpkg() -> None:
    text = f"{'a' * 32}  usr/share/doc/x/a b\nno digest  usr/x\n\n"
    assert owners.dpkg(text) == {"usr/share/doc/x/a b": "md5:" + "a" * 32}


def test_apk() -> None:
    text = "P:musl\nF:lib\nR:ld.so\na:0:0:755\nZ:Q1/+9wv4V5qMIn4W6ZMwQ9O0NcJ5M=\nF:\nR:top\nZ:Q1!\nZ:Q2AA==\n"
    (found,) = owners.apk(text).items()
    assert found[0] == "lib/ld.so" and found[1].startswith("sha1:ffef70bf")


def test_rpm() -> None:
    text = f"{'b' * 64}\t/usr/share/x\n\t/usr/share\n(none)\t/y\n"
    assert owners.rpm(text) == {"usr/share/x": "sha256:" + "b" * 64}


def test_conda() -> None:
    paths = [{"_path": "lib/a", "sha256": "c" * 64}, {"_path": "lib/b"}, 7]
    data = json.dumps({"paths_data": {"paths": paths}}).encode()
    assert owners.conda(data, "opt/conda") == {"opt/conda/lib/a": "sha256:" + "c" * 64}


@pytest.mark.parametrize("data", [b"", b"[]", b"[" * 100_000, b'{"paths_data": 1}', b'{"paths_data": {"paths": {}}}'])
def test_conda_that_is_none(data: bytes) -> None:
    assert owners.conda(data, "") == {}


def test_places() -> None:
    assert owners.names(("lib", "x")) == ["lib/x", "usr/lib/x"]
    assert owners.names(("usr", "lib", "x")) == ["usr/lib/x", "lib/x"]
    assert owners.is_documentation(("usr", "share", "doc", "x", "a.key"))
    assert owners.is_of_go(["usr", "local", "go", "src", "crypto", "tls", "testdata", "example-key.pem"])
    assert not owners.is_of_go(["home", "me", "src", "testdata", "key.pem"])
    assert owners.made_by(["etc", "ssl", "private", "ssl-cert-snakeoil.key"]) == "var/lib/dpkg/info/ssl-cert.list"
    assert owners.made_by(["etc", "ssl", "private", "mine.key"]) == ""
