# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One volume: looked at, and brought step by step into the state that is asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    UNFINISHED,
    VOLUMES,
    Host,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import (
    FREE_SPACE,
    Mount,
    gib_to_bytes,
    human,
    mounts_below,
    name_processes,
)
from ansible_collections.petal.hpc.plugins.module_utils._namespace.api import MountNamespace
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore, judged_again
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    SIGNATURES,
    Parcel,
    Snapshot,
    parse_snapshot,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    ONLY_OWN,
    OWN,
    Place,
    Policy,
    Verdict,
    judge,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume import plan as steps
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.images import FSCK_FINE, SPARE, Images
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import (
    ABSENT,
    CREATING,
    DELETING,
    READY,
    Found,
    Kept,
    Sidecar,
    VolumeError,
    Wanted,
    parse_sidecar,
)

UNMOUNT_TRIES = 10
LOOP_PATIENCE = 10.0
#: What is mounted is software for everybody: no devices, nothing that runs as another user, and an end to writing when
#: the file system contradicts itself. The same stands in fstab (local/deploy_host.yml, local/cluster/head.yml).
SAFE_OPTIONS = ("nodev", "nosuid", "errors=remount-ro")


class Task:
    """One call for one volume, whose lock is held."""

    def __init__(self, host: Host, store: Path, wanted: Wanted, policy: Policy = ONLY_OWN) -> None:
        self._host = host
        self._policy = policy
        self._wanted = wanted
        self._name = wanted.name
        self._snapshots = SnapshotStore(host, str(store))
        self._root = store / VOLUMES
        self.image = self._root / f"{wanted.name}.img"
        self._record = self._root / f"{wanted.name}.json"
        self._draft = self._root / f"{UNFINISHED}{wanted.name}"
        self._namespace = MountNamespace(host, wanted.name, self.image)
        self._evicted: list[dict[str, Any]] = []
        self._warnings: list[str] = []
        self._kept: Kept | None = None
        self._doing = f"volume {wanted.name}"
        self._images = Images(host, self._doing, self._root)

    # Looking

    def inspect(self) -> Found:
        """The volume as it is now."""
        loops = self._host.loops_of(self.image)
        devices = [self._host.device_number(loop.device) for loop in loops]
        image_bytes = self._image_bytes()
        mounts, target = self._host.mounts(), self._wanted.mount_dir
        sidecar = self._read_record()
        filesystem = self._images.superblock(Path(loops[0].device) if loops else self.image) if image_bytes else None
        left, detached = (
            self._namespace.occupants(devices) if self._wanted.evict or self._wanted.state == ABSENT else ([], [])
        )
        return Found(
            sidecar=sidecar,
            image_bytes=image_bytes,
            filesystem=filesystem,
            signature=self._signature() if image_bytes and not loops else "",
            loops=tuple(loops),
            host_mounts=_of(mounts, devices),
            namespace_mounts=_of(self._namespace.mounts(), devices) if devices else (),
            namespace=self._namespace.number() is not None,
            occupants=tuple(m for m in mounts if m.target == target and m.device not in devices),
            evictable=len(left) * self._wanted.evict + len(detached) * self._wanted.evict_detached,
            detached=tuple(detached),
        )

    def _image_bytes(self) -> int | None:
        try:
            status = self.image.lstat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            raise VolumeError(f"{self.image} is no plain file. It is left as it is: move it away, or use another name.")
        return status.st_size

    def _read_record(self) -> Sidecar | None:
        try:
            found = parse_sidecar(self._host.read_json(self._record), self._name)
        except FileNotFoundError:
            return None
        except PetalError as error:
            raise VolumeError(
                f"the record {self._record} is damaged: {error}. "
                f"Put it back, or remove it and {self.image.name} by hand."
            ) from error
        if found.state != CREATING:
            return found
        # It was renamed into place just before a crash, or never came that far.
        return dataclasses.replace(found, state=READY) if self.image.exists() else None

    def _signature(self) -> str:
        status, output, _problem = self._host.call(["blkid", "-p", "-o", "value", "-s", "TYPE", str(self.image)])
        # blkid(8): 8 means that several file systems claim it.
        return "several file systems" if status == 8 else output.strip()

    def describe(self) -> dict[str, Any] | None:
        """The volume as modules return it; None when there is none."""
        return self._volume(self.inspect())

    # Doing

    def run(self, check: bool) -> dict[str, Any]:
        """Do what has to be done, or only say it; see ``VolumeStore.apply``."""
        before = self.inspect()
        if check and any(mount.source.startswith("/dev/loop") for mount in before.occupants):
            # An earlier task, which did nothing in check mode either, may be what unmounts it.
            self._warnings.append(f"{self._wanted.mount_dir} is taken by {steps.describe(before.occupants[-1])} now")
            before = dataclasses.replace(before, occupants=())
        snapshot = self._snapshot(before)
        todo = steps.plan(self._wanted, before, snapshot)
        after = before
        if not check:
            if any(step.action not in (steps.CREATE, steps.RESTORE, steps.TAG) for step in todo):
                self._host.need_root(self._doing)
            for step in todo:
                self._do(step, snapshot)
            after = self.inspect() if todo else before
        volume = steps.predict(self._volume(before), todo, self._wanted, self._paths) if check else self._volume(after)
        if volume is not None:
            volume["existed"] = before.exists
        actions = [step.text for step in todo if step.action not in steps.SILENT]
        return {
            "changed": bool(actions),
            "volume": volume,
            "actions": actions,
            "evicted": self._evicted,
            "warnings": self._warnings,
            "diff": {"before": _summary(self._volume(before)), "after": _summary(volume)},
        }

    def _snapshot(self, found: Found) -> Snapshot | None:
        wanted = self._wanted
        if wanted.snapshot_id is None or wanted.state in (ABSENT, "detached"):
            return None
        if found.exists:
            refused = self.untrusted({wanted.snapshot_id: wanted.signatures})
            if refused and refused[0] == wanted.snapshot_id:
                raise VolumeError(
                    f"{self._doing}: {refused[0]}, which it was made from, is not used any more: {refused[1]}. "
                    "Nothing was changed. Sign it with a key that the site trusts (petal.hpc.sign_volume), use another "
                    "snapshot, or take it away (petal.hpc.delete_cluster)."
                )
            return None
        parcel, origin = self._snapshots.parcel(wanted.snapshot_id)
        verdict = judged_again(self._host, self._policy, parcel, origin)
        if not verdict.trusted:
            raise VolumeError(f"{self._doing}: {wanted.snapshot_id} is not used: {verdict.reason}. Nothing was made.")
        try:
            self._kept = Kept(parcel.record.decode(), parcel.signatures.decode("ascii"), origin)
        except UnicodeDecodeError as error:
            raise VolumeError(f"{self._doing}: the record of {wanted.snapshot_id} is not UTF-8: {error}") from error
        return parcel.snapshot

    def untrusted(self, signatures: Mapping[str, str]) -> tuple[str, str] | None:
        """The snapshot that it was made from, and why that is not trusted now; None where it is, or there is none."""
        sidecar = self._read_record()
        if sidecar is None or sidecar.snapshot_id is None:
            return None
        try:
            verdict = self._judged(sidecar.snapshot_id, sidecar.kept, signatures.get(sidecar.snapshot_id, ""))
        except (PetalError, ValueError, RecursionError) as error:
            verdict = Verdict(False, f"what is kept of it is damaged ({error})")
        return None if verdict.trusted else (sidecar.snapshot_id, verdict.reason)

    def _judged(self, snapshot_id: str, kept: Kept | None, later: str) -> Verdict:
        """By what the site trusts now, from what was kept of the snapshot, and what its store has of it."""
        here = None
        with contextlib.suppress(PetalError):
            here = self._snapshots.parcel(snapshot_id)
        # Somebody may have signed it since.
        files = [later.encode(), *([here[0].signatures] if here else [])]
        if kept is not None:
            record = kept.record.encode()
            parcel = Parcel(parse_snapshot(json.loads(record)), record, {SIGNATURES: kept.signatures.encode()})
            return judged_again(self._host, self._policy, parcel, kept.origin, files)
        if here is not None:
            return judged_again(self._host, self._policy, *here, files)
        verdict = judge(self._policy, Place(OWN), "", [])
        said = f"it was made by a release that kept no signatures; {verdict.reason}"
        return dataclasses.replace(verdict, reason=said)

    def _do(self, step: steps.Step, snapshot: Snapshot | None) -> None:
        if step.action in (steps.CREATE, steps.RESTORE):
            self._make(step.size_gb, snapshot)
        elif step.action == steps.GROW:
            self._grow(step.size_gb)
        else:
            {
                steps.EVICT: self._evict,
                steps.DISCARD: self._discard,
                steps.UNMOUNT: self._unmount,
                steps.LEAVE: self._namespace.destroy,
                steps.LABEL: self._label,
                steps.TAG: self._tag,
                steps.ATTACH: self._attach,
                steps.CHECK: self._check,
                steps.ENTER: self._enter,
                steps.MOUNT: self._mount,
            }[step.action]()

    def _make(self, size_gb: int, snapshot: Snapshot | None) -> None:
        size, free = gib_to_bytes(size_gb), self._host.free_bytes(self._root)
        # Tables of an empty ext4 take well below one part in 16384.
        need = SPARE + size // 16384
        if free < need:
            raise VolumeError(
                f"{self._doing}: making it takes {human(need)} in {self._root}, {human(free)} are free. {FREE_SPACE}"
            )
        if snapshot is None and free < size:
            self._warnings.append(
                f"the volume {self._name} may grow to {human(size)}, {self._root} has {human(free)} free"
            )
        try:
            self._draft.mkdir(mode=0o700)
            if snapshot is None:
                label = self._name[:16] if self._wanted.label is None else self._wanted.label
                image = self._images.format(self._draft, size, label)
            else:
                image = self._snapshots.restore(snapshot, self._draft)
                self._images.identify(image, snapshot, self._wanted.fingerprint)
                self._images.examine(image, snapshot)
                if self._wanted.new_uuid:
                    self._images.renew(image)
                self._images.grow(image, size)
            self._publish(image, snapshot)
        finally:
            self._host.remove(self._draft)
            if not self.image.exists():
                self._record.unlink(missing_ok=True)

    def _publish(self, image: Path, snapshot: Snapshot | None) -> None:
        filesystem = self._images.superblock(image)
        if filesystem is None:
            raise VolumeError(f"{self._doing}: the snapshot {snapshot and snapshot.snapshot_id} holds no ext4")
        if snapshot is not None and self._wanted.label not in (None, filesystem.label):
            self._host.run(["e2label", str(image), self._wanted.label or ""], f"{self._doing}: setting the label")
        sidecar = Sidecar(
            id="vol-" + secrets.token_hex(9)[:17],
            name=self._name,
            state=CREATING,
            filesystem_uuid=filesystem.uuid,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            snapshot_id=snapshot.snapshot_id if snapshot else None,
            tags=self._wanted.tags or {},
            kept=self._kept,
        )
        self._host.run(["sync", str(image)], f"{self._doing}: writing the image to the disk")
        self._host.write_json(self._record, sidecar.to_dict())
        image.replace(self.image)
        self._host.sync_directory(self._root)
        self._host.write_json(self._record, dataclasses.replace(sidecar, state=READY).to_dict())

    def _discard(self) -> None:
        sidecar = self._read_record()
        if sidecar is not None:
            self._host.write_json(self._record, dataclasses.replace(sidecar, state=DELETING).to_dict(), in_place=True)
        self.image.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)
        self._host.sync_directory(self._root)

    def _tag(self) -> None:
        sidecar = self._read_record()
        if sidecar is not None:
            self._host.write_json(self._record, dataclasses.replace(sidecar, tags=self._wanted.tags or {}).to_dict())

    def _label(self) -> None:
        loops = self._host.loops_of(self.image)
        target = loops[0].device if loops else str(self.image)
        self._host.run(["e2label", target, self._wanted.label or ""], f"{self._doing}: setting the label")

    def _evict(self) -> None:
        devices = [self._host.device_number(loop.device) for loop in self._host.loops_of(self.image)]
        ended = self._namespace.evict(devices, self._wanted.evict_detached)
        self._evicted += [{"pid": process.pid, "command": process.command} for process in ended]

    # Growing

    def _grow(self, size_gb: int) -> None:
        size, found = gib_to_bytes(size_gb), self.inspect()
        if not found.loops:
            self._images.grow(self.image, size)
            return
        self._images.truncate(self.image, size)
        device = found.loops[0].device
        doing = f"{self._doing}: growing it to {size_gb} GiB"
        self._host.run(["losetup", "--set-capacity", device], doing)
        mounts = [*found.namespace_mounts, *found.host_mounts]
        if not mounts:
            self._images.resize(device, doing)
            return
        resize = ["resize2fs", device]
        status, output, problem = self._host.call(self._namespace.enter(resize) if found.namespace_mounts else resize)
        if status == 0:
            return
        if "Permission denied" not in problem:
            raise VolumeError(f"{doing}: resize2fs ended with status {status}: {(problem or output).strip()[-400:]}")
        # Growing a mounted ext4 takes CAP_SYS_RESOURCE, which containers and some virtual machines withhold.
        self._unmount()
        self._images.grow(self.image, size)
        self._mount_at(mounts[0].target, mounts[0].read_only, bool(found.namespace_mounts))

    # Mounting

    def _attach(self) -> None:
        self._host.run(["losetup", "--find", "--show", str(self.image)], f"{self._doing}: attaching it")

    def _check(self) -> None:
        status, output, problem = self._host.call(["e2fsck", "-p", str(self.image)])
        if status not in FSCK_FINE:
            said = " ".join((output + problem).split())[-400:]
            raise VolumeError(
                f"{self._doing}: its file system has errors that are not corrected without being asked: {said}. "
                f"Look at it with e2fsck -f {self.image}, or remove the volume and make it again."
            )

    def _enter(self) -> None:
        devices = {
            self._host.device_number(loop.device)
            for loop in self._host.loops()
            if loop.path.endswith(".img") and Path(loop.path).parent.name == VOLUMES
        }
        mounts = self._host.mounts()
        hidden = {mount.target for mount in mounts_below(mounts, self._wanted.mount_dir or "/nowhere")}
        others = {mount.target for mount in mounts_below(mounts, str(self._namespace.directory.parent))}
        captured = {mount.target for mount in mounts if mount.device in devices}
        # With what the namespace lies in it would be gone itself.
        own = self._namespace.directory
        drop = (hidden | others | captured) - {str(own.parent), str(own), str(self._namespace.file)}
        # Deepest first, and as often as they are stacked.
        order = [mount.target for mount in reversed(mounts) if mount.target in drop]
        nsfs = {mount.target for mount in mounts if mount.fstype == "nsfs"}
        self._namespace.create([target for target in order if target not in nsfs])

    def _mount(self) -> None:
        self._mount_at(self._wanted.mount_dir or "", self._wanted.read_only, self._wanted.namespace)

    def _mount_at(self, target: str, read_only: bool, namespace: bool) -> None:
        directory = Path(target)
        if directory.exists() and not directory.is_dir():
            raise VolumeError(f"{target} is no directory. Move it away, or use another mount_dir.")
        self._host.make_directory(directory)
        if not namespace and any(directory.iterdir()):
            self._warnings.append(f"{target} is not empty; what is in it is hidden while the volume is mounted")
        options = ",".join([*(["loop", "ro", "noload"] if read_only else ["loop", "rw"]), *SAFE_OPTIONS])
        command = ["mount", "-t", "ext4", "-o", options, str(self.image), target]
        if namespace:
            command = self._namespace.enter(command)
        self._host.run(command, f"{self._doing}: mounting it at {target}")

    def _unmount(self) -> None:
        loops = self._host.loops_of(self.image)
        devices = [self._host.device_number(loop.device) for loop in loops]
        for mount in reversed(_of(self._namespace.mounts(), devices) if devices else ()):
            self._unmount_one(self._namespace.enter(["umount", mount.target]), mount, devices)
        for mount in reversed(_of(self._host.mounts(), devices)):
            self._unmount_one(["umount", mount.target], mount, devices)
        for loop in self._host.loops_of(self.image):
            if not loop.autoclear:
                self._host.run(["losetup", "--detach", loop.device], f"{self._doing}: freeing {loop.device}")
        deadline = time.monotonic() + LOOP_PATIENCE
        while self._host.loops_of(self.image):
            self._host.unmount_copies(devices)
            if time.monotonic() > deadline:
                raise VolumeError(f"{self._doing}: {loops[0].device} does not come free: {self._blame(devices)}")
            time.sleep(0.05)

    def _unmount_one(self, command: list[str], mount: Mount, devices: list[str]) -> None:
        for _attempt in range(UNMOUNT_TRIES):
            status, _output, problem = self._host.call(command)
            if status == 0:
                return
            if "busy" not in problem:
                raise VolumeError(f"{self._doing}: umount of {mount.target} failed: {problem.strip()}")
            time.sleep(0.2)
        raise VolumeError(f"{self._doing}: {mount.target} is busy: {self._blame(devices)}")

    def _blame(self, devices: list[str]) -> str:
        users = self._host.users_of(devices)
        if users:
            return f"used by {name_processes(users)}. End these processes, or let them finish, and run again."
        inside = [self._host.process(pid) for pid in self._host.living_in([], devices)]
        if inside:
            return (
                f"also mounted in another mount namespace, by {name_processes(inside)}. "
                "End these processes, or let them finish, and run again."
            )
        below = [mount.target for mount in self._host.mounts() if mount.device in devices]
        return f"something is mounted from it or below it ({', '.join(below) or 'not visible here'}). Unmount that."

    # Results

    @property
    def _paths(self) -> dict[str, str]:
        return {
            "image": str(self.image),
            "namespace": str(self._namespace.file),
            "python": str(self._namespace.wrapper),
        }

    def _volume(self, found: Found) -> dict[str, Any] | None:
        if not found.exists or found.sidecar is None:
            return None
        mounts = (*found.namespace_mounts, *found.host_mounts)
        return {
            "id": found.sidecar.id,
            "name": self._name,
            "image": self._paths["image"],
            "size_gb": found.size_gb,
            "device": found.loops[0].device if found.loops else None,
            "mount_dir": mounts[0].target if mounts else None,
            "mounted": bool(mounts),
            "namespace": self._paths["namespace"] if found.namespace else None,
            "python": self._paths["python"] if found.namespace else None,
            "filesystem_uuid": found.sidecar.filesystem_uuid,
            "snapshot_id": found.sidecar.snapshot_id,
            "read_only": bool(mounts) and mounts[0].read_only,
            "tags": found.sidecar.tags,
        }


def _of(mounts: list[Mount], devices: list[str]) -> tuple[Mount, ...]:
    """Mounts of whole devices; a bind mount of a part is somebody else's affair."""
    return tuple(mount for mount in mounts if mount.device in devices and mount.root == "/")


def _summary(volume: dict[str, Any] | None) -> dict[str, Any]:
    """What a diff shows: the parts that people ask for."""
    if volume is None:
        return {"exists": False}
    keys = ("size_gb", "mounted", "mount_dir", "read_only", "namespace", "tags")
    return {"exists": True, **{key: volume[key] for key in keys}}
