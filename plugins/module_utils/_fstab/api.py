# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount points of a node: their line in /etc/fstab, and what is mounted there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._fstab import table
from ansible_collections.petal.hpc.plugins.module_utils._fstab.table import Entry
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import top_mount

FSTAB = "/etc/fstab"


class MountPoint:
    """One of this host.

    :param module: AnsibleModule; in check mode nothing is changed.
    :param target: its absolute path. Every method returns whether anything changes, and raises PetalError.
    """

    def __init__(self, module: Any, target: str) -> None:
        if not Path(target).is_absolute():
            raise PetalError(f"{target!r} is no mount point: expected an absolute path")
        self._module = module
        self._host = Host(module.run_command)
        self._target = target
        # Through a link to where the file is: what is replaced is not the link.
        self._fstab = os.path.realpath(FSTAB)

    def present(self, entry: Entry) -> bool:
        """A line in fstab; what is mounted stays as it is."""
        before = self._read()
        return self._write(before, table.with_entry(before, entry))

    def absent_from_fstab(self) -> bool:
        """No line in fstab; what is mounted stays."""
        before = self._read()
        return self._write(before, table.without(before, self._target))

    def absent(self) -> bool:
        """No line in fstab; where there was one, nothing mounted, and no directory either."""
        changed = self.absent_from_fstab()
        if changed and not self._module.check_mode:
            if self._mounted():
                self._host.run(["umount", self._target], f"unmounting {self._target}")
            with explained(f"removing the mount point {self._target}"), contextlib.suppress(FileNotFoundError):
                Path(self._target).rmdir()
        return changed

    def mounted(self, entry: Entry) -> bool:
        """A line in fstab, and it is mounted; again where the line has changed."""
        before = self._read()
        after = table.with_entry(before, entry)
        changed, there = after != before, self._mounted()
        if self._module.check_mode or (there and not changed):
            return changed or not there
        with self._taken_back(before, after):
            if there and self._host.call(["mount", "-o", "remount", self._target])[0] != 0:
                self._host.run(["umount", self._target], f"unmounting {self._target} to mount it anew")
                there = False
            if not there:
                self._host.run(["mount", self._target], f"mounting {entry.source} at {self._target}")
        return True

    @contextlib.contextmanager
    def _taken_back(self, before: str, after: str) -> Iterator[None]:
        """The new line and the directory are there inside; an error takes them away: neither may stop the next boot."""
        missing = [path for path in (Path(self._target), *Path(self._target).parents) if not path.exists()]
        with explained(f"making the mount point {self._target}"):
            self._host.make_directory(Path(self._target))
        self._write(before, after)
        try:
            yield
        except PetalError:
            self._write(after, before)
            for path in missing:
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise

    def _mounted(self) -> bool:
        return top_mount(self._host.mounts(), os.path.realpath(self._target)) is not None

    def _read(self) -> str:
        with explained(f"reading {self._fstab}"), contextlib.suppress(FileNotFoundError):
            return Path(self._fstab).read_text(encoding="utf-8", errors="surrogateescape")
        return ""

    def _write(self, old: str, new: str) -> bool:
        if new == old or self._module.check_mode:
            return new != old
        with explained(f"writing {self._fstab}"):
            descriptor, draft = tempfile.mkstemp(dir=self._module.tmpdir)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(new)
                os.fchmod(stream.fileno(), 0o644)
            # It keeps owner, mode and context of the file that is there. One that is a mount itself, as in containers,
            # cannot be replaced, and is written over.
            self._module.atomic_move(draft, self._fstab, unsafe_writes=True)
        return True
