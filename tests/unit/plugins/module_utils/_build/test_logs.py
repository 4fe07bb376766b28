"""Where the logs of a build are looked for, and where they are, in words."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._build.logs import Found, Sought

SOFTWARE = {"spack_packages": ["zlib"], "build_from_source": []}
PLAN = {"volume": "build-1", "mount_dir": "/shared", "build_id": "new", "seed": {"software": SOFTWARE}}
SNAPSHOT = {"snapshot_id": "snap-1", "tags": {"petal:build-id": "20261130T050000Z-97d6be18"}}
VOLUMES = [
    {"snapshot_id": "snap-2", "mount_dir": "/other"},
    {"snapshot_id": "snap-1", "mount_dir": None},
    {"snapshot_id": "snap-1", "mount_dir": "/shared"},
]


def sought(**given: Any) -> Sought:
    known = {"asked": ["h"], "logs_dir": "/logs", "work_dir": "/w", "snapshot": {}, "lock": {}, "answered": {}}
    return Sought(plan=PLAN, **{**known, **given})


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({}, ["/w/envs/build-1/install.log", "/w/stage"]),
        # What failed tells more than all of the install.
        (
            {"answered": {"environment": {"failed": [{"log": "/w/stage/z/out.txt"}, {"log": ""}]}}},
            ["/w/stage/z/out.txt", "/w/envs/build-1/install.log", "/w/stage"],
        ),
        # Of what is done: where it is deployed, and no stage, which is a later build's.
        ({"snapshot": SNAPSHOT}, ["/shared/.petal/logs", "/w/envs/build-1/install.log"]),
        # Another store of the host may build the same; an earlier release did not tell them apart.
        (
            {"mark": "0d9a1f3e"},
            ["/w/envs/build-1-0d9a1f3e/install.log", "/w/envs/build-1/install.log", "/w/stage"],
        ),
        ({"snapshot": SNAPSHOT, "asked": []}, ["/logs/20261130T050000Z-97d6be18"]),
    ],
)
def test_the_telling_ones_come_first(given: dict[str, Any], places: list[str]) -> None:
    assert sought(**given, volumes=VOLUMES).places() == places


@pytest.mark.parametrize(
    ("given", "build_id"),
    [
        ({"lock": {"build_id": "begun"}}, "begun"),
        # A build that was left to itself holds no lock; its volume bears its id.
        (
            {"lock": {"build_id": "new"}, "volumes": [{"name": "build-1", "tags": {"petal:build-id": "left"}}]},
            "left",
        ),
        ({}, "new"),
        ({"snapshot": SNAPSHOT, "lock": {"build_id": "begun"}}, "20261130T050000Z-97d6be18"),
        # Built by an earlier release, or by nobody.
        ({"snapshot": {"snapshot_id": "snap-1"}}, "unknown"),
        ({"snapshot": {"snapshot_id": "snap-1", "tags": {"petal:build-id": "../../etc"}}}, "______etc"),
    ],
)
def test_the_build_is_the_one_that_is_meant_and_its_name_no_path(given: dict[str, Any], build_id: str) -> None:
    assert sought(**given).build_id == build_id


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (Found("h", ["/w/a.log"], ["/logs/1/h/w/a.log"]), ["/logs/1/h/w/a.log"]),
        (Found("h", brought=[f"/l/{one}" for one in "abcde"]), ["/l/a", "/l/b", "/l/c", "and 2 more in /l"]),
        (Found("h", ["/w/a.log"]), ["/w/a.log on h, not brought here"]),
        (Found("h"), ["none on h yet"]),
        (Found("h", packages=False, built=True), ["none: without Spack packages, the run that builds shows all"]),
        (
            Found("h", volume="build-1", mount_dir="/shared", built=True),
            ["on the snapshot's volume only: .petal/logs/spack-build-1.log, which is in /shared where it is deployed"],
        ),
    ],
)
def test_where_they_are_in_words(found: Found, lines: list[str]) -> None:
    assert [said.startswith(line) for said, line in zip(found.lines(), lines, strict=True)] == [True] * len(lines)


def test_all_that_was_brought_has_one_directory() -> None:
    two = Found("h", brought=["/logs/1/h/w/a.log", "/logs/1/h/v/b.log"])
    assert two.said() == "Its logs are on the controller, in /logs/1/h."
    assert Found("h", brought=["/logs/1/h/w/a.log"]).said() == "Its logs are on the controller, in /logs/1/h/w."
    assert Found("h").said() == ""
