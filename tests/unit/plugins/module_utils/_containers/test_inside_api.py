"""The files of unpacked images are audited by the rules of volumes, and what every distribution has is told apart."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers.inside_api import audited, inspected
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

KEY = b"-----BEGIN PRIVATE KEY-----\n" + b"M" * 64 + b"\n-----END PRIVATE KEY-----\n"
EXAMPLE = "usr/share/doc/openvpn/examples/sample-keys/ca.key"
SHADOW = "root:*:19000:0:99999:7:::\ndaemon:!*:19000::::::\nsshd:!:19000::::::\nnobody::1::::::\n"


def put(root: Path, path: str, data: bytes = KEY) -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def paths(root: Path, kind: str = "sensitive") -> list[str]:
    return [one["path"] for one in audited(root)[kind]]


def test_a_key_is_a_secret(tmp_path: Path) -> None:
    put(tmp_path, "etc/ssh/ssh_host_rsa_key")
    put(tmp_path, "usr/bin/program", b"\x7fELF")
    found = audited(tmp_path)
    assert found["sensitive"] == [{"path": "etc/ssh/ssh_host_rsa_key", "why": "private key"}]
    assert (found["files"], found["files_read"], found["left_out"]) == (2, 2, 0)


def test_an_example_of_dpkgs_is_none_while_it_is_what_the_package_brought(tmp_path: Path) -> None:
    digest = hashlib.md5(KEY, usedforsecurity=False).hexdigest()
    put(tmp_path, "var/lib/dpkg/info/openvpn.md5sums", f"{digest}  {EXAMPLE}\n".encode())
    put(tmp_path, EXAMPLE)
    assert (paths(tmp_path), paths(tmp_path, "test_data")) == ([], [EXAMPLE])
    put(tmp_path, EXAMPLE, KEY.replace(b"MM", b"NN"))
    assert (paths(tmp_path), paths(tmp_path, "test_data")) == ([EXAMPLE], [])


def test_an_example_that_no_package_has_brought_is_a_secret(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE)
    assert paths(tmp_path) == [EXAMPLE]


def test_a_key_that_a_package_ships_outside_of_its_examples_is_a_secret(tmp_path: Path) -> None:
    digest = hashlib.md5(KEY, usedforsecurity=False).hexdigest()
    put(tmp_path, "var/lib/dpkg/info/x.md5sums", f"{digest}  etc/x/server.key\n".encode())
    put(tmp_path, "etc/x/server.key")
    assert paths(tmp_path) == ["etc/x/server.key"]


def test_an_example_of_apks(tmp_path: Path) -> None:
    digest = base64.b64encode(hashlib.sha1(KEY, usedforsecurity=False).digest()).decode()
    put(tmp_path, "lib/apk/db/installed", f"P:x\nV:1\nF:usr/lib/x/tests\nR:a.key\nZ:Q1{digest}\n".encode())
    put(tmp_path, "usr/lib/x/tests/a.key")
    assert paths(tmp_path, "test_data") == ["usr/lib/x/tests/a.key"]


def test_where_lib_is_a_link_a_package_may_know_its_file_by_either_name(tmp_path: Path) -> None:
    digest = hashlib.md5(KEY, usedforsecurity=False).hexdigest()
    put(tmp_path, "var/lib/dpkg/info/x.md5sums", f"{digest}  lib/x/tests/a.key\n".encode())
    put(tmp_path, "usr/lib/x/tests/a.key")
    (tmp_path / "lib").symlink_to("usr/lib")
    assert paths(tmp_path, "test_data") == ["usr/lib/x/tests/a.key"]


def test_the_snakeoil_of_its_package(tmp_path: Path) -> None:
    put(tmp_path, "etc/ssl/private/ssl-cert-snakeoil.key")
    assert paths(tmp_path) == ["etc/ssl/private/ssl-cert-snakeoil.key"]
    put(tmp_path, "var/lib/dpkg/info/ssl-cert.list", b"/etc/ssl/private\n")
    assert paths(tmp_path, "test_data") == ["etc/ssl/private/ssl-cert-snakeoil.key"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", None),
        ("me:$y$j9T$abcdefgh$ijklmnop:19000:0:99999:7:::\n", "hash of a password"),
        ("me:!$6$abcdefgh$ijklmnop:19000::::::\n", "hash of a password"),
        ("me:ab01234567890:19000::::::\n", "hash of a password"),
    ],
)
def test_shadows(tmp_path: Path, line: str, why: str | None) -> None:
    for name in ("shadow", "shadow-"):
        put(tmp_path, f"etc/{name}", (SHADOW + line).encode())
    put(tmp_path, "etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n")
    put(tmp_path, "usr/share/shadow", (SHADOW + line).encode())
    assert [one["why"] for one in audited(tmp_path)["sensitive"]] == ([why] * 2 if why else [])


def test_no_list_is_read_through_a_link_out_of_the_image(tmp_path: Path) -> None:
    host, root = tmp_path / "host", tmp_path / "root"
    digest = base64.urlsafe_b64encode(hashlib.sha256(KEY).digest()).decode().rstrip("=")
    put(host, "RECORD", f"x/tests/a.key,sha256={digest},0\n".encode())
    put(host, "install_manifest.json", b"{}")
    packages = root / "usr" / "lib" / "python3" / "site-packages"
    put(packages, "x/tests/a.key")
    (packages / "x.dist-info").symlink_to(host)
    assert paths(root) == ["usr/lib/python3/site-packages/x/tests/a.key"]
    put(packages, "y.dist-info/RECORD", (host / "RECORD").read_bytes())
    assert paths(root, "test_data") == ["usr/lib/python3/site-packages/x/tests/a.key"]


def test_all_that_a_manifest_says_of_an_image(tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\n")
    put(tmp_path, "lib/apk/db/installed", b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n")
    found = inspected(tmp_path)
    assert (found["os"], found["problems"], found["audit"]["sensitive"]) == ("alpine 3.20.3", [], [])
    assert [one["name"] for one in found["packages"]] == ["musl"]


def test_there_has_to_be_one(tmp_path: Path) -> None:
    for function in (audited, inspected):
        with pytest.raises(PetalError, match="no directory"):
            function(tmp_path / "none")
