# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done to a volume in each situation, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host.parse import Ext4, Loop, Mount, gib_to_bytes
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import (
    DELETING,
    READY,
    Found,
    Sidecar,
    VolumeError,
    Wanted,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume.plan import plan, predict

UUID = "11111111-2222-3333-4444-555555555555"
SIDECAR = Sidecar("vol-0123456789abcdef0", "v", READY, UUID, "2026-01-31T12:00:00Z", tags={"a": "b"})
LOOP = Loop("/dev/loop0", "/s/volumes/v.img", 12, "254:0", True)
RW = Mount("7:0", "/", "/shared", ("rw",), "ext4", "/dev/loop0", ("rw",))
RO = replace(RW, options=("ro",), super_options=("ro",))
DEAD = replace(RW, super_options=("ro", "shutdown"))
NOTHING = Found()
IDLE = Found(sidecar=SIDECAR, image_bytes=gib_to_bytes(2), filesystem=Ext4(524288, 4096, UUID, "v"), signature="ext4")
ON_HOST = replace(IDLE, signature="", loops=(LOOP,), host_mounts=(RW,))
INSIDE = replace(IDLE, signature="", loops=(LOOP,), namespace_mounts=(RW,), namespace=True)
SNAPSHOT = Snapshot(
    "snap-0123456789abcdef0", "sha256:" + "a" * 64, "q", "debian12", "x86_64", 2, "2026-01-01T00:00:00Z"
)
HOST = Wanted("v", "mounted", mount_dir="/shared")
PRIVATE = replace(HOST, namespace=True)


def actions(wanted: Wanted, found: Found, snapshot: Snapshot | None = None) -> list[str]:
    return [step.action for step in plan(wanted, found, snapshot)]


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        # Made
        (Wanted("v", size_gb=2), NOTHING, ["create"]),
        (replace(HOST, size_gb=2), NOTHING, ["create", "check", "mount"]),
        (replace(PRIVATE, size_gb=2), NOTHING, ["create", "check", "enter", "mount"]),
        (Wanted("v", "attached", size_gb=2), NOTHING, ["create", "attach"]),
        # Idempotent
        (Wanted("v"), IDLE, []),
        (Wanted("v", size_gb=2, tags={"a": "b"}, label="v"), IDLE, []),
        (Wanted("v", size_gb=2), ON_HOST, []),
        (HOST, ON_HOST, []),
        (PRIVATE, INSIDE, []),
        (Wanted("v", "attached"), ON_HOST, []),
        (Wanted("v", "detached"), IDLE, []),
        (Wanted("v", "detached"), NOTHING, []),
        (Wanted("v", "absent"), NOTHING, []),
        # Reached from elsewhere
        (HOST, IDLE, ["check", "mount"]),
        (HOST, replace(IDLE, loops=(LOOP,)), ["unmount", "check", "mount"]),
        (PRIVATE, replace(IDLE, namespace=True), ["check", "mount"]),
        (replace(HOST, read_only=True), ON_HOST, ["unmount", "check", "mount"]),
        (
            HOST,
            replace(ON_HOST, host_mounts=(replace(RW, super_options=("ro", "shutdown")),)),
            ["unmount", "check", "mount"],
        ),
        (Wanted("v", "detached"), ON_HOST, ["unmount"]),
        (Wanted("v", "detached"), INSIDE, ["unmount", "leave"]),
        (Wanted("v", "detached"), replace(NOTHING, namespace=True), ["leave"]),
        (Wanted("v", "absent"), INSIDE, ["unmount", "leave", "discard"]),
        # Changed
        (Wanted("v", size_gb=3), IDLE, ["grow"]),
        (replace(HOST, size_gb=3), ON_HOST, ["grow"]),
        (replace(HOST, size_gb=3), IDLE, ["grow", "check", "mount"]),
        (replace(HOST, size_gb=3), replace(ON_HOST, host_mounts=(RO,)), ["unmount", "grow", "check", "mount"]),
        (Wanted("v", tags={}), IDLE, ["tag"]),
        (Wanted("v", label="new"), IDLE, ["label"]),
        # A crash in the middle of growing
        (Wanted("v"), replace(IDLE, image_bytes=gib_to_bytes(3)), ["grow"]),
        # A crash in the middle of removing
        (Wanted("v", "detached"), replace(IDLE, sidecar=replace(SIDECAR, state=DELETING)), ["discard"]),
        (Wanted("v", size_gb=1), replace(IDLE, sidecar=replace(SIDECAR, state=DELETING)), ["discard", "create"]),
        # Ended first
        (replace(PRIVATE, evict=True), replace(INSIDE, evictable=2), ["evict"]),
        (Wanted("v", "absent", evict=True), replace(INSIDE, evictable=2), ["evict", "unmount", "leave", "discard"]),
        (replace(PRIVATE, evict=True), INSIDE, []),
    ],
)
def test_plan(wanted: Wanted, found: Found, expected: list[str]) -> None:
    assert actions(wanted, found) == expected


