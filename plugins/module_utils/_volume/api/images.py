# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of volumes as files: formatted, checked before anything is mounted, and grown."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._host import ext4_api
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    JSON_LIMIT,
    Host,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import (
    FREE_SPACE,
    Ext4,
    human,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    Snapshot,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume import plan as steps
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import (
    VolumeError,
)

SPARE = 16 * 1024**2
MANIFEST = "/.petal/manifest.json"
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
#: Seconds of processor time for the check of an image that somebody may have made up.
CHECK_LIMIT = 1800
# e2fsck(8): 1 and 2 mean that all errors were corrected.
FSCK_FINE = (0, 1, 2)


class Images:
    """The images of one volume, whose lock is held. Every method raises PetalError.

    :param doing: begins every message.
    :param root: the directory that the room is taken of.
    """

    def __init__(self, host: Host, doing: str, root: Path) -> None:
        self._host = host
        self._doing = doing
        self._root = root

    def format(self, draft: Path, size: int, label: str) -> Path:
        """The only place where anything is formatted: a file that was made one line above."""
        image = draft / "volume.img"
        with image.open("xb") as stream:
            # There are files inside that not everybody may read.
            os.fchmod(stream.fileno(), 0o600)
            stream.truncate(size)
        options = ["-q", "-F", "-m", "0", "-O", FEATURES, "-E", EXTENDED, "-J", JOURNAL]
        options += ["-U", str(uuid.uuid4()), "-L", label]
        self._host.run(["mkfs.ext4", *options, str(image)], f"{self._doing}: formatting the new image")
        return image

    def identify(self, image: Path, snapshot: Snapshot, wanted: str | None) -> None:
        """Refuse an image whose manifest does not bear the fingerprint that is asked for, before it is ever mounted."""
        if wanted is None:
            return
        doing, copy = f"{self._doing}: reading the manifest of {snapshot.snapshot_id}", image.with_name("manifest.json")
        # Whatever stands there is foreign: debugfs copies no more of it than a manifest may have.
        limited = ["prlimit", f"--fsize={JSON_LIMIT}", "debugfs", "-R", f"dump {MANIFEST} {copy.name}", str(image)]
        status, _output, problem = self._host.call(limited, cwd=str(image.parent))
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

    def examine(self, image: Path, snapshot: Snapshot) -> None:
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

    def superblock(self, path: Path) -> Ext4 | None:
        """The ext4 in an image or on a device; None where there is none."""
        return ext4_api.superblock(path)

    def renew(self, image: Path) -> None:
        """Give the file system of an image a UUID of its own."""
        ext4_api.renew(self._host, image, str(uuid.uuid4()), f"{self._doing}: giving it a UUID of its own")

    def truncate(self, image: Path, size: int) -> None:
        """Make an image at least so large; its file system stays as it is."""
        with image.open("r+b") as stream:
            if image.stat().st_size < size:
                stream.truncate(size)

    def grow(self, image: Path, size: int) -> None:
        """Make an image that nobody uses at least so large, and its file system with it."""
        filesystem = self.superblock(image)
        if filesystem is not None and filesystem.size + steps.GROUP_BYTES > size <= image.stat().st_size:
            return
        self.truncate(image, size)
        self.resize(str(image), f"{self._doing}: growing it to {human(size)}")

    def resize(self, target: str, doing: str) -> None:
        """Let the file system of an image or a device fill it."""
        free = self._host.free_bytes(self._root)
        if free < SPARE:
            raise VolumeError(f"{doing}: only {human(free)} are free in {self._root}. {FREE_SPACE}")
        self._host.run(["e2fsck", "-f", "-p", target], doing, FSCK_FINE)
        self._host.run(["resize2fs", target], doing)
