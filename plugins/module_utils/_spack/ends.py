# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why an installation ended that was not its packages' fault: killed, or no space left; and what helps."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._preflight.model import SCANT

# How a compiler, a linker, make, a shell and Spack say that a process of theirs was ended by SIGKILL.
_KILLED = re.compile(
    r"\bKilled signal terminated program\b|\bterminated with signal 9\b|: Killed \(program|\bError 137$|\] Killed$"
    r"|^\S{0,80}sh: (?:line )?\d{1,9}: {1,9}\d{1,9} Killed\b|\bexited with status (?:-9|137)\b"
    r"|\bstopped unexpectedly \(signal 9\)",
    re.MULTILINE,
)
# What a build that failed by itself ends with: Spack's new installer writes one of them, or was not there to do it.
_SPOKE = re.compile(
    r"^(?:Command exited with status |==> Error: |Traceback \(most recent|[\w.]*(?:Error|Exception|Interrupt)(?::|$))",
    re.MULTILINE,
)
_LAST_LINES = 30
# Of a file system: with less than this free it is the one that an error without a name is about.
_SHORT = 0.25
_NO_SPACE = re.compile(r"\bNo space left on device\b|\bErrno 28\b")


@dataclass(frozen=True)
class Room:
    """A file system that an installation writes to. path: where it is mounted; use: what is written there.

    free, total: bytes, ``free`` as they were at the lowest; inodes: whether those were gone.
    """

    path: str
    use: str
    free: int
    total: int
    inodes: bool = False
    volume: bool = False

    @property
    def is_full(self) -> bool:
        """Whether nothing worth mentioning could be written."""
        return self.inodes or (self.total > 0 and self.free < min(SCANT, self.total // 20))

    @property
    def part(self) -> float:
        return self.free / self.total if self.total else 1.0


@dataclass(frozen=True)
class Circumstances:
    """Where an installation ran. memory: bytes; jobs: how many at once; kills: processes that the kernel's
    out-of-memory killer ended meanwhile, None where nobody knows; rooms: what it wrote to; spoken: whether a build that
    fails says so in its log, whatever fails.
    """

    host: str
    memory: int
    jobs: int
    kills: int | None = None
    rooms: tuple[Room, ...] = ()
    spoken: bool = True


def fewer(jobs: int) -> int:
    """The number of jobs to try next, after as many were too many."""
    return max(1, jobs // 2)


def rooms(lowest: Mapping[str, Sequence[int]], uses: Mapping[str, str], tops: Mapping[str, str]) -> tuple[Room, ...]:
    """What the runner of a session saw, one for each file system; the first of ``uses`` is the volume.

    :param lowest: free and all bytes, free and all inodes, by path, at their lowest.
    :param uses: what is written to each path. tops: where its file system is mounted.
    """
    found: dict[str, Room] = {}
    for number, (path, use) in enumerate(uses.items()):
        seen, top = lowest.get(path), tops.get(path, path)
        if seen and top in found:
            found[top] = _also(found[top], use)
        elif seen:
            free, total, free_inodes, inodes = seen
            found[top] = Room(top, use, free, total, inodes > 0 and free_inodes == 0, volume=number == 0)
    return tuple(found.values())


def _also(room: Room, use: str) -> Room:
    return Room(room.path, f"{room.use}, {use}", room.free, room.total, room.inodes, room.volume)


def silent(log: str) -> bool:
    """Whether a build that failed said nothing of it: its process was ended before it could.

    :param log: of the package; empty where there is none, which tells nothing.
    """
    lines = [line for line in log.splitlines() if line.strip()]
    return bool(lines) and not _SPOKE.search("\n".join(lines[-_LAST_LINES:]))


def reasons(status: int, logs: Sequence[str], errors: Iterable[str], at: Circumstances) -> list[str]:
    """What of the circumstances explains a failure, and what to do about it; none where it explains itself.

    :param status: of Spack, as subprocess gives it.
    :param logs: of the packages that failed. errors: Spack's own error lines.
    """
    said = "\n".join([*logs, *errors])
    found = []
    no_space = bool(_NO_SPACE.search(said))
    full = [room for room in at.rooms if room.is_full]
    if no_space and not full:
        # Who looks ten times a second may miss the moment.
        full = sorted((room for room in at.rooms if room.part < _SHORT), key=lambda room: room.part)[:1]
    if no_space or full:
        found.append(no_room(full, at.rooms, no_space))
    if is_killed(status):
        found.append(f"Spack was ended by signal 9 (SIGKILL). {memory(at)}")
    elif _KILLED.search(said):
        found.append(f"A process of the build was ended by signal 9 (SIGKILL). {memory(at)}")
    elif not found and at.spoken and any(silent(log) for log in logs):
        found.append(
            "The process of the build was gone before it could say why: it was ended by signal 9 (SIGKILL), as nothing "
            f"else does that. {memory(at)}"
        )
    return found


def is_killed(status: int) -> bool:
    """Whether a status, as subprocess (-9) or a shell (137) gives it, is that of SIGKILL."""
    return status in (-signal.SIGKILL, 128 + signal.SIGKILL)


def memory(at: Circumstances) -> str:
    """That memory is short, as far as one can know, and with how many jobs to try again."""
    if at.kills:
        who = f"The kernel ended {at.kills} process{'' if at.kills == 1 else 'es'} for want of memory meanwhile"
    elif at.kills is None:
        who = "The kernel does that where memory runs out (dmesg says whether it did)"
    else:
        who = "The kernel counts nothing that it ended for want of memory, so somebody or something else did"
    has = f"{at.host} has {human(at.memory)} of memory, for {at.jobs} job{'' if at.jobs == 1 else 's'} at once"
    if at.jobs <= 1:
        return f"{who}. {has}: take a host with more memory."
    return f"{who}. {has}: run again with fewer, -e spack_jobs={fewer(at.jobs)} (the module's concurrency)."


def no_room(full: Sequence[Room], every: Sequence[Room], said: bool) -> str:
    """Which file system is full, how full, and what makes it larger.

    :param full: those that were. every: all that were looked at. said: whether an error said so.
    """
    if full:
        what = "; ".join(_had(room) for room in full)
        lead = "No space was left on" if said else "There was hardly any space, which shows as all sorts of errors, on"
        return f"{lead} {what}. {' '.join(dict.fromkeys(_larger(room) for room in full))}"
    seen = "; ".join(_had(room) for room in sorted(every, key=lambda room: room.part))
    where = f" They had room: {seen}." if seen else ""
    return (
        "No space was left on a device, says an error, and it is none that packages, sources or builds are written to "
        f"by themselves.{where} Look for the path in the log: a quota or another file system can be full too."
    )


def _had(room: Room) -> str:
    inodes = " and no inode" if room.inodes else ""
    return f"{room.path} ({room.use}): {human(room.free)}{inodes} of {human(room.total)} free at the lowest"


def _larger(room: Room) -> str:
    if room.volume:
        return (
            "Make it larger: a volume has its size from the seed (shared_storage[].ebs_settings.size, in GiB), and one "
            "that was kept (-e keep_on_failure=true) grows to it in the next run."
        )
    return (
        f"Free some space on {room.path}, or take a larger disk; on a build host of AWS it is as large as "
        "build_host_root_size_gb says."
    )
