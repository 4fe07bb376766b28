"""What keeps a build from ending well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._preflight.model import (
    COMMANDS,
    ControllerFacts,
    Facts,
    HostFacts,
    Room,
)
from ansible_collections.petal.hpc.plugins.module_utils._preflight.room import in_store, on_volume
from ansible_collections.petal.hpc.plugins.module_utils._preflight.rules import RULES, problems

MIB = 1024**2
SEED: dict[str, Any] = {
    "software": {
        "spack_packages": [],
        "python_environments": [{"packages": ["six==1.17.0", "idna==3.10"]}, {"packages": ["packaging==25.0"]}],
    }
}
ROOMS = {
    "store": Room("/var/lib/petal", 1, 100 * 1024 * MIB, 200 * 1024 * MIB),
    "caches and stages": Room("/var/cache/petal", 2, 1024 * MIB, 1024 * MIB),
}
HOST = HostFacts("builder", rooms=ROOMS)
GOOD = Facts(SEED, 1, ControllerFacts(), HOST)


def of_host(**different: Any) -> Facts:
    return replace(GOOD, host=replace(HOST, **different))


def with_store(free: int, total: int = 60 * MIB) -> Facts:
    return of_host(rooms={**ROOMS, "store": Room("/srv/store", 1, free, total)})


def test_a_good_host_and_one_that_is_still_to_be_made() -> None:
    assert problems(GOOD) == []
    assert problems(replace(GOOD, host=None)) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (of_host(root=False), ["builder", "root", "--become"]),
        (of_host(root=False, container="docker"), ["docker container", "CAP_SYS_ADMIN"]),
        (of_host(missing=("mkfs.ext4", "zstd")), ["mkfs.ext4, zstd", "Install the packages e2fsprogs zstd"]),
        (of_host(missing=("zstd",)), ["Install the package zstd"]),
        (of_host(loop="/dev/loop-control does not exist"), ["modprobe loop", "/dev/loop-control does not exist"]),
        (of_host(ext4=False), ["no ext4", "/proc/filesystems"]),
        (with_store(10 * MIB), ["the disk with /srv/store", "10.0 MiB free of 60.0 MiB", "at least", "-e store=DIR"]),
        (
            of_host(rooms={**ROOMS, "caches and stages": Room("/var/cache/petal", 2, 0, 1024 * MIB)}),
            ["the disk with /var/cache/petal, where the build keeps caches and stages, is full"],
        ),
        (replace(GOOD, controller=ControllerFacts(libraries=("boto3", "botocore"))), ["pip install boto3."]),
        # Its name at PyPI is another one.
        (replace(GOOD, controller=ControllerFacts(libraries=("cyclonedx",))), ["pip install cyclonedx-python-lib."]),
        (
            replace(GOOD, controller=ControllerFacts(collections=("amazon.aws",))),
            ["ansible-galaxy collection install amazon.aws"],
        ),
        (replace(GOOD, controller=ControllerFacts(commands=("ssh", "ssh-keygen"))), ["Install openssh-client "]),
    ],
)
def test_each_thing_that_is_missing(facts: Facts, words: list[str]) -> None:
    [text] = problems(facts)
    for word in words:
        assert word in text


def test_a_container_without_loop_devices_is_told_what_helps_there() -> None:
    """No package brings loop devices into a container, and modprobe does nothing there."""
    [text] = problems(of_host(loop="/dev/loop-control does not exist", container="podman"))
    assert "podman container" in text
    assert "--privileged" in text
    assert "Install" not in text
    assert "modprobe" not in text


def test_all_of_it_is_said_at_once() -> None:
    facts = replace(
        of_host(root=False, missing=("tar",), loop="x", ext4=False, rooms={"store": Room("/s", 1, 0, MIB)}),
        controller=ControllerFacts(("boto3",), ("amazon.aws",), ("ssh",)),
    )
    assert len(problems(facts)) == 8
    assert len(RULES) == 6


def test_the_room_that_a_build_needs_at_least() -> None:
    # As measured: below what each of these really took.
    spack = {"software": {"spack_packages": ["zlib"], "python_environments": []}}
    assert on_volume(spack, 8) < 290 * MIB
    assert in_store(spack, 8) < (290 + 58) * MIB
    assert in_store(SEED, 1, kept=1024 * MIB) < in_store(SEED, 1) < 60 * MIB
    nothing: dict[str, Any] = {"software": {"spack_packages": [], "python_environments": []}}
    assert on_volume(nothing, 1) < 664 * 1024
    assert on_volume(nothing, 4000) < 56320 * 1024
    # A volume and a snapshot need so much to be begun at all.
    assert in_store(nothing, 1) > 16 * MIB
    edge = in_store(SEED, 1)
    assert problems(with_store(edge)) == []
    assert problems(with_store(edge - 1)) != []


@pytest.mark.parametrize(
    ("free", "total", "full"),
    [
        (0, 60 * MIB, True),
        (2 * MIB, 60 * MIB, True),
        (4 * MIB, 60 * MIB, False),
        (15 * MIB, 10**12, True),
        (0, 0, False),
    ],
)
def test_full(free: int, total: int, full: bool) -> None:
    assert Room("/s", 1, free, total).is_full is full


def test_facts_survive_a_module_and_a_template() -> None:
    assert HostFacts.of(HOST.to_dict()) == HOST
    assert set(COMMANDS.values()) == {"util-linux", "mount", "e2fsprogs", "tar", "zstd"}
