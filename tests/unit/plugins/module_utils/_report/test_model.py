# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report takes from a manifest and from the record of a Spack environment."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._report.model import (
    FINDINGS_LIMIT,
    Part,
    ReportError,
    number,
    read,
    text,
)

MOUNT = "/shared"
SAMTOOLS, ZLIB, CMAKE, GLIBC = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)


def listed(name: str, key: str, origin: str, **more: Any) -> dict[str, Any]:
    prefix = f"{MOUNT}/spack/opt/{name}"
    return {"name": name, "version": "1", "manager": "spack", "hash": key, "origin": origin, "prefix": prefix, **more}


def recorded(name: str, key: str, origin: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1", "hash": key, "origin": origin, "seconds": None, **more}


def manifest(**more: Any) -> dict[str, Any]:
    python = [
        {"name": name, "version": "2", "manager": "pypi", "hash": "", "license": "MIT"} for name in ("six", "Foo_Bar")
    ]
    return {
        "name": "bio",
        "fingerprint": "sha256:" + "0" * 64,
        "build_id": "20261122T000000Z-00000000",
        "created": "2026-11-22T00:00:00Z",
        "mount_dir": MOUNT,
        "packages": [
            listed("samtools", SAMTOOLS, "source", license="MIT"),
            listed("zlib", ZLIB, "cache", license="Zlib"),
            *python,
        ],
        "seed": {
            "software": {"python_environments": [{"packages": ["six @ https://x/six.whl"], "build": ["foo-bar"]}]}
        },
        "components": [{"name": "spack", "version": "1.2.0", "path": f"{MOUNT}/spack/spack"}],
        "sizes": {
            "used_bytes": 1020,
            "files": 3,
            "parts": {
                "spack/opt/samtools": 600,
                "envs/small/1": 300,
                "spack": 90,
                "spack/spack": 20,
                ".": 10,
                "odd": 0,
            },
        },
        **more,
    }


RECORD: dict[str, Any] = {
    "install_s": 12.5,
    "packages": [
        recorded("glibc", GLIBC, "external", license="LGPL-2.1-or-later"),
        recorded("zlib", ZLIB, "cache", dependencies=[GLIBC], build_dependencies=[CMAKE], started=10.0, ended=11.0),
        recorded(
            "samtools", SAMTOOLS, "source", dependencies=[ZLIB], build_dependencies=[CMAKE], started=11.0, ended=15.0
        ),
    ],
}


def test_packages_with_their_times_sizes_and_origins() -> None:
    found = read(manifest(), RECORD)
    assert [(one.label, one.origin, one.started, one.taken) for one in found.steps] == [
        ("zlib@1", "cache", 10.0, None),
        ("samtools@1", "source", 11.0, 600),
        ("Foo_Bar@2", "source", None, None),
        ("glibc@1", "external", None, None),
        ("six@2", "address", None, None),
    ]
    # What only its build needs nothing from a cache waits for.
    assert {one.name: one.needs for one in found.steps if one.needs} == {"zlib": (GLIBC,), "samtools": (ZLIB, CMAKE)}
    assert [one.name for one in found.times()] == ["zlib", "samtools"]
    assert found.install == 12.5


def test_a_tool_is_of_the_build_that_it_was_used_in() -> None:
    old, gmake = "e" * 32, "f" * 32
    tools = [
        recorded("gmake", gmake, "source", started=1.0, ended=4.0),
        recorded("cmake", CMAKE, "source", build_dependencies=[gmake], started=5.0, ended=9.0),
        # Of a build before: what it built then comes from a cache now.
        recorded("m4", old, "source", started=1.0, ended=2.0),
    ]
    zlib, samtools = ({**one, "build_dependencies": [key]} for one, key in zip(RECORD["packages"][1:], (old, CMAKE)))
    found = read(manifest(), {**RECORD, "packages": [zlib, samtools], "tools": tools})
    assert [(one.name, one.origin, one.needs) for one in found.times()] == [
        ("gmake", "tool", ()),
        ("cmake", "tool", (gmake,)),
        ("zlib", "cache", (GLIBC,)),
        ("samtools", "source", (ZLIB, CMAKE)),
    ]


def test_parts_by_what_they_are() -> None:
    assert read(manifest(), RECORD).parts == (
        Part("samtools@1", "package", 600),
        Part("Python small/1", "environment", 300),
        Part("spack/", "rest", 90),
        Part("spack 1.2.0", "rest", 20),
        Part("what is right on the volume", "rest", 10),
    )


def test_without_a_record_there_are_no_times() -> None:
    found = read(manifest(), {})
    assert found.times() == []
    assert found.install is None
    assert [one.origin for one in found.steps if one.manager == "spack"] == ["source", "cache"]


def test_a_package_of_two_environments_is_one() -> None:
    six = {"name": "six", "version": "2", "manager": "pypi", "hash": ""}
    assert len(read(manifest(packages=[six, dict(six)]), {}).steps) == 1


@pytest.mark.parametrize(
    "times", [{"started": 20.0, "ended": 10.0}, {"started": 5.0}, {"started": "1", "ended": 1e300}]
)
def test_times_that_cannot_be_are_none(times: dict[str, Any]) -> None:
    record = {"packages": [recorded("zlib", ZLIB, "cache", seconds=float("nan"), **times)]}
    (zlib,) = [one for one in read(manifest(), record).steps if one.name == "zlib"]
    assert (zlib.started, zlib.ended, zlib.seconds) == (None, None, None)


def test_the_verdict_and_what_was_found() -> None:
    sensitive = [{"path": f"etc/key{number}", "why": "private key"} for number in range(FINDINGS_LIMIT + 3)]
    sharing = {"level": "private", "reasons": ["etc/key0 is a private key"], "sensitive": sensitive}
    found = read(manifest(sharing=sharing, requires=[{"path": "/usr/bin/lua", "reason": "Lmod"}]), {}).findings
    assert found[:4] == (
        ("may be given to", "nobody"),
        ("because", "etc/key0 is a private key"),
        ("secrets", f"{len(sensitive)} found"),
        ("secret", "etc/key0: private key"),
    )
    assert ("secret", "and 3 more") in found
    assert ("a node needs", "/usr/bin/lua (Lmod)") in found
    assert ("secrets", "not looked for") in read(manifest(), {}).findings


def test_texts_of_others_are_one_short_line() -> None:
    assert text("a\u202eb\x00\n\tc") == "a\ufffdb\ufffd c"
    assert len(text("x" * 10**6)) == 200
    assert text(None) == ""


@pytest.mark.parametrize(
    ("value", "known"), [(1, 1.0), (0.5, 0.5), (-1, None), (True, None), ("1", None), (1e12, None)]
)
def test_numbers_of_others(value: Any, known: float | None) -> None:
    assert number(value) == known


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"packages": [{"version": "1"}]}, "'name'"),
        ({"packages": 7}, "not as this collection writes it"),
        ({"sizes": {"parts": ["spack"]}}, "not as this collection writes it"),
        ({"sizes": {"parts": {"spack": "much"}}}, "not as this collection writes it"),
        ({"sizes": {"parts": {"spack": float("inf")}}}, "not as this collection writes it"),
        ({"seed": {"software": "six"}}, "not as this collection writes it"),
    ],
)
def test_what_is_no_manifest_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ReportError, match=words):
        read(manifest(**wrong), {})
    whole = manifest()
    del whole["mount_dir"]
    with pytest.raises(ReportError, match="mount_dir"):
        read(whole, {})


