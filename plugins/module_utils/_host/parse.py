# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Linux tells about mounts, loop devices, processes and ext4, read into records."""

from __future__ import annotations

import json
import re
import signal
import struct
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

DELETED = " (deleted)"
FREE_SPACE = "Free some space or put the store (option store) on a larger disk, then run again."
# Flags in the options of a mounted file system that has stopped taking writes by itself.
DEAD_OPTIONS = frozenset({"shutdown", "emergency_ro"})
SUPERBLOCK_OFFSET = 1024
SUPERBLOCK_SIZE = 1024


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/PID/mountinfo`` (proc_pid_mountinfo(5)); ``device`` is ``major:minor``."""

    device: str
    root: str
    target: str
    options: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]

    @property
    def read_only(self) -> bool:
        return "ro" in self.options

    @property
    def dead(self) -> bool:
        """The file system was mounted to be written and no longer can be: an error of the device stopped it."""
        stopped = DEAD_OPTIONS.intersection(self.super_options)
        return bool(stopped) or (not self.read_only and "ro" in self.super_options)


@dataclass(frozen=True)
class Loop:
    """One loop device: its node, and the file behind it by path, inode and device (``major:minor``)."""

    device: str
    file: str
    inode: int
    file_device: str
    autoclear: bool

    @property
    def deleted(self) -> bool:
        return self.file.endswith(DELETED)

    @property
    def path(self) -> str:
        return self.file[: -len(DELETED)] if self.deleted else self.file


@dataclass(frozen=True)
class Ext4:
    """The parts of an ext4 superblock that decide something here. sums_by_uuid: the checksums of all that it has begin
    with its UUID, and would have to be made anew with it.
    """

    blocks: int
    block_size: int
    uuid: str
    label: str
    sums_by_uuid: bool = False

    @property
    def size(self) -> int:
        """Size of the file system in bytes."""
        return self.blocks * self.block_size


@dataclass(frozen=True)
class Process:
    """A process by its number and the command line that people know it by."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.command})"


def name_processes(processes: Sequence[Process], most: int = 8) -> str:
    """The first few processes as ``123 (command), …``."""
    more = f" and {len(processes) - most} more" if len(processes) > most else ""
    return ", ".join(str(process) for process in processes[:most]) + more


@dataclass(frozen=True)
class ProcessStat:
    """From ``/proc/PID/stat`` (proc_pid_stat(5)): state letter, parent, start in clock ticks after boot."""

    command: str
    state: str
    parent: int
    start_time: int


def unescape(text: str) -> str:
    """Undo the octal escapes (``\\040`` for a space) of mountinfo.

    >>> unescape("/a\\\\040b")
    '/a b'
    """
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def parse_mountinfo(text: str) -> list[Mount]:
    """Mounts in the order of the kernel: a later one at the same target lies on top."""
    mounts = []
    for line in text.splitlines():
        fields = line.split(" ")
        if "-" not in fields[6:] or len(fields) < 10:
            continue
        dash = fields.index("-", 6)
        mounts.append(
            Mount(
                device=fields[2],
                root=unescape(fields[3]),
                target=unescape(fields[4]),
                options=tuple(fields[5].split(",")),
                fstype=fields[dash + 1],
                source=unescape(fields[dash + 2]),
                super_options=tuple(fields[dash + 3].split(",")) if len(fields) > dash + 3 else (),
            )
        )
    return mounts


def top_mount(mounts: Iterable[Mount], target: str) -> Mount | None:
    """What is seen at a path: the last mount whose target is exactly it."""
    found = None
    for mount in mounts:
        if mount.target == target:
            found = mount
    return found


def mounts_below(mounts: Iterable[Mount], target: str) -> list[Mount]:
    """Mounts at a path or anywhere below it, in the order of the kernel."""
    prefix = target.rstrip("/") + "/"
    return [mount for mount in mounts if mount.target == target or mount.target.startswith(prefix)]


def parse_losetup(text: str) -> list[Loop]:
    """Read ``losetup --list --json --output NAME,BACK-INO,BACK-MAJ:MIN,BACK-FILE,AUTOCLEAR``.

    Older util-linux writes every value as a string and truth as "0" and "1".
    """
    if not text.strip():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(text)["loopdevices"]
        return [
            Loop(
                device=str(row["name"]),
                file=str(row["back-file"] or ""),
                inode=int(row["back-ino"] or 0),
                file_device=str(row["back-maj:min"] or "").strip(),
                autoclear=str(row["autoclear"]).lower() in ("true", "1"),
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise PetalError(f"losetup --list --json gave something that cannot be read ({error}): {text[:200]}") from error


def parse_superblock(data: bytes) -> Ext4 | None:
    """Read an ext4 superblock; None when it is not one.

    :param data: the 1024 bytes at offset 1024 of the device (Documentation/filesystems/ext4/super.rst of Linux).
    """
    if len(data) < SUPERBLOCK_SIZE or struct.unpack_from("<H", data, 0x38)[0] != 0xEF53:
        return None
    low, log_block_size = struct.unpack_from("<I", data, 0x04)[0], struct.unpack_from("<I", data, 0x18)[0]
    incompatible = struct.unpack_from("<I", data, 0x60)[0]
    high = struct.unpack_from("<I", data, 0x150)[0] if incompatible & 0x80 else 0
    sums, seed = struct.unpack_from("<I", data, 0x64)[0] & 0x400, incompatible & 0x2000
    if log_block_size > 6:
        return None
    return Ext4(
        blocks=(high << 32) + low,
        block_size=1024 << log_block_size,
        uuid=str(uuid.UUID(bytes=data[0x68:0x78])),
        label=data[0x78:0x88].split(b"\0")[0].decode("utf-8", "replace"),
        sums_by_uuid=bool(sums and not seed),
    )


def parse_stat(text: str) -> ProcessStat | None:
    """Read ``/proc/PID/stat``; None when it is cut off. The command may itself hold spaces and parentheses."""
    opening, closing = text.find("("), text.rfind(")")
    rest = text[closing + 1 :].split()
    if opening < 0 or closing < opening or len(rest) < 20:
        return None
    return ProcessStat(
        command=text[opening + 1 : closing], state=rest[0], parent=int(rest[1]), start_time=int(rest[19])
    )


def signal_hint(status: int) -> str:
    """That a program did not end by itself; empty where it did.

    :param status: as subprocess gives it (-9), or a shell (137).

    >>> signal_hint(-11)
    ' It was ended by signal 11.'
    """
    number = -status if status < 0 else status - 128
    if number not in signal.valid_signals():
        return ""
    if number in (signal.SIGKILL, signal.SIGTERM):
        return f" It was ended by signal {number}, as by a host without memory or one that shuts down: run again."
    return f" It was ended by signal {number}."


def failure(doing: str, command: str, status: int, said: str) -> str:
    """One message for a command that had to succeed.

    :param doing: what it was for, as in "mounting the volume x".
    :param status: as subprocess gives it. said: its error output, or its output where that is empty.
    """
    text = " ".join((said or "no message").split())
    hint = f" {FREE_SPACE}" if "No space left" in text else signal_hint(status)
    return f"{doing}: {command} ended with status {status}: {text[-800:].rstrip('.')}.{hint}"


def gib_to_bytes(gib: int) -> int:
    """GiB to bytes."""
    return gib * 1024**3


def human(size: int) -> str:
    """Bytes for people, in binary units.

    >>> human(3 * 1024**3 // 2)
    '1.5 GiB'
    """
    value = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{int(value)} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
