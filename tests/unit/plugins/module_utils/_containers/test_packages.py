"""What managers note of packages becomes entries of a manifest, with the addresses that others know them by."""

from __future__ import annotations

import json

import pytest
from image_samples import INSTALLED, METADATA, RPMS, STATUS
from packageurl import PackageURL

from ansible_collections.petal.hpc.plugins.module_utils._components.model import System
from ansible_collections.petal.hpc.plugins.module_utils._containers import packages as model

DEBIAN, ALPINE, ROCKY = System("debian", "12", "bookworm"), System("alpine", "3.20.3"), System("rocky", "9.4")


def test_dpkg() -> None:
    found = model.dpkg(STATUS)
    assert found.odd == 1
    entries = {one["name"]: one for one in model.listed(found.packages, DEBIAN)}
    assert list(entries) == ["firmware", "gcc", "libc6"]
    assert entries["libc6"] == {
        "name": "libc6",
        "version": "2.36-9+deb12u8",
        "manager": "deb",
        "origin": "image",
        "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u8?arch=amd64&distro=bookworm&upstream=glibc",
    }
    assert PackageURL.from_string(entries["gcc"]["purl"]).qualifiers["upstream"] == "gcc-defaults@1.203"
    assert entries["firmware"]["license"] == "LicenseRef-Not-Open"


def test_a_file_of_distroless_does_not_say_installed() -> None:
    assert [one.name for one in model.dpkg("Package: tzdata\nVersion: 2024a-0\n").packages] == ["tzdata"]


def test_apk() -> None:
    found = model.apk(INSTALLED)
    entries = {one["name"]: one for one in model.listed(found.packages, ALPINE)}
    assert entries["musl"]["purl"] == "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.3"
    assert entries["musl"]["license"] == "MIT"
    assert PackageURL.from_string(entries["ssl_client"]["purl"]).qualifiers["upstream"] == "busybox"
    assert found.files == {"usr/lib/python3.12/site-packages/six-1.16.0-py3.12.egg-info/PKG-INFO"}


def test_rpm() -> None:
    found = model.rpm(RPMS)
    assert (found.odd, found.pythons) == (1, {"six"})
    six, vim = model.listed(found.packages, ROCKY)
    source = "python-six-1.15.0-9.el9.src.rpm"
    assert six["purl"] == f"pkg:rpm/rocky/python3-six@1.15.0-9.el9?arch=noarch&distro=rocky-9.4&upstream={source}"
    assert PackageURL.from_string(vim["purl"]).qualifiers["epoch"] == "2"
    assert (vim["version"], vim["license"]) == ("2:8.2-20.el9", "Vim AND MIT")


def test_python() -> None:
    package = model.python(METADATA + "Name: in-the-description\n")
    assert package is not None
    (entry,) = model.listed([package], DEBIAN)
    assert (entry["name"], entry["license"], entry["purl"]) == ("Foo_Bar", "MIT", "pkg:pypi/foo-bar@1.0")
    assert model.python("Name: x\n") is None and model.python("Name: ../x\nVersion: 1\n") is None


def test_conda() -> None:
    value = {
        "name": "samtools",
        "version": "1.20",
        "build": "h50ea8bc_1",
        "channel": "https://conda.example.org/t/tk-secret/bioconda/linux-64",
        "subdir": "linux-64",
        "license": "MIT",
        "files": ["bin/samtools", "lib/python3.12/site-packages/x-1.dist-info/METADATA"],
    }
    package, files = model.conda(json.dumps(value).encode())
    assert package is not None
    (entry,) = model.listed([package], DEBIAN)
    assert entry["purl"] == "pkg:conda/samtools@1.20?build=h50ea8bc_1&channel=bioconda&subdir=linux-64"
    assert files == {"lib/python3.12/site-packages/x-1.dist-info/METADATA"}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b'{"name": 1, "version": {}}', b"\xff"])
def test_conda_that_is_none(data: bytes) -> None:
    assert model.conda(data)[0] is None


def test_an_os_release_of_others_leaves_nothing_in_an_address() -> None:
    found = model.system('ID="de bian"\nVERSION_ID="12/../x"\nVERSION_CODENAME=book\x1bworm\n')
    assert found == System("linux", "", "")
