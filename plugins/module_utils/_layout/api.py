# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write a plan below one directory, through no link.

Others may write in the directory itself (ParallelCluster makes a volume's root world-writable and sticky): each step is
taken from an open descriptor, and what is there is never written into; a new file takes its place in one step.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import explained
from ansible_collections.petal.hpc.plugins.module_utils._layout.plan import (
    ABSENT,
    DIRECTORY,
    FILE,
    LINK,
    OTHER,
    SHOWN,
    Entry,
    LayoutError,
    Seen,
    difference,
    differs,
    objection,
    parents,
    parse,
)

ROOT = (0, 0)
Change = tuple[Entry, Seen]


def owner_of(name: str) -> tuple[int, int]:
    """The numbers of a user and its group. Raises PetalError where there is no such user."""
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        raise PetalError(f"there is no user {name} on this host. Make it first, or name another owner.") from error
    return found.pw_uid, found.pw_gid


def lay_out(path: Path, plan: dict[str, Any], owner: tuple[int, int] = ROOT, *, check: bool = False) -> dict[str, Any]:
    """What the module returns. Raises PetalError before anything has changed, or for what the disk does not take.

    :param path: the directory. plan: as ``plan.parse`` has it. owner: user and group of all that is written.
        check: only say what would be done; the directory need not be there then.
    """
    entries = parse(str(path), plan)
    with explained(f"writing below {path}"):
        try:
            with below.directory(path) as root:
                changes = _changes(root, path, entries, owner)
                for entry, _seen_there in [] if check else changes:
                    _put(root, entry, owner)
        except (FileNotFoundError, NotADirectoryError) as error:
            if not check or os.path.lexists(path):
                raise PetalError(f"{path} is no directory on this host. Make it, or mount the volume there.") from error
            changes = [(entry, Seen(ABSENT)) for entry in entries if entry.kind != ABSENT]
    changed = [entry.path for entry, _seen in changes]
    return {"changed": bool(changed), "paths": changed, "diff": difference(str(path), changes)}


def _changes(root: int, path: Path, entries: Sequence[Entry], owner: tuple[int, int]) -> list[Change]:
    """What has to be done. Raises LayoutError where something is in the way."""
    found, problems = [], []
    for entry in entries:
        try:
            seen = _seen(root, entry)
        except LookupError as error:
            problems.append(f"{entry.path!r}: {error.args[0]}")
            continue
        if wrong := objection(entry, seen):
            problems.append(wrong)
        elif differs(entry, seen, owner):
            found.append((entry, seen))
    if problems:
        raise LayoutError(str(path), problems)
    return found


def _seen(root: int, entry: Entry) -> Seen:
    """What is at a path. Raises LookupError for a link, or anything else than a directory, on the way."""
    at, way = root, ""
    with contextlib.ExitStack() as open_ones:
        try:
            for way in parents(entry.path):
                at = open_ones.enter_context(below.inside(at, way.rpartition("/")[2]))
        except FileNotFoundError:
            return Seen(ABSENT)
        except PetalError as error:
            raise LookupError(f"{way} is a link, or no directory, and nothing is written through it") from error
        return _look(at, entry.path.rpartition("/")[2], max(len(entry.content), SHOWN) + 1)


def _look(at: int, name: str, most: int) -> Seen:
    """What a name in a directory is; of a file so many bytes at most."""
    try:
        status = os.stat(name, dir_fd=at, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return Seen(LINK, 0, (status.st_uid, status.st_gid), target=os.readlink(name, dir_fd=at))
        if stat.S_ISREG(status.st_mode):
            with below.reading(at, name) as stream:
                status = os.fstat(stream.fileno())
                return Seen(FILE, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), stream.read(most))
    except FileNotFoundError:
        return Seen(ABSENT)
    kind = DIRECTORY if stat.S_ISDIR(status.st_mode) else OTHER
    return Seen(kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))


def _put(root: int, entry: Entry, owner: tuple[int, int]) -> None:
    with _directory_of(root, entry, owner) as (at, name):
        if entry.kind == DIRECTORY:
            with below.made(at, name, entry.mode) as descriptor:
                os.fchown(descriptor, *owner)
                os.fchmod(descriptor, entry.mode)
        elif entry.kind == ABSENT:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=at)
        else:
            _replace(at, name, entry, owner)


@contextlib.contextmanager
def _directory_of(root: int, entry: Entry, owner: tuple[int, int]) -> Iterator[tuple[int, str]]:
    """The directory that holds an entry, made where it is missing, and the entry's name in it."""
    *between, name = entry.path.split("/")
    with contextlib.ExitStack() as open_ones:
        at = root
        for one in between:
            at = open_ones.enter_context(_inside(at, one, owner))
        yield at, name


@contextlib.contextmanager
def _inside(at: int, name: str, owner: tuple[int, int]) -> Iterator[int]:
    """A directory in another one; one that is made here is the owner's."""
    missing = not os.access(name, os.F_OK, dir_fd=at, follow_symlinks=False)
    with below.made(at, name) if missing else below.inside(at, name) as descriptor:
        if missing:
            os.fchown(descriptor, *owner)
        yield descriptor


def _replace(at: int, name: str, entry: Entry, owner: tuple[int, int]) -> None:
    """Put a file or a link in its place, whatever file or link had the name."""
    draft = f".tmp-{secrets.token_hex(8)}"
    try:
        if entry.kind == LINK:
            os.symlink(entry.target, draft, dir_fd=at)
            os.chown(draft, *owner, dir_fd=at, follow_symlinks=False)
        else:
            with below.creating(at, draft, entry.mode) as stream:
                stream.write(entry.content)
                os.fchown(stream.fileno(), *owner)
        os.replace(draft, name, src_dir_fd=at, dst_dir_fd=at)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=at)
        raise
