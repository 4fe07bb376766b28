# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of the machines before a build begins: facts, gathered elsewhere, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: Below this a disk is full: neither a volume nor a snapshot is begun there (SPARE of _volume and _snapshot).
SCANT = 16 * 1024**2

#: Commands of a build on the provider local, with the package that brings each (Debian's name; Fedora's is the same).
COMMANDS = {
    "blkid": "util-linux",
    "losetup": "util-linux",
    "mount": "mount",
    "nsenter": "util-linux",
    "prlimit": "util-linux",
    "taskset": "util-linux",
    "umount": "mount",
    "unshare": "util-linux",
    "debugfs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "e2label": "e2fsprogs",
    "mkfs.ext4": "e2fsprogs",
    "resize2fs": "e2fsprogs",
    "tar": "tar",
    "zstd": "zstd",
}


@dataclass(frozen=True)
class Room:
    """The disk of a directory: its number (st_dev), and its bytes, free and in all. total 0: unknown."""

    path: str
    device: int
    free: int
    total: int

    @property
    def is_full(self) -> bool:
        """Whether nothing worth mentioning can be written; small pieces may still fit."""
        return self.total > 0 and self.free < min(SCANT, self.total // 20)


@dataclass(frozen=True)
class HostFacts:
    """The host that is to build, as it is now.

    name: its own. root: whether the build is root, with the right to mount. container: the kind that it is, or empty.
    loop: why there is no loop device, or empty. ext4: whether its kernel has ext4. missing: commands. rooms: disks by
    what they are for. kept: bytes that an earlier run of this build has written already.
    """

    name: str
    root: bool = True
    container: str = ""
    loop: str = ""
    ext4: bool = True
    missing: tuple[str, ...] = ()
    rooms: Mapping[str, Room] = field(default_factory=dict)
    kept: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> HostFacts:
        """Facts from what ``to_dict`` gave, whatever carried it."""
        rooms = {name: Room(**room) for name, room in value["rooms"].items()}
        return cls(**{**value, "rooms": rooms, "missing": tuple(value["missing"])})


@dataclass(frozen=True)
class ControllerFacts:
    """What the controller lacks of what a build needs there: Python libraries, collections, commands."""

    libraries: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All that the rules look at.

    seed: in full, as the plan has it. size_gb: of the volume. host: None where it is still to be made.
    """

    seed: Mapping[str, Any]
    size_gb: int
    controller: ControllerFacts
    host: HostFacts | None = None
