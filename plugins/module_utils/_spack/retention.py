# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of the host's own cache goes when it is larger than it may be. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Seconds for which what was used stays, whatever the limit is: longer than a build takes.
REST = 2 * 86400.0
SPEC = ".spec.manifest.json"
_CHECKSUM = re.compile(r'"checksum"\s*:\s*"([0-9a-f]{64})"')


@dataclass(frozen=True)
class File:
    """One file of the cache: its size in bytes, and when it was used last or written."""

    size: int
    used: float


#: The path of a blob, and its file.
Place = tuple[str, File]


@dataclass(frozen=True)
class Manifest:
    """What names the blobs of a package, or of something else that stays."""

    path: str
    file: File
    blobs: frozenset[str]


@dataclass(frozen=True)
class Shrinking:
    """What goes, manifests before their blobs; how many packages and bytes that are; and what the cache has then."""

    paths: tuple[str, ...] = ()
    packages: int = 0
    freed: int = 0
    size: int = 0


def blobs_of(text: str) -> frozenset[str]:
    """The digests that a manifest names."""
    return frozenset(_CHECKSUM.findall(text))


def shrinking(
    manifests: Sequence[Manifest], blobs: Mapping[str, tuple[str, File]], limit: int, now: float
) -> Shrinking:
    """What has to go, so that the cache has no more than so many bytes: what was used last longest ago.

    :param manifests: all of them. blobs: by digest their paths and files. limit: bytes; 0 for as many as there are.
    """
    size = sum(item.file.size for item in manifests) + sum(file.size for _path, file in blobs.values())
    if limit <= 0 or size <= limit:
        return Shrinking(size=size)
    named = Counter(digest for item in manifests for digest in item.blobs)
    paths, packages, freed = [], 0, 0
    # What nobody names was left by a push that was killed, or is of one that goes on.
    for digest, (path, file) in sorted(blobs.items()):
        if not named[digest] and now - file.used > REST:
            paths.append(path)
            freed += file.size
    for item in sorted(manifests, key=lambda one: (one.file.used, one.path)):
        if size - freed <= limit or now - item.file.used <= REST:
            break
        if not item.path.endswith(SPEC):
            continue
        paths.append(item.path)
        packages += 1
        freed += item.file.size
        for digest in sorted(item.blobs):
            named[digest] -= 1
            if not named[digest] and digest in blobs:
                paths.append(blobs[digest][0])
                freed += blobs[digest][1].size
    return Shrinking(tuple(paths), packages, freed, size - freed)
