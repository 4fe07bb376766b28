# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects below one place, a directory or a prefix of a bucket: what build caches and snapshots alike are kept in.

Paths are below that place, with slashes. What stands there was written by others and is believed by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Union

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

#: What S3 says where there is no such bucket.
NO_BUCKET = "NoSuchBucket"
#: The bucket is not where it is said to be.
ANOTHER_REGION = "AnotherRegion"


class ObjectsError(PetalError):
    """A store of objects does not do what it was asked for.

    path: of the object, empty where it is about the whole store. code: S3's, empty where there is none.
    """

    def __init__(self, message: str, path: str = "", code: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.code = code


@dataclass(frozen=True)
class Item:
    """One object: its path, size in bytes, time of its last change (seconds since 1970)."""

    path: str
    size: int
    modified: float


@dataclass(frozen=True)
class File:
    """A large file of this host on its way into a store.

    copy: writes it to a stream, and raises PetalError where it is not what it should be.
    """

    path: Path
    copy: Callable[[BinaryIO], None]


Content = Union[bytes, File]


class Objects(Protocol):
    """What every store does. Raises ObjectsError; a directory also OSError, as the system says it."""

    def exists(self) -> bool:
        """Whether there is a place for objects: the directory or the bucket."""

    def make(self) -> None:
        """Make that place."""

    def listing(self, start: str = "") -> Iterator[Item]:
        """Everything in it whose path begins so."""

    def read(self, paths: Sequence[str], limit: int) -> dict[str, bytes]:
        """Those that are there, each up to ``limit`` bytes and one more, which shows that it is larger."""

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        """The SHA-256 digests, in hex, of those that are there."""

    def write(self, path: str, data: bytes) -> None:
        """Write one object, whole or not at all."""

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects in this order; those that are gone already count as removed."""


class Folders(Objects, Protocol):
    """A store that also takes files of any size, and several that belong together: nobody finds half of them."""

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """An object piece by piece, and no more of it than ``size`` bytes."""

    def add(self, folder: str, files: Mapping[str, Content]) -> bool:
        """Put a folder there; False where there is one of that name, which stays as it is.

        :param files: by name, the one last whose presence says that all are there.
        """

    def drop(self, folder: str, names: Sequence[str]) -> None:
        """Take a folder away.

        :param names: of all that may be in it, the one first whose presence says that all are there.
        """


def bucket_of(url: str) -> tuple[str, str]:
    """Bucket and prefix of what ``s3://BUCKET/PREFIX`` names; a prefix ends with a slash, or is empty.

    >>> bucket_of("s3://lab/petal/prod")
    ('lab', 'petal/prod/')
    """
    bucket, _slash, prefix = url[len("s3://") :].rstrip("/").partition("/")
    return bucket, f"{prefix}/" if prefix else ""
