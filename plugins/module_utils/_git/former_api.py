# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkout that somebody else has left: what of it is as a commit has it, and as Git would write it, is moved to
where that is checked out, and so stays where it is on the disk. Nothing of it is believed, and nothing of it is run.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._git.former import LINK, MODES, Entry, directories, object_of

_PACKS = Path(".git", "objects", "pack")
_PACK = re.compile(r"pack-[0-9a-f]{40,64}\.pack")
#: What a system gives to each file.
_LABELS = {"security.selinux"}
_DIRECTORY_MODE, _PACK_MODE = 0o755, 0o444


def move_packs(former: Path, path: Path) -> list[Path]:
    """Move what is packed of one repository into another one; where that is now. Nobody has looked into it."""
    found = []
    if not any((former / parent).is_symlink() for parent in (*_PACKS.parents, _PACKS)) and (former / _PACKS).is_dir():
        for pack in sorted((former / _PACKS).iterdir()):
            if _PACK.fullmatch(pack.name) and _is_plain(pack, stat.S_IFREG, _PACK_MODE):
                target = path / _PACKS / pack.name
                target.parent.mkdir(parents=True, exist_ok=True)
                found.append(pack.replace(target))
    return found


def remove_packs(packs: list[Path]) -> None:
    """Remove them, and what was written of them."""
    for pack in packs:
        for ending in (".pack", ".idx", ".rev"):
            pack.with_suffix(ending).unlink(missing_ok=True)


def move_same(former: Path, path: Path, files: Mapping[str, Entry]) -> None:
    """Move what is the same as in a commit to where that is checked out, whole directories where they can be.

    :param files: of the commit.
    """
    _leave_same(former, "", files, directories(files))
    _merge(former, path)


def _leave_same(directory: Path, inside: str, files: Mapping[str, Entry], known: set[str]) -> None:
    for entry in sorted(directory.iterdir()):
        name = f"{inside}{entry.name}"
        if name in known and _is_plain(entry, stat.S_IFDIR, _DIRECTORY_MODE):
            _leave_same(entry, f"{name}/", files, known)
        elif name not in files or not _is_same(entry, files[name]):
            _remove(entry)


def _is_same(path: Path, wanted: Entry) -> bool:
    # First of all: what is longer than memory has it is not read.
    if path.lstat().st_size != wanted.size:
        return False
    if wanted.mode == LINK:
        return _is_plain(path, stat.S_IFLNK) and object_of(os.fsencode(path.readlink())) == wanted.object
    mode = MODES.get(wanted.mode)
    return mode is not None and _is_plain(path, stat.S_IFREG, mode) and object_of(path.read_bytes()) == wanted.object


def _is_plain(path: Path, kind: int, mode: int | None = None) -> bool:
    """Whether it is of that kind and mode, by one name, of whoever runs this, and nothing more is noted of it."""
    found = path.lstat()
    return (
        stat.S_IFMT(found.st_mode) == kind
        and mode in (None, stat.S_IMODE(found.st_mode))
        and (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        and (kind == stat.S_IFDIR or found.st_nlink == 1)
        and set(os.listxattr(path, follow_symlinks=False)) <= _LABELS
    )


def _merge(source: Path, target: Path) -> None:
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if not os.path.lexists(place):
            entry.rename(place)
        elif not entry.is_symlink() and entry.is_dir() and not place.is_symlink() and place.is_dir():
            _merge(entry, place)


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(path)
