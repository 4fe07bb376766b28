"""The packages of unpacked images, from databases in their real forms, also of images that mean no good."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from image_samples import INSTALLED, OS_RELEASE, SPEC, STATUS

from ansible_collections.petal.hpc.plugins.module_utils._containers import packages
from ansible_collections.petal.hpc.plugins.module_utils._containers.packages_api import contents


def put(root: Path, path: str, text: str = "") -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def labels(root: Path) -> list[str]:
    return [f"{one['manager']}:{one['name']}@{one['version']}" for one in contents(root).packages]


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    put(tmp_path, "usr/lib/os-release", OS_RELEASE)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").symlink_to("../usr/lib/os-release")
    put(tmp_path, "var/lib/dpkg/status", STATUS.partition("Package: bad")[0])
    put(tmp_path, "usr/share/doc/libc6/copyright", "see /usr/share/common-licenses/LGPL-2.1\n")
    (tmp_path / "usr" / "share" / "doc" / "gcc").symlink_to("/usr/share/doc/libc6")
    return tmp_path


def test_debian(debian: Path) -> None:
    found = contents(debian)
    assert found.problems == []
    assert (found.system.id, found.system.release) == ("debian", "12")
    assert [(one["name"], one.get("license")) for one in found.packages] == [
        ("firmware", "LicenseRef-Not-Open"),
        ("gcc", "LGPL-2.1"),
        ("libc6", "LGPL-2.1"),
    ]


def test_python_packages_of_the_distribution_are_listed_once(debian: Path) -> None:
    ours, theirs = "usr/local/lib/python3.11/dist-packages/", "usr/lib/python3/dist-packages/"
    put(debian, f"{theirs}six-1.16.0.egg-info/PKG-INFO", "Name: six\nVersion: 1.16.0\n")
    put(debian, "var/lib/dpkg/info/python3-six.list", f"/.\n/{theirs}six-1.16.0.egg-info/PKG-INFO\n")
    put(debian, f"{ours}numpy-2.0.dist-info/METADATA", "Name: numpy\nVersion: 2.0\nLicense-Expression: BSD-3-Clause\n")
    assert [one for one in labels(debian) if one.startswith("pypi")] == ["pypi:numpy@2.0"]


def test_distroless(tmp_path: Path) -> None:
    put(tmp_path, "var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n")
    put(tmp_path, "var/lib/dpkg/status.d/tzdata.md5sums", "0 usr/share/zoneinfo/UTC\n")
    assert labels(tmp_path) == ["deb:tzdata@2024a-0+deb12u1"]


def test_alpine(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib/apk/db/installed", INSTALLED)
    (tmp_path / "lib").symlink_to("usr/lib")
    put(
        tmp_path,
        "usr/lib/python3.12/site-packages/six-1.16.0-py3.12.egg-info/PKG-INFO",
        "Name: six\nVersion: 1.16.0\n",
    )
    assert labels(tmp_path) == ["apk:musl@1.2.5-r0", "apk:py3-six@1.16.0-r9", "apk:ssl_client@1.36.1-r29"]


def test_conda_knows_the_licences_of_its_packages_of_python(tmp_path: Path) -> None:
    metadata = "lib/python3.12/site-packages/x-1.dist-info/METADATA"
    record = {"name": "x", "version": "1", "build": "0", "license": "BSD-3-Clause", "files": [metadata]}
    put(tmp_path, "opt/conda/conda-meta/x-1-0.json", json.dumps(record))
    put(tmp_path, "opt/conda/conda-meta/history", "x")
    put(tmp_path, f"opt/conda/{metadata}", "Name: x\nVersion: 1\n")
    found = contents(tmp_path)
    assert [(one["manager"], one["license"]) for one in found.packages] == [
        ("conda", "BSD-3-Clause"),
        ("pypi", "BSD-3-Clause"),
    ]
    assert found.problems == []


@pytest.fixture
def rocky(tmp_path: Path) -> Path:
    """An image with a database that rpm has made."""
    if not (shutil.which("rpm") and shutil.which("rpmbuild")):
        pytest.skip("no rpm and rpmbuild here, which make a database: install the package rpm")
    work, root = tmp_path / "work", tmp_path / "root"
    put(work, "hello.spec", SPEC)
    put(root, "etc/os-release", 'ID="rocky"\nVERSION_ID="9.4"\n')
    place = root / "usr" / "lib" / "sysimage" / "rpm"
    place.mkdir(parents=True)
    build = ["rpmbuild", "-bb", "--define", f"_topdir {work}", "hello.spec"]
    subprocess.run(build, check=True, capture_output=True, cwd=work)
    (made,) = work.glob("RPMS/noarch/*.rpm")
    install = ["rpm", "--define", "_db_backend sqlite", "--dbpath", str(place), "-i", "--justdb", "--nodeps", str(made)]
    subprocess.run(install, check=True, capture_output=True)
    (root / "var" / "lib").mkdir(parents=True)
    (root / "var" / "lib" / "rpm").symlink_to("../../usr/lib/sysimage/rpm")
    return root


def test_rpm(rocky: Path) -> None:
    put(rocky, "usr/lib/python3.9/site-packages/hello-1.0.dist-info/METADATA", "Name: hello\nVersion: 1.0\n")
    found = contents(rocky)
    assert found.problems == []
    assert found.packages == [
        {
            "name": "hello",
            "version": "2:1.0-3.el9",
            "manager": "rpm",
            "license": "GPL-2.0-or-later AND MIT",
            "origin": "image",
            "purl": "pkg:rpm/rocky/hello@1.0-3.el9?arch=noarch&distro=rocky-9.4&epoch=2"
            "&upstream=hello-1.0-3.el9.src.rpm",
        }
    ]


def test_without_rpm_it_is_said_that_its_packages_were_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var" / "lib" / "rpm").mkdir(parents=True)
    sqlite3.connect(tmp_path / "var" / "lib" / "rpm" / "rpmdb.sqlite").close()
    put(tmp_path, "var/lib/rpm/rpmdb.sqlite", "x")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    (problem,) = contents(tmp_path).problems
    assert "/var/lib/rpm was not read" in problem and "install the package rpm on the build host" in problem


def test_a_broken_database_of_rpm_is_one_problem(tmp_path: Path) -> None:
    if not shutil.which("rpm"):
        pytest.skip("no rpm here, which would refuse it: install the package rpm")
    put(tmp_path, "var/lib/rpm/rpmdb.sqlite", "no database\n" * 1000)
    (problem,) = contents(tmp_path).problems
    assert problem.startswith("packages of rpm: /var/lib/rpm could not be read by this host's") and "\n" not in problem


def test_an_image_that_means_no_good_has_problems_and_no_more(
    debian: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = tmp_path_factory.mktemp("host")
    put(host, "METADATA", "Name: of-the-host\nVersion: 1\n")
    put(host, "status", "Package: of-the-host\nVersion: 1\n")
    (debian / "var" / "lib" / "dpkg" / "status").unlink()
    (debian / "var" / "lib" / "dpkg" / "status").symlink_to(host / "status")
    (debian / "x.dist-info").symlink_to(host)
    (debian / "y.dist-info").mkdir()
    (debian / "y.dist-info" / "METADATA").symlink_to(host / "METADATA")
    (debian / "z.dist-info").mkdir()
    os.mkfifo(debian / "z.dist-info" / "METADATA")
    put(debian, "opt/conda-meta/a.json", "[" * 100_000)
    put(debian, "w.dist-info/METADATA", "Name: a\x1b[31m\nVersion: 1\n")
    (debian / "lib").mkdir()
    (debian / "lib" / "apk").symlink_to("apk")
    found = contents(debian)
    assert found.packages == []
    assert len(found.problems) == 4 and all(one.isprintable() for one in found.problems)


def test_many_problems_of_one_kind_are_counted(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path, f"opt/conda-meta/{number}.json", "{")
    assert contents(tmp_path).problems[-1] == "packages of conda: and 15 more of this kind"


def test_so_many_that_they_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES_LIMIT", 10)
    put(tmp_path, "lib/apk/db/installed", "".join(f"P:p{number}\nV:1\n\n" for number in range(12)))
    found = contents(tmp_path)
    assert len(found.packages) == 10 and found.problems == ["packages: 2 beyond the first 10 are not listed"]