def test_images() -> None:
    inside = [
        {"name": "libc6", "manager": "deb", "license": "LGPL-2.1-only"},
        {"name": "curl", "manager": "deb", "license": "of-my-own"},
        {"name": "six", "manager": "pypi", "license": "MIT"},
    ]
    image = {
        "name": "samtools",
        "version": "1.20",
        "digest": f"sha256:{'d' * 64}",
        "size": 4096,
        "os": "debian 12",
        "labels": {"org.opencontainers.image.licenses": "MIT"},
        "packages": inside,
        "problems": ["packages of rpm: /var/lib/rpm was not read"],
    }
    found = read(manifest(images=[image]), {})
    (step,) = (one for one in found.steps if one.manager == "container")
    assert (step.label, step.origin, step.taken, step.standing) == ("samtools@1.20", "registry", 4096, "open")
    said = dict(found.findings)
    packages = "packages 2 of deb, 1 of pypi, licences 2 open, 0 not open, 1 not known"
    assert said["image samtools:1.20"] == f"sha256:{'d' * 64}, debian 12, {packages}"
    assert said["not read in samtools:1.20"] == "packages of rpm: /var/lib/rpm was not read"
    with pytest.raises(ReportError, match="digest"):
        read(manifest(images=[{"name": "x"}]), {})
