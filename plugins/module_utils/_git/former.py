# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a commit has, by which a file that was there before is known to be the same."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

#: As Git writes them where nobody else may write.
MODES = {"100644": 0o644, "100755": 0o755}
LINK = "120000"
#: The files that Git writes as the commit has them (gitglossary(7), pathspec): none of these attributes is set.
AS_THEY_ARE = ":(attr:!eol !filter !ident !working-tree-encoding)"


@dataclass(frozen=True)
class Entry:
    """A file of a commit: its mode, as Git has it, its object, and its bytes."""

    mode: str
    object: str
    size: int


def entries(listing: str, of_these: Container[str]) -> dict[str, Entry]:
    """The files of a commit by their paths.

    :param listing: what ``git ls-tree -r -l -z`` says of it.
    :param of_these: no others.
    """
    found = {}
    for line in filter(None, listing.split("\0")):
        head, _tab, path = line.partition("\t")
        mode, kind, key, size = head.split()
        if kind == "blob" and path in of_these:
            found[path] = Entry(mode, key, int(size))
    return found


def directories(files: Mapping[str, Entry]) -> set[str]:
    """The directories that they are in."""
    return {str(parent) for path in files for parent in PurePosixPath(path).parents}


def object_of(data: bytes) -> str:
    """The name that Git gives to what is in a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
