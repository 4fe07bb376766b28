# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a local volume: what is asked for, what is kept beside its image, what was found."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import VOLUME_ID
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import Ext4, Loop, Mount, Process
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Origin, parse_origin

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# A volume over one of these would hide the host from itself.
SYSTEM_DIRECTORIES = re.compile(
    r"/(bin|boot|dev|etc|home|lib|lib32|lib64|libx32|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|"
    r"usr(/(bin|lib|lib64|local|sbin|share))?|var(/(lib|log|tmp))?)?"
)
KERNEL_TREES = ("/dev/", "/proc/", "/sys/", "/run/petal/")

CREATING = "creating"
READY = "ready"
DELETING = "deleting"

PRESENT = "present"
ATTACHED = "attached"
MOUNTED = "mounted"
DETACHED = "detached"
ABSENT = "absent"


class VolumeError(PetalError):
    """A volume cannot be brought into the state that was asked for."""


class DetachedBuildError(VolumeError):
    """A build that was left to itself goes on in the volume; ``processes``: each with pid and command."""

    def __init__(self, message: str, processes: Sequence[Process]) -> None:
        super().__init__(message)
        self.processes = [asdict(process) for process in processes]


@dataclass(frozen=True)
class Wanted:
    """What is asked of a volume; None leaves a thing as it is.

    size_gb: GiB. evict: end processes that a dead controller left in the volume's namespace; evict_detached: those of
    a detached build, too. fingerprint: what the manifest on a volume that is made from a snapshot has to bear.
    signatures: of the snapshot's record, which came after the volume was made. new_uuid: whether a file system that is
    made from a snapshot gets a UUID of its own.
    """

    name: str
    state: str = PRESENT
    size_gb: int | None = None
    snapshot_id: str | None = None
    mount_dir: str | None = None
    namespace: bool = False
    read_only: bool = False
    tags: dict[str, str] | None = None
    evict: bool = False
    evict_detached: bool = False
    label: str | None = None
    fingerprint: str | None = None
    signatures: str = ""
    new_uuid: bool = False


@dataclass(frozen=True)
class Kept:
    """By whose word a volume was made from a snapshot, which may be gone from the store when that is asked again.

    record: the text of the snapshot's record, to the byte. signatures: those beside it. origin: where it came from;
    None for what was built in the own store.
    """

    record: str
    signatures: str = ""
    origin: Origin | None = None


@dataclass(frozen=True)
class Sidecar:
    """What ``volumes/NAME.json`` says. state: creating, ready or deleting; a crash shows as one of the other two.

    kept: None for a volume that was made empty, or from a snapshot by a release that kept nothing.
    """

    id: str
    name: str
    state: str
    filesystem_uuid: str
    created: str
    snapshot_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    kept: Kept | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"schema": 1, **asdict(self)}


@dataclass(frozen=True)
class Found:
    """A volume as it is.

    image_bytes: size of the image file, None when there is none. filesystem: its superblock, None when it has none.
    signature: what else is on it, as blkid names it ("xfs"). loops: its loop devices. host_mounts, namespace_mounts:
    mounts of these. namespace: whether its mount namespace lives. occupants: mounts of others at the mount directory
    on the host. evictable: number of processes that evict would end. detached: the processes of a detached build.
    """

    sidecar: Sidecar | None = None
    image_bytes: int | None = None
    filesystem: Ext4 | None = None
    signature: str = ""
    loops: tuple[Loop, ...] = ()
    host_mounts: tuple[Mount, ...] = ()
    namespace_mounts: tuple[Mount, ...] = ()
    namespace: bool = False
    occupants: tuple[Mount, ...] = ()
    evictable: int = 0
    detached: tuple[Process, ...] = ()

    @property
    def exists(self) -> bool:
        return self.sidecar is not None and self.sidecar.state == READY

    @property
    def size_gb(self) -> int:
        """Size in GiB, as far as the file system fills it."""
        return -(-(self.image_bytes or 0) // 1024**3)


def check_name(name: str) -> str:
    """Give the name of a volume back; VolumeError when it is not allowed."""
    if not NAME.fullmatch(name):
        raise VolumeError(
            f"name {name!r} is not allowed for a volume: expected small letters, digits and hyphens, "
            "a letter or digit first, at most 63"
        )
    return name


def check_mount_dir(path: str, store: str) -> str:
    """Give a mount directory back in its plain form; VolumeError when a volume must not be mounted there.

    :param store: the store must not come to lie under its own volume.
    """
    plain = posixpath.normpath(path).replace("//", "/")
    if not path.startswith("/") or any(ord(char) < 32 for char in path) or ".." in path.split("/"):
        raise VolumeError(f"mount_dir {path!r} is not allowed: expected an absolute path without '..'")
    if SYSTEM_DIRECTORIES.fullmatch(plain) or (plain + "/").startswith(KERNEL_TREES):
        raise VolumeError(f"mount_dir {plain} is a directory of the system. Choose one of its own, such as /shared.")
    if (store.rstrip("/") + "/").startswith(plain + "/"):
        raise VolumeError(f"mount_dir {plain} would hide the store {store}. Choose another mount_dir or store.")
    return plain


def check_label(label: str) -> str:
    """Give a label back; VolumeError when ext4 cannot hold it (16 bytes)."""
    if len(label.encode()) > 16 or any(ord(char) < 32 for char in label):
        raise VolumeError(f"label {label!r} is not allowed: expected at most 16 bytes of text")
    return label


def text_tags(tags: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Tags with every value as text; VolumeError for one that is no scalar."""
    if tags is None:
        return None
    for key, value in tags.items():
        if not isinstance(value, (str, int, float)):
            raise VolumeError(f"the tag {key} has the value {value!r}, expected a text")
    return {str(key): str(value) for key, value in tags.items()}


def _text(value: Mapping[str, Any], key: str, pattern: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not re.fullmatch(pattern, found):
        raise VolumeError(f"{key} is missing or not of the form {pattern}")
    return found


def parse_sidecar(value: Any, name: str) -> Sidecar:
    """Read a sidecar; VolumeError with what is wrong.

    :param name: the volume that it has to be of.
    """
    if not isinstance(value, dict):
        raise VolumeError("the record is no mapping")
    if value.get("name") != name:
        raise VolumeError(f"the record is of {value.get('name')!r}")
    tags, snapshot_id = value.get("tags"), value.get("snapshot_id")
    if not isinstance(tags, dict) or not all(isinstance(item, str) for item in tags.values()):
        raise VolumeError("tags is not a mapping of texts")
    return Sidecar(
        id=_text(value, "id", VOLUME_ID.pattern),
        name=name,
        state=_text(value, "state", f"{CREATING}|{READY}|{DELETING}"),
        filesystem_uuid=_text(value, "filesystem_uuid", UUID.pattern),
        created=_text(value, "created", ".{1,32}"),
        snapshot_id=None if snapshot_id is None else _text(value, "snapshot_id", "snap-[0-9a-f]{8,17}"),
        tags=tags,
        kept=_kept(value.get("kept")),
    )


def _kept(value: Any) -> Kept | None:
    if value is None:
        return None
    record, signatures = (value.get(key) if isinstance(value, dict) else None for key in ("record", "signatures"))
    if not isinstance(record, str) or not isinstance(signatures, str):
        raise VolumeError("kept is no mapping with the texts record and signatures")
    return Kept(record, signatures, None if value.get("origin") is None else parse_origin(value["origin"]))
