"""The bytes of volumes and snapshots, and the devices of those that are attached."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

from ec2lab.data.host import Host
from ec2lab.data.linux import LoopDevice
from ec2lab.data.store import clone, keep_tree, new_file

GIB = 1 << 30


@dataclass
class _Attached:
    loop: LoopDevice
    host: Host
    path: str


class Disks:
    """Files by their AWS ids; ids are unique over accounts and Regions, so one directory holds them all."""

    def __init__(self, store: Path) -> None:
        """Everything below a directory on a file system that can clone files."""
        self._store = store
        self._attached: dict[str, _Attached] = {}

    def create(self, volume_id: str, gib: int, snapshot_id: str = "") -> None:
        """A volume of zeros, or with the bytes of a snapshot."""
        source = self._snapshot(snapshot_id)
        if snapshot_id and source.exists():
            clone(source, self._volume(volume_id), gib * GIB)
        else:
            new_file(self._volume(volume_id), gib * GIB)

    def grow(self, volume_id: str, gib: int) -> None:
        """Make a volume longer, also while it is in use."""
        with self._volume(volume_id).open("r+b") as file:
            file.truncate(gib * GIB)
        if volume_id in self._attached:
            self._attached[volume_id].loop.grown()

    def delete(self, volume_id: str) -> None:
        """Forget a volume."""
        self._volume(volume_id).unlink(missing_ok=True)

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Keep the bytes of a volume as its device has them now; what an instance still has in memory is not in it."""
        clone(self._volume(volume_id), self._snapshot(snapshot_id))

    def copy(self, snapshot_id: str, source_id: str) -> None:
        """A second snapshot with the bytes of the first, if it has any."""
        if self._snapshot(source_id).exists():
            clone(self._snapshot(source_id), self._snapshot(snapshot_id))
        if self.tree(source_id).exists():
            keep_tree(self.tree(source_id), self.tree(snapshot_id))

    def forget(self, snapshot_id: str) -> None:
        """Drop the bytes of a snapshot."""
        self._snapshot(snapshot_id).unlink(missing_ok=True)
        shutil.rmtree(self.tree(snapshot_id), ignore_errors=True)

    def tree(self, snapshot_id: str) -> Path:
        """Where the files are that an image's root has beyond the common one."""
        return self._store / "roots" / snapshot_id

    def lay(self, snapshot_id: str, directory: Path) -> None:
        """Give an instance that starts for the first time what the root of its image has."""
        if self.tree(snapshot_id).exists() and not (directory / "upper").exists():
            directory.mkdir(parents=True, exist_ok=True)
            keep_tree(self.tree(snapshot_id), directory / "upper")

    def attach(self, volume_id: str, host: Host) -> str:
        """Make a volume appear in a running instance; returns its path there. Raises OSError."""
        with self._volume(volume_id).open("r+b") as file:
            loop = LoopDevice(file.fileno())
        try:
            path = host.add_disk(loop, volume_id)
        except BaseException:
            loop.close()
            raise
        self._attached[volume_id] = _Attached(loop, host, path)
        return path

    def busy(self, volume_id: str) -> bool:
        """Whether the instance still has it mounted."""
        return volume_id in self._attached and self._attached[volume_id].loop.in_use()

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        """Take a volume away from its instance. Raises OSError (busy) if it is mounted there, unless forced: then the
        instance keeps writing to a file that nobody will read, and the volume has the bytes of this moment."""
        attached = self._attached.get(volume_id)
        if attached is None:
            return
        if attached.loop.in_use():
            if not force:
                raise OSError(errno.EBUSY, "the volume is mounted", volume_id)
            attached.loop.flush()
            aside = self._volume(f"{volume_id}.forced")
            clone(self._volume(volume_id), aside)
            aside.replace(self._volume(volume_id))
        attached.host.remove_disk(attached.path, attached.loop)
        attached.loop.close()
        del self._attached[volume_id]

    def attached_to(self, host: Host) -> list[str]:
        """The ids of the volumes that are in an instance now."""
        return [volume_id for volume_id, attached in self._attached.items() if attached.host is host]

    def _volume(self, volume_id: str) -> Path:
        return self._store / "volumes" / volume_id

    def _snapshot(self, snapshot_id: str) -> Path:
        return self._store / "snapshots" / snapshot_id
