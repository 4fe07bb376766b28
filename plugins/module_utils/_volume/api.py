# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes of the local provider: an ext4 image each, on a loop device, mounted on the host or in a namespace.

``volumes/NAME.img`` and its record ``volumes/NAME.json``. Whether a volume is attached or mounted is never written
down: the kernel is asked each time, so that no crash and no reboot can make it wrong. An image is made under the name
``.tmp-NAME`` and renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import stat
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    FREE_SPACE,
    JSON_LIMIT,
    LOCKS,
    UNFINISHED,
    VOLUMES,
    Host,
    explained,
    store_directory,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import (
    SUPERBLOCK_OFFSET,
    SUPERBLOCK_SIZE,
    Ext4,
    Mount,
    gib_to_bytes,
    human,
    mounts_below,
    name_processes,
    parse_superblock,
)
from ansible_collections.petal.hpc.plugins.module_utils._namespace.api import MountNamespace
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore, VolumeAtRest, judged_again
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
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import (
    ABSENT,
    CREATING,
    DELETING,
    MOUNTED,
    READY,
    Found,
    Kept,
    Sidecar,
    VolumeError,
    Wanted,
    check_label,
    check_mount_dir,
    check_name,
    parse_sidecar,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume.uses import uses_of

SPARE = 16 * 1024**2
MANIFEST = "/.petal/manifest.json"
UNMOUNT_TRIES = 10
LOOP_PATIENCE = 10.0
# Named one by one: the defaults differ between releases, and what the build host's e2fsprogs knows may be
# unknown to that of a node.
FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,"
    "huge_file,dir_nlink,extra_isize,metadata_csum"
)
# A new sparse file reads as zeros, so the journal needs no zeroing; the inode tables must not be left to a
# kernel thread that writes them after the mount.
EXTENDED = "lazy_itable_init=0,lazy_journal_init=1,root_owner=0:0"
#: A snapshot has every block of the journal that was ever used: the smaller, the less (MiB).
JOURNAL = "size=16"
#: What is mounted is software for everybody: no devices, nothing that runs as another user, and an end to writing when
#: the file system contradicts itself. The same stands in fstab (local/deploy_host.yml, local/cluster/head.yml).
SAFE_OPTIONS = ("nodev", "nosuid", "errors=remount-ro")
#: Seconds of processor time for the check of an image that somebody may have made up.
CHECK_LIMIT = 1800
# e2fsck(8): 1 and 2 mean that all errors were corrected.
FSCK_FINE = (0, 1, 2)


