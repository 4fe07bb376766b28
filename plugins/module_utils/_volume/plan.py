# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done to a volume: decided from what is asked for and what was found, without touching anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.parse import Mount, gib_to_bytes, name_processes
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import (
    ABSENT,
    ATTACHED,
    DELETING,
    DETACHED,
    MOUNTED,
    DetachedBuildError,
    Found,
    VolumeError,
    Wanted,
)

# resize2fs leaves out a last group that is too small to hold its own tables; groups have 128 MiB.
GROUP_BYTES = 128 * 1024**2

EVICT = "evict"
DISCARD = "discard"
CREATE = "create"
RESTORE = "restore"
UNMOUNT = "unmount"
LEAVE = "leave"
GROW = "grow"
LABEL = "label"
TAG = "tag"
ATTACH = "attach"
CHECK = "check"
ENTER = "enter"
MOUNT = "mount"

# Steps that prepare others and change nothing that lasts.
SILENT = frozenset({CHECK})


@dataclass(frozen=True)
class Step:
    """One thing to do; ``text`` says it to people, ``size_gb`` is the size to create or to grow to."""

    action: str
    text: str
    size_gb: int = 0


def plan(wanted: Wanted, found: Found, snapshot: Snapshot | None = None) -> list[Step]:
    """Decide.

    :param wanted: checked options; ``mount_dir`` in its plain form.
    :param found: the volume as it is.
    :param snapshot: the one named by ``wanted.snapshot_id``, when the volume has to be made from it.
    :return: the steps in order; none when nothing has to change. Raises VolumeError when it must not be done.
    """
    steps = []
    if wanted.state == ABSENT and found.detached and not wanted.evict_detached:
        raise DetachedBuildError(
            f"a build that was left to itself goes on in it ({name_processes(found.detached, most=3)})", found.detached
        )
    if wanted.evict and found.evictable:
        steps.append(Step(EVICT, f"end {found.evictable} processes left in the mount namespace"))
        found = replace(found, evictable=0)
    if wanted.state == ABSENT:
        return steps + _detach(found) + _discard(found)
    if found.sidecar is not None and found.sidecar.state == DELETING:
        steps += _detach(found) + _discard(found)
        found = Found(occupants=found.occupants)
    if wanted.state == DETACHED:
        return steps + _detach(found)
    if found.exists:
        _check_identity(wanted, found)
        # What blocks a mount is known before anything is changed.
        tail = _reach(wanted, found)
        return steps + _amend(wanted, found, tail)
    if found.image_bytes is not None and found.sidecar is None:
        raise VolumeError(
            f"the image of the volume {wanted.name} was there before ({found.signature or 'no known file system'}) and "
            "is not one of petal.hpc. It is left as it is: move it away, or use another name."
        )
    return steps + _make(wanted, snapshot) + _reach(wanted, Found(occupants=found.occupants))


def _detach(found: Found) -> list[Step]:
    steps = []
    if found.host_mounts or found.namespace_mounts or found.loops:
        where = [mount.target for mount in (*found.namespace_mounts, *found.host_mounts)]
        steps.append(Step(UNMOUNT, f"unmount {', '.join(where)}" if where else "free the loop device"))
    if found.namespace:
        steps.append(Step(LEAVE, "remove the mount namespace"))
    return steps


def _discard(found: Found) -> list[Step]:
    if found.sidecar is None:
        if found.image_bytes is not None:
            raise VolumeError(
                "there is an image of that name, but it is not one of petal.hpc (no record stands beside it). "
                "Remove it by hand if nobody needs it."
            )
        return []
    return [Step(DISCARD, "remove the image and its record")]


def _check_identity(wanted: Wanted, found: Found) -> None:
    sidecar = found.sidecar
    if sidecar is None:
        return
    if found.image_bytes is None:
        raise VolumeError(
            f"the image of the volume {wanted.name} is gone, its record is still there. Put the image back, or "
            "clear the record with state: absent and make the volume again."
        )
    if found.filesystem is None or found.signature not in ("", "ext4"):
        raise VolumeError(
            f"the image of the volume {wanted.name} holds {found.signature or 'no file system'}, expected ext4 with "
            f"UUID {sidecar.filesystem_uuid}. It is never formatted again: put the right image back, or remove the "
            "volume with state: absent and make it again."
        )
    if found.filesystem.uuid != sidecar.filesystem_uuid:
        raise VolumeError(
            f"the image of the volume {wanted.name} holds another file system (UUID {found.filesystem.uuid}, expected "
            f"{sidecar.filesystem_uuid}). Put the right image back, or remove the volume with state: absent."
        )
    if wanted.snapshot_id is not None and wanted.snapshot_id != sidecar.snapshot_id:
        origin = f"made from {sidecar.snapshot_id}" if sidecar.snapshot_id else "not made from a snapshot"
        raise VolumeError(
            f"the volume {wanted.name} is {origin}, asked for was {wanted.snapshot_id}. "
            "Use another name, or remove it first with state: absent."
        )
    if wanted.size_gb is not None and wanted.size_gb < found.size_gb:
        raise VolumeError(
            f"the volume {wanted.name} has {found.size_gb} GiB and never shrinks, asked for was {wanted.size_gb}. "
            f"Ask for {found.size_gb} or more, or make a new volume."
        )


