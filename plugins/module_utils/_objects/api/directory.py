# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects in a directory that others may write as well, as on NFS: no link in it is followed, nothing is locked."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import UNFINISHED, Host, sha256_of, try_lock
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Content, Item, ObjectsError

PIECE = 1 << 20


class Directory:
    """The objects below a directory. Raises ObjectsError for links and what is no file, else OSError.

    :param path: links on the way to it are of whoever named it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether the directory is there."""
        return self.path.is_dir()

    def make(self) -> None:
        """Make it, and what is missing above."""
        self.path.mkdir(parents=True, exist_ok=True)

    def free_bytes(self) -> int:
        """How much may still be written to it."""
        return Host.free_bytes(self.path)

    def listing(self, start: str = "") -> Iterator[Item]:
        """All files in it whose path begins so; links are none."""
        for directory, _names, files in os.walk(self.path):
            for name in files:
                path = Path(directory, name)
                relative = path.relative_to(self.path).as_posix()
                if not relative.startswith(start):
                    continue
                try:
                    status = path.lstat()
                except FileNotFoundError:
                    # Somebody else writes or removes at this moment.
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield Item(relative, status.st_size, status.st_mtime)

    def names(self, folder: str) -> list[str]:
        """What is in a folder, in order; nothing where there is none."""
        with suppress(FileNotFoundError), self._named(folder), below.above(self.path, f"{folder}/any") as (at, _any):
            return below.names(at)
        return []

    def read(self, paths: Sequence[str], limit: int) -> dict[str, bytes]:
        """Those that are there, each up to ``limit`` bytes and one more."""
        return dict(self._each(paths, lambda stream: stream.read(limit + 1)))

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        """The SHA-256 digests of those that are there."""
        return dict(self._each(paths, sha256_of))

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """The sizes in bytes of those that are there, and can be read."""
        return dict(self._each(paths, lambda stream: os.fstat(stream.fileno()).st_size))

    def _each(self, paths: Sequence[str], take: Callable[[BinaryIO], Any]) -> Iterator[tuple[str, Any]]:
        for path in paths:
            with suppress(FileNotFoundError), self._named(path), below.file(self.path, path) as stream:
                yield path, take(stream)

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """A file piece by piece, and no more of it than ``size`` bytes."""
        with self._named(path), below.file(self.path, path) as stream:
            while size > 0 and (piece := stream.read(min(PIECE, size))):
                size -= len(piece)
                yield piece

    def write(self, path: str, data: bytes) -> None:
        """Write one file in one step, and make the folders that it is in."""
        with self._named(path), below.above(self.path, path, make=True) as (parent, name):
            below.replace(parent, name, data)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files; those that are gone already count as removed."""
        for path in paths:
            with suppress(FileNotFoundError), self._named(path), below.above(self.path, path) as (parent, name):
                os.unlink(name, dir_fd=parent)

    def add(self, folder: str, files: Mapping[str, Content]) -> bool:
        """Put a folder there in one step; False where there is one with something in it, which stays as it is.

        What a writer who died has left beside it goes.
        """
        with self._named(folder), below.above(self.path, folder, make=True) as (parent, name):
            below.remove_dead(parent, UNFINISHED)
            draft = _draft(name)
            with below.made(parent, draft, 0o700) as entry:
                try:
                    # Nobody else can open it, so that a lock on it says that this one lives.
                    try_lock(entry)
                    for file, content in files.items():
                        with below.creating(entry, file, 0o444) as stream:
                            if isinstance(content, bytes):
                                stream.write(content)
                            else:
                                content.copy(stream)
                    os.fchmod(entry, 0o755)
                    return _rename(parent, draft, name)
                finally:
                    below.remove(parent, draft)

    def drop(self, folder: str, names: Sequence[str]) -> None:  # noqa: ARG002
        """Take a folder away with all that is in it, which are files; renamed first, so that nobody finds half of it.

        :param names: what a bucket has to be told.
        """
        with self._named(folder), below.above(self.path, folder) as (parent, name):
            gone = _draft(name)
            os.rename(name, gone, src_dir_fd=parent, dst_dir_fd=parent)
            below.remove(parent, gone)
            os.fsync(parent)

    @contextmanager
    def _named(self, path: str) -> Iterator[None]:
        try:
            yield
        except PetalError as error:
            raise ObjectsError(str(error), path) from error


def _draft(name: str) -> str:
    return f"{UNFINISHED}{name}.{secrets.token_hex(8)}"


def _rename(parent: int, draft: str, name: str) -> bool:
    try:
        os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    os.fsync(parent)
    return True