class VolumeStore:
    """Volumes in the directory ``volumes`` of a store.

    :param store: the store, such as ``/var/lib/petal``.
    :param policy: whose snapshots are used; without it only what was built here.
    """

    def __init__(self, host: Host, store: str, policy: Policy = ONLY_OWN) -> None:
        self._host = host
        self._policy = policy
        self._store = store_directory(store)
        self._root = self._store / VOLUMES

    def apply(self, wanted: Wanted, check: bool = False) -> dict[str, Any]:
        """Bring a volume into the state that is asked for.

        :param check: decide only, and say what would be done.
        :return: changed, volume (null when there is none), actions (texts), evicted, warnings, diff.
            Raises PetalError.
        """
        wanted = self._checked(wanted)
        doing = f"volume {wanted.name} in {self._store}"
        with explained(doing):
            if check or (not self._root.is_dir() and wanted.state in (ABSENT, "detached")):
                return _Task(self._host, self._store, wanted, self._policy).run(check)
            self._host.make_directory(self._root)
            with self._host.lock(self._lock_file(wanted.name), doing):
                self._tidy(wanted.name)
                self._host.close(self._root / f"{wanted.name}.img")
                result = _Task(self._host, self._store, wanted, self._policy).run(check)
                if wanted.state == ABSENT:
                    self._lock_file(wanted.name).unlink(missing_ok=True)
                return result

    def volumes(self, tags: dict[str, str] | None = None) -> tuple[list[dict[str, Any]], list[str]]:
        """All volumes by name, as ``apply`` describes one, and warnings about those that cannot be read.

        :param tags: only volumes that have all of these.
        """
        volumes, warnings = [], []
        with explained(f"reading the volumes in {self._root}"):
            for record in sorted(self._root.glob("[!.]*.json")):
                try:
                    volume = _Task(self._host, self._store, Wanted(check_name(record.stem))).describe()
                except PetalError as error:
                    warnings.append(f"the volume {record.stem[:64]} in {self._root} is passed over: {error}")
                    continue
                if volume is not None and (tags or {}).items() <= volume["tags"].items():
                    volumes.append(volume)
        return volumes, warnings

    def untrusted(self, names: Iterable[str], signatures: Mapping[str, str]) -> dict[str, str]:
        """Why snapshots that volumes were made from are not trusted now, by their ids; without those that are.

        :param names: of volumes. signatures: texts by the id of a snapshot, of its record, which came later.
        """
        found: dict[str, str] = {}
        for name in names:
            refused = _Task(self._host, self._store, Wanted(check_name(name)), self._policy).untrusted(signatures)
            found.update([refused] if refused else [])
        return found

    def uses(self) -> dict[str, list[str]]:
        """Where snapshots are in use on this host, by their ids; see ``uses_of``."""
        volumes, _warnings = self.volumes()
        directories = {Path(volume["mount_dir"]).parent for volume in volumes if volume["mount_dir"]}
        previous = {}
        for directory in directories:
            with contextlib.suppress(OSError):
                previous[str(directory)] = (directory / "previous").readlink().name
        return uses_of(volumes, previous)

    @contextlib.contextmanager
    def quiesced(self, name: str) -> Iterator[VolumeAtRest]:
        """Keep a detached volume at rest, checked and with its unused blocks given back to the disk.

        Raises VolumeError when it is attached or mounted.
        """
        doing = f"volume {check_name(name)} in {self._store}"
        with self._host.lock(self._lock_file(name), doing):
            task = _Task(self._host, self._store, Wanted(name))
            found = task.inspect()
            if not found.exists:
                raise VolumeError(f"there is no volume {name} in {self._root}")
            steps.plan(Wanted(name), found)
            if found.loops:
                where = [mount.target for mount in (*found.namespace_mounts, *found.host_mounts)]
                raise VolumeError(
                    f"the volume {name} is {'mounted at ' + where[0] if where else 'attached'}. A snapshot needs it at "
                    "rest: detach it first with petal.hpc.local_volume (state: detached)."
                )
            self._host.run(["e2fsck", "-f", "-p", "-E", "discard", str(task.image)], f"{doing}: checking it", FSCK_FINE)
            yield VolumeAtRest(task.image, found.size_gb)

    def _checked(self, wanted: Wanted) -> Wanted:
        check_name(wanted.name)
        if wanted.label is not None:
            check_label(wanted.label)
        if wanted.size_gb is not None and not 1 <= wanted.size_gb <= 65536:
            raise VolumeError(f"size_gb {wanted.size_gb} is not allowed: expected 1 to 65536 GiB")
        if wanted.mount_dir is None:
            if wanted.state == MOUNTED:
                raise VolumeError("state mounted needs mount_dir")
            return wanted
        plain = check_mount_dir(wanted.mount_dir, str(self._store))
        # A check of what it leads to as well: a link must not smuggle in a directory of the system.
        return dataclasses.replace(wanted, mount_dir=check_mount_dir(str(Path(plain).resolve()), str(self._store)))

    def _lock_file(self, name: str) -> Path:
        return self._store / LOCKS / f"volume-{name}.lock"

    def _tidy(self, mine: str) -> None:
        """Remove what dead writers left. The caller holds the lock of ``mine``; of others only what is not locked."""
        for draft in self._root.glob(f"{UNFINISHED}*"):
            name = draft.name[len(UNFINISHED) :]
            name = name[: -len(".json")] if name.endswith(".json") else name
            if name == mine:
                self._host.remove(draft)
                continue
            with contextlib.suppress(PetalError), self._host.lock(self._lock_file(name), "tidying", patience=0):
                self._host.remove(draft)
                self._lock_file(name).unlink(missing_ok=True)