def _make(wanted: Wanted, snapshot: Snapshot | None) -> list[Step]:
    if snapshot is not None:
        if wanted.size_gb is not None and wanted.size_gb < snapshot.size_gb:
            raise VolumeError(
                f"the volume {wanted.name} of {wanted.size_gb} GiB is too small for the snapshot "
                f"{snapshot.snapshot_id}. Ask for {snapshot.size_gb} or more."
            )
        size = wanted.size_gb or snapshot.size_gb
        return [Step(RESTORE, f"make the volume from {snapshot.snapshot_id} with {size} GiB", size)]
    if wanted.size_gb is None:
        raise VolumeError(f"there is no volume {wanted.name}. Say size_gb or snapshot_id to make it.")
    return [Step(CREATE, f"make the volume with {wanted.size_gb} GiB", wanted.size_gb)]


def _amend(wanted: Wanted, found: Found, tail: list[Step]) -> list[Step]:
    sidecar, filesystem = found.sidecar, found.filesystem
    steps = []
    if sidecar is not None and wanted.tags is not None and wanted.tags != sidecar.tags:
        steps.append(Step(TAG, "write the tags"))
    if filesystem is not None and wanted.label is not None and wanted.label != filesystem.label:
        steps.append(Step(LABEL, f"change the label to {wanted.label}"))
    size = wanted.size_gb or found.size_gb
    target = gib_to_bytes(size)
    # A crash between the two halves of growing leaves the image larger than its file system.
    short = filesystem is not None and filesystem.size + GROUP_BYTES <= target
    if (found.image_bytes or 0) >= target and not short:
        return steps + tail
    grow = Step(GROW, f"grow from {found.size_gb} to {size} GiB", size)
    read_only = any(mount.read_only for mount in (*found.host_mounts, *found.namespace_mounts))
    if read_only and not any(step.action == UNMOUNT for step in tail):
        raise VolumeError(
            f"the volume {wanted.name} is mounted read-only and cannot grow. Detach it first, then ask again."
        )
    # Where the volume has to be unmounted anyway it grows before it is mounted again.
    cut = 1 + max((i for i, step in enumerate(tail) if step.action == UNMOUNT), default=-1)
    return steps + tail[:cut] + [grow] + tail[cut:]


def _reach(wanted: Wanted, found: Found) -> list[Step]:
    if wanted.state == ATTACHED and not found.loops:
        return [Step(ATTACH, "attach a loop device")]
    if wanted.state != MOUNTED:
        return []
    target = wanted.mount_dir or ""
    mine = found.namespace_mounts if wanted.namespace else found.host_mounts
    _check_place(wanted, found, mine)
    if mine and _is_sound(mine[-1], wanted, found):
        return []
    steps = []
    if mine or found.loops:
        steps.append(Step(UNMOUNT, f"unmount {target}" if mine else "free the loop device"))
    steps.append(Step(CHECK, "check the file system"))
    if wanted.namespace and not found.namespace:
        steps.append(Step(ENTER, "make a mount namespace"))
    return [*steps, Step(MOUNT, f"mount at {target}{' read-only' if wanted.read_only else ''}")]


def _check_place(wanted: Wanted, found: Found, mine: tuple[Mount, ...]) -> None:
    foreign = found.host_mounts if wanted.namespace else found.namespace_mounts
    if foreign:
        where = "on the host" if wanted.namespace else "in its private namespace"
        raise VolumeError(
            f"the volume {wanted.name} is mounted {where} at {foreign[0].target}. Detach it first (state: detached)."
        )
    elsewhere = [mount.target for mount in mine if mount.target != wanted.mount_dir]
    if elsewhere:
        raise VolumeError(
            f"the volume {wanted.name} is mounted at {elsewhere[0]}, asked for was {wanted.mount_dir}. "
            "Detach it first (state: detached)."
        )
    if not mine and not wanted.namespace and found.occupants:
        raise VolumeError(
            f"{wanted.mount_dir} is taken: {describe(found.occupants[-1])} is mounted there. "
            "Unmount that first, or use another mount_dir."
        )


def _is_sound(mount: Mount, wanted: Wanted, found: Found) -> bool:
    deleted = any(loop.deleted for loop in found.loops)
    return mount.read_only == wanted.read_only and not mount.dead and not deleted and bool(found.loops)


def describe(mount: Mount) -> str:
    """A mount for people: ``/dev/loop0 (ext4)``."""
    return f"{mount.source} ({mount.fstype})"


def predict(
    volume: dict[str, Any] | None, steps: Sequence[Step], wanted: Wanted, paths: Mapping[str, str]
) -> dict[str, Any] | None:
    """What a task would return after these steps, for check mode.

    :param volume: what it would return now; None when there is no volume.
    :param paths: image, namespace and python, as they would be.
    """
    result = dict(volume) if volume else None
    for step in steps:
        if step.action == DISCARD:
            result = None
        elif step.action in (CREATE, RESTORE):
            result = dict.fromkeys(("id", "device", "mount_dir", "namespace", "python", "filesystem_uuid"))
            result.update(name=wanted.name, image=paths["image"], mounted=False, read_only=False)
            result.update(snapshot_id=wanted.snapshot_id, size_gb=step.size_gb, tags=wanted.tags or {})
        elif result is not None:
            result.update(_outcome(step, wanted, paths))
    return result


def _outcome(step: Step, wanted: Wanted, paths: Mapping[str, str]) -> dict[str, Any]:
    outcomes: dict[str, dict[str, Any]] = {
        UNMOUNT: {"device": None, "mount_dir": None, "mounted": False, "read_only": False},
        LEAVE: {"namespace": None, "python": None},
        ENTER: {"namespace": paths["namespace"], "python": paths["python"]},
        MOUNT: {"mount_dir": wanted.mount_dir, "mounted": True, "read_only": wanted.read_only},
        GROW: {"size_gb": step.size_gb},
        TAG: {"tags": wanted.tags},
    }
    return outcomes.get(step.action, {})
