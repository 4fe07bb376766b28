# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files below directories that others can write: reached step by step from one open descriptor, through no link.

What a path leads to may be another thing at each look, so nothing here looks twice: what was opened is what is judged,
read and written (openat(2), O_NOFOLLOW). No lock is ever kept in such a directory: its users could hold it for ever.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import try_lock

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: What the kernel says of a link, or of a file that stands in for a directory.
_NO_DIRECTORY = (errno.ELOOP, errno.ENOTDIR)


@contextlib.contextmanager
def directory(path: Path) -> Iterator[int]:
    """A descriptor of the directory that somebody has named; links on the way to it are theirs. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def inside(parent: int, name: str) -> Iterator[int]:
    """A descriptor of a directory in another one. Raises PetalError for a link, OSError where there is none."""
    try:
        descriptor = os.open(_plain(name), _DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno in _NO_DIRECTORY:
            raise PetalError(f"{name} is a link, or no directory") from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def above(path: Path, relative: str, make: bool = False) -> Iterator[tuple[int, str]]:
    """The directory that holds a file, and the file's name in it.

    :param path: what somebody has named. relative: the file below it, with slashes. make: make what is missing between.
        Raises PetalError for a link between them, FileNotFoundError where there is no such directory.
    """
    *between, name = relative.split("/")
    with contextlib.ExitStack() as open_ones:
        at = open_ones.enter_context(directory(path))
        for one in between:
            at = open_ones.enter_context(made(at, one) if make else inside(at, one))
        yield at, _plain(name)


@contextlib.contextmanager
def made(parent: int, name: str, mode: int = 0o755) -> Iterator[int]:
    """The same, made where it is missing."""
    there = False
    try:
        os.mkdir(_plain(name), 0o700, dir_fd=parent)
    except FileExistsError:
        there = True
    with inside(parent, name) as descriptor:
        if not there:
            os.fchmod(descriptor, mode)
        yield descriptor


@contextlib.contextmanager
def reading(parent: int, name: str) -> Iterator[BinaryIO]:
    """A plain file in a directory. Raises PetalError for anything else, OSError where there is none."""
    try:
        descriptor = os.open(_plain(name), _FILE, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise PetalError(f"{name} is a link, or no file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PetalError(f"{name} is no file")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


@contextlib.contextmanager
def file(path: Path, relative: str) -> Iterator[BinaryIO]:
    """A plain file somewhere below a directory that somebody has named; raises as ``above`` and ``reading`` do."""
    with above(path, relative) as place, reading(*place) as stream:
        yield stream


@contextlib.contextmanager
def creating(parent: int, name: str, mode: int) -> Iterator[BinaryIO]:
    """A new file in a directory, on the disk at the end. Raises OSError where there is anything of that name."""
    descriptor = os.open(_plain(name), _NEW, 0o600, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
        stream.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def replace(parent: int, name: str, content: bytes, mode: int = 0o644) -> None:
    """Put a file in its place in one step; whatever had the name, a link too, goes. Raises OSError."""
    draft = f".tmp-{secrets.token_hex(8)}"
    try:
        with creating(parent, draft, mode) as stream:
            stream.write(content)
        os.replace(draft, _plain(name), src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=parent)
        raise


def names(parent: int) -> list[str]:
    """What is in a directory, in order."""
    return sorted(os.listdir(parent))


def remove(parent: int, name: str) -> None:
    """Remove a directory of plain files, or whatever else has the name; fine when it is not there.

    Raises PetalError where there are directories inside, which is none of ours.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.stat(_plain(name), dir_fd=parent, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=parent)
            return
        with inside(parent, name) as descriptor:
            for one in names(descriptor):
                _unlink(descriptor, one)
        os.rmdir(name, dir_fd=parent)


def _unlink(parent: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except (IsADirectoryError, PermissionError) as error:
        raise PetalError(f"{name} cannot be removed, and is none of ours ({error})") from error


def remove_dead(parent: int, prefix: str) -> None:
    """Remove directories of ours whose writer is dead: nobody holds their flock(2), which nobody else can take."""
    for name in names(parent):
        if not name.startswith(prefix):
            continue
        with contextlib.suppress(OSError, PetalError), inside(parent, name) as descriptor:
            found = os.fstat(descriptor)
            if found.st_uid == os.geteuid() and not found.st_mode & 0o077 and try_lock(descriptor):
                remove(parent, name)


def _plain(name: str) -> str:
    if "/" in name or name in ("", ".", ".."):
        raise PetalError(f"{name!r} is no name of a file")
    return name