class _Task:
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

    # Looking

    def inspect(self) -> Found:
        """The volume as it is now."""
        loops = self._host.loops_of(self.image)
        devices = [self._host.device_number(loop.device) for loop in loops]
        image_bytes = self._image_bytes()
        mounts, target = self._host.mounts(), self._wanted.mount_dir
        sidecar = self._read_record()
        filesystem = self._superblock(Path(loops[0].device) if loops else self.image) if image_bytes else None
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

    def _superblock(self, path: Path) -> Ext4 | None:
        with path.open("rb") as stream:
            stream.seek(SUPERBLOCK_OFFSET)
            return parse_superblock(stream.read(SUPERBLOCK_SIZE))

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
                image = self._format(size)
            else:
                image = self._snapshots.restore(snapshot, self._draft)
                self._identify(image, snapshot)
                self._examine(image, snapshot)
                self._grow_file(image, size)
            self._publish(image, snapshot)
        finally:
            self._host.remove(self._draft)
            if not self.image.exists():
                self._record.unlink(missing_ok=True)

    def _format(self, size: int) -> Path:
        """The only place where anything is formatted: a file that was made one line above."""
        image = self._draft / "volume.img"
        with image.open("xb") as stream:
            # There are files inside that not everybody may read.
            os.fchmod(stream.fileno(), 0o600)
            stream.truncate(size)
        label = self._name[:16] if self._wanted.label is None else self._wanted.label
        options = [
            "-q",
            "-F",
            "-m",
            "0",
            "-O",
            FEATURES,
            "-E",
            EXTENDED,
            "-J",
            JOURNAL,
            "-U",
            str(uuid.uuid4()),
            "-L",
            label,
        ]
        self._host.run(["mkfs.ext4", *options, str(image)], f"{self._doing}: formatting the new image")
        return image

    def _identify(self, image: Path, snapshot: Snapshot) -> None:
        """Refuse an image whose manifest does not bear the fingerprint that is asked for, before it is ever mounted."""
        wanted = self._wanted.fingerprint
        if wanted is None:
            return
        doing, copy = f"{self._doing}: reading the manifest of {snapshot.snapshot_id}", self._draft / "manifest.json"
        # Whatever stands there is foreign: debugfs copies no more of it than a manifest may have.
        limited = ["prlimit", f"--fsize={JSON_LIMIT}", "debugfs", "-R", f"dump {MANIFEST} {copy.name}", str(image)]
        status, _output, problem = self._host.call(limited, cwd=str(self._draft))
        if status != 0 or not copy.is_file():
            said = " ".join(problem.split())[-200:]
            raise VolumeError(f"{doing}: there is none that can be read ({said}). The copy was removed.")
        manifest = self._host.read_json(copy)
        found = manifest.get("fingerprint") if isinstance(manifest, dict) else None
        if found != wanted:
            raise VolumeError(
                f"{doing}: it bears the fingerprint {str(found)[:80]!r}, not {wanted}. The snapshot is not what its "
                "record says: nothing was mounted, and the copy was removed. Delete the snapshot, or ask its maker."
            )

    def _examine(self, image: Path, snapshot: Snapshot) -> None:
        """Refuse a file system with errors before the kernel ever reads it: nothing that was sealed has any."""
        doing = f"{self._doing}: checking the file system of {snapshot.snapshot_id}"
        limited = ["prlimit", f"--cpu={CHECK_LIMIT}", "e2fsck", "-f", "-n", str(image)]
        status, output, problem = self._host.call(limited)
        if status != 0:
            said = " ".join((output + problem).split())[-400:]
            raise VolumeError(
                f"{doing}: it has errors (e2fsck ended with status {status}: {said.rstrip('.')}). Nothing was mounted, "
                "and the copy was removed. Delete the snapshot, and build it again or fetch it again."
            )

    def _publish(self, image: Path, snapshot: Snapshot | None) -> None:
        filesystem = self._superblock(image)
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
            self._grow_file(self.image, size)
            return
        self._truncate(self.image, size)
        device = found.loops[0].device
        doing = f"{self._doing}: growing it to {size_gb} GiB"
        self._host.run(["losetup", "--set-capacity", device], doing)
        mounts = [*found.namespace_mounts, *found.host_mounts]
        if not mounts:
            self._resize(device, doing)
            return
        resize = ["resize2fs", device]
        status, output, problem = self._host.call(self._namespace.enter(resize) if found.namespace_mounts else resize)
        if status == 0:
            return
        if "Permission denied" not in problem:
            raise VolumeError(f"{doing}: resize2fs ended with status {status}: {(problem or output).strip()[-400:]}")
        # Growing a mounted ext4 takes CAP_SYS_RESOURCE, which containers and some virtual machines withhold.
        self._unmount()
        self._grow_file(self.image, size)
        self._mount_at(mounts[0].target, mounts[0].read_only, bool(found.namespace_mounts))

    def _truncate(self, image: Path, size: int) -> None:
        with image.open("r+b") as stream:
            if image.stat().st_size < size:
                stream.truncate(size)

    def _grow_file(self, image: Path, size: int) -> None:
        filesystem = self._superblock(image)
        if filesystem is not None and filesystem.size + steps.GROUP_BYTES > size <= image.stat().st_size:
            return
        self._truncate(image, size)
        self._resize(str(image), f"{self._doing}: growing it to {human(size)}")

    def _resize(self, target: str, doing: str) -> None:
        free = self._host.free_bytes(self._root)
        if free < SPARE:
            raise VolumeError(f"{doing}: only {human(free)} are free in {self._root}. {FREE_SPACE}")
        self._host.run(["e2fsck", "-f", "-p", target], doing, FSCK_FINE)
        self._host.run(["resize2fs", target], doing)

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
        drop = (hidden | others | captured) - {str(self._namespace.directory), str(self._namespace.file)}
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
