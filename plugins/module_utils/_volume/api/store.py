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
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    LOCKS,
    UNFINISHED,
    VOLUMES,
    Host,
    explained,
    store_directory,
)
from ansible_collections.petal.hpc.plugins.module_utils._namespace.api import mark_of
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import VolumeAtRest
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    ONLY_OWN,
    Policy,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume import plan as steps
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.images import FSCK_FINE
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.task import Task
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import (
    ABSENT,
    MOUNTED,
    VolumeError,
    Wanted,
    check_label,
    check_mount_dir,
    check_name,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume.uses import uses_of


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
                return Task(self._host, self._store, wanted, self._policy).run(check)
            self._host.make_directory(self._root)
            with self._host.lock(self._lock_file(wanted.name), doing):
                self._tidy(wanted.name)
                self._host.close(self._root / f"{wanted.name}.img")
                result = Task(self._host, self._store, wanted, self._policy).run(check)
                if wanted.state == ABSENT:
                    self._lock_file(wanted.name).unlink(missing_ok=True)
                return result

    @property
    def there(self) -> bool:
        """Whether there is such a directory."""
        return self._store.is_dir()

    @property
    def mark(self) -> str:
        """How what belongs to these volumes on the host ends, where another store may have one of the same name."""
        return mark_of(self._root)

    def volumes(self, tags: dict[str, str] | None = None) -> tuple[list[dict[str, Any]], list[str]]:
        """All volumes by name, as ``apply`` describes one, and warnings about those that cannot be read.

        :param tags: only volumes that have all of these.
        """
        volumes, warnings = [], []
        with explained(f"reading the volumes in {self._root}"):
            for record in sorted(self._root.glob("[!.]*.json")):
                try:
                    volume = Task(self._host, self._store, Wanted(check_name(record.stem))).describe()
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
            refused = Task(self._host, self._store, Wanted(check_name(name)), self._policy).untrusted(signatures)
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
            task = Task(self._host, self._store, Wanted(name))
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
