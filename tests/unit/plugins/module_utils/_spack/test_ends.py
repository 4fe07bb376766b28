# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why an installation ended that its packages are not to blame for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.keep import INFRASTRUCTURE, SOFTWARE, cause_of
from ansible_collections.petal.hpc.plugins.module_utils._spack.ends import (
    Circumstances,
    Room,
    fewer,
    reasons,
    rooms,
    silent,
)

GIB = 1024**3
AT = Circumstances("node1", 8 * GIB, 8)
FAILED = "gcc -c a.c\na.c:3: error: x\nCommand exited with status 2:\n    '/usr/bin/make' '-j8'\n"
VOLUME = Room("/shared", "packages", 4096, 10 * GIB, volume=True)
WORK = Room("/var", "sources and builds", 50 * GIB, 100 * GIB)


def test_what_explains_itself_gets_no_reason() -> None:
    assert reasons(1, [FAILED], ["The following packages failed to install"], replace(AT, rooms=(WORK,))) == []


def test_spack_was_killed() -> None:
    (why,) = reasons(-9, [], [], AT)
    assert why == (
        "Spack was ended by signal 9 (SIGKILL). The kernel does that where memory runs out (dmesg says whether it "
        "did). node1 has 8.0 GiB of memory, for 8 jobs at once: run again with fewer, -e spack_jobs=4 (the module's "
        "concurrency)."
    )
    assert reasons(137, [], [], AT) == [why]
    assert reasons(-11, [], [], AT) == []
    # It says nothing of the software: what is on the volume is kept.
    assert cause_of(why, installing=True) == INFRASTRUCTURE


@pytest.mark.parametrize(
    ("kills", "says"),
    [
        (1, "The kernel ended 1 process for want"),
        (3, "ended 3 processes for want"),
        (0, "somebody or something else did"),
    ],
)
def test_the_kernel_counts_what_it_ended(kills: int, says: str) -> None:
    assert says in reasons(-9, [], [], replace(AT, kills=kills))[0]


@pytest.mark.parametrize(
    "log",
    [
        "g++: fatal error: Killed signal terminated program cc1plus\ncompilation terminated.\n",
        "collect2: fatal error: ld terminated with signal 9 [Killed]\n",
        "x.c:1:1: internal compiler error: Killed (program cc1)\n",
        "make[2]: *** [Makefile:4: x.o] Killed\n",
        "make: *** [Makefile:4: x.o] Error 137\n",
        "/bin/sh: line 1:  8123 Killed                  gcc -c x.c\n",
        "Command exited with status -9:\n    '/bin/sh' '-c'\n",
    ],
)
def test_a_process_of_the_build_was_killed(log: str) -> None:
    (why,) = reasons(1, [log + FAILED], [], AT)
    assert why.startswith("A process of the build was ended by signal 9 (SIGKILL). ")
    assert cause_of(why, installing=True) == INFRASTRUCTURE


def test_the_installer_before_says_it_itself() -> None:
    error = "The process has stopped unexpectedly (signal 9)"
    (why,) = reasons(1, [""], [error], replace(AT, spoken=False))
    assert why.startswith("A process of the build was ended by signal 9")
    # Its logs end as they like.
    assert reasons(1, ["working\n"], [], replace(AT, spoken=False)) == []


def test_who_says_nothing_was_killed() -> None:
    assert silent("==> petal: Executing phase: 'build'\ngcc -c a.c\n")
    assert not silent(FAILED)
    assert not silent("Traceback (most recent call last):\n  File x\nKeyError: 'c'\n")
    assert not silent("KeyboardInterrupt\n")
    assert not silent(" \n")
    # What a configure script says on its way is not how it ended.
    assert silent("FooError: none\n" + "checking\n" * 40)
    (why,) = reasons(1, ["gcc -c a.c\n"], [], AT)
    assert why.startswith("The process of the build was gone before it could say why")
    assert cause_of(why, installing=True) == INFRASTRUCTURE


def test_with_how_many_jobs_to_try_again() -> None:
    assert [fewer(number) for number in (64, 3, 2, 1)] == [32, 1, 1, 1]
    (why,) = reasons(-9, [], [], replace(AT, jobs=1))
    assert why.endswith("node1 has 8.0 GiB of memory, for 1 job at once: take a host with more memory.")


def test_no_space_on_the_volume_names_its_size() -> None:
    (why,) = reasons(
        1, ["OSError: [Errno 28] No space left on device: '/shared/x'\n"], [], replace(AT, rooms=(VOLUME, WORK))
    )
    assert why.startswith(
        "No space was left on /shared (packages): 4.0 KiB of 10.0 GiB free at the lowest. Make it larger"
    )
    assert "shared_storage[].ebs_settings.size" in why
    assert "/var" not in why
    assert cause_of(why + FAILED, installing=True) == SOFTWARE


def test_no_space_beside_the_volume_names_no_size_of_it() -> None:
    at = replace(AT, rooms=(replace(VOLUME, free=GIB), replace(WORK, free=0)))
    (why,) = reasons(1, ["ld: final link failed: No space left on device\n" + FAILED], [], at)
    assert why.startswith("No space was left on /var (sources and builds): 0 bytes of 100.0 GiB free at the lowest. ")
    assert "Free some space on /var" in why
    assert "shared_storage" not in why


def test_a_full_volume_is_told_where_no_error_says_so() -> None:
    (why,) = reasons(1, ["working\n"], [], replace(AT, rooms=(VOLUME,)))
    assert why.startswith("There was hardly any space, which shows as all sorts of errors, on /shared (packages)")


def test_a_moment_that_nobody_saw() -> None:
    at = replace(AT, rooms=(WORK, replace(VOLUME, free=2 * GIB)))
    (why,) = reasons(1, ["OSError: [Errno 28] No space left on device\n"], [], at)
    assert why.startswith("No space was left on /shared (packages): 2.0 GiB of 10.0 GiB free at the lowest. Make it")


def test_an_error_about_another_device() -> None:
    (why,) = reasons(1, ["cp: /dev/shm/x: No space left on device\n" + FAILED], [], replace(AT, rooms=(WORK,)))
    assert "They had room: /var (sources and builds): 50.0 GiB of 100.0 GiB free" in why
    assert "quota" in why


def test_one_file_system_is_told_once_with_all_that_is_there() -> None:
    uses = {"/shared/opt": "packages", "/work": "sources and builds", "/tmp": "temporary files"}
    tops = {"/shared/opt": "/shared", "/work": "/", "/tmp": "/"}
    lowest = {"/shared/opt": [GIB, 2 * GIB, 5, 10], "/work": [0, GIB, 0, 10], "/tmp": [0, GIB, 0, 10]}
    volume, rest = rooms(lowest, uses, tops)
    assert volume == Room("/shared", "packages", GIB, 2 * GIB, volume=True)
    assert rest == Room("/", "sources and builds, temporary files", 0, GIB, inodes=True)
    # File systems without inodes of their own have none to lose.
    assert not rooms({"/work": [GIB, 2 * GIB, 0, 0]}, {"/work": "packages"}, {})[0].is_full
    assert rest.is_full
    # A runner of an earlier release looked at nothing.
    assert rooms({}, uses, tops) == ()


def test_packages_on_the_disk_of_the_host_are_still_what_a_seed_sizes() -> None:
    both = rooms(
        {"/opt": [0, GIB, 1, 9], "/tmp": [0, GIB, 1, 9]},
        {"/opt": "packages", "/tmp": "temporary files"},
        {"/opt": "/", "/tmp": "/"},
    )
    assert [room.volume for room in both] == [True]