@pytest.mark.parametrize(("size", "made"), [(None, 2), (2, 2), (5, 5)])
def test_from_a_snapshot(size: int | None, made: int) -> None:
    steps = plan(Wanted("v", size_gb=size, snapshot_id=SNAPSHOT.snapshot_id), NOTHING, SNAPSHOT)
    assert [(step.action, step.size_gb) for step in steps] == [("restore", made)]


def test_a_volume_from_this_snapshot_is_there() -> None:
    copy = replace(IDLE, sidecar=replace(SIDECAR, snapshot_id=SNAPSHOT.snapshot_id))
    assert actions(Wanted("v", snapshot_id=SNAPSHOT.snapshot_id), copy) == []


@pytest.mark.parametrize(
    ("wanted", "found", "message"),
    [
        (Wanted("v"), NOTHING, "Say size_gb or snapshot_id"),
        (Wanted("v", size_gb=1), IDLE, "never shrinks"),
        (Wanted("v", snapshot_id=SNAPSHOT.snapshot_id), IDLE, "not made from a snapshot"),
        (Wanted("v", size_gb=2), replace(IDLE, sidecar=None, signature="xfs"), "xfs.* not one of petal.hpc"),
        (Wanted("v", "absent"), replace(IDLE, sidecar=None), "not one of petal.hpc"),
        (Wanted("v"), replace(IDLE, image_bytes=None, filesystem=None), "is gone"),
        (HOST, replace(IDLE, filesystem=None, signature=""), "no file system"),
        (HOST, replace(IDLE, signature="xfs"), "xfs.*never formatted"),
        (HOST, replace(IDLE, filesystem=Ext4(524288, 4096, UUID.replace("1", "9"), "v")), "another file system"),
        (HOST, replace(IDLE, occupants=(replace(RW, source="/dev/sdb1", fstype="xfs"),)), "taken: /dev/sdb1 .xfs."),
        (HOST, INSIDE, "in its private namespace"),
        (PRIVATE, ON_HOST, "on the host"),
        (replace(HOST, mount_dir="/other"), ON_HOST, "mounted at /shared"),
        (Wanted("v", size_gb=3), replace(ON_HOST, host_mounts=(RO,)), "read-only"),
    ],
)
def test_refusals(wanted: Wanted, found: Found, message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        plan(wanted, found)


def test_a_snapshot_that_does_not_fit() -> None:
    with pytest.raises(VolumeError, match="too small"):
        plan(Wanted("v", size_gb=1, snapshot_id=SNAPSHOT.snapshot_id), NOTHING, SNAPSHOT)


def test_in_a_namespace_others_at_the_mount_directory_do_not_matter() -> None:
    assert actions(PRIVATE, replace(IDLE, occupants=(RW,))) == ["check", "enter", "mount"]


PATHS = {"image": "/s/volumes/v.img", "namespace": "/run/petal/v/mnt", "python": "/run/petal/v/python"}


def test_predictions() -> None:
    wanted = replace(PRIVATE, size_gb=2, tags={"a": "b"})
    made = predict(None, plan(wanted, NOTHING), wanted, PATHS)
    assert made is not None
    assert made["mounted"] is True
    assert (made["size_gb"], made["mount_dir"], made["python"]) == (2, "/shared", PATHS["python"])
    gone = Wanted("v", "absent")
    assert predict(made, plan(gone, INSIDE), gone, PATHS) is None
    idle = Wanted("v", "detached")
    left = predict(made, plan(idle, INSIDE), idle, PATHS)
    assert left is not None
    assert (left["mounted"], left["mount_dir"], left["namespace"]) == (False, None, None)
