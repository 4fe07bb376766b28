# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read files of an unpacked image, which somebody else has made: no link in it leads out of it.

Links are followed as they would be with the image as root. What they lead to is then opened part by part, each without
following a link, so that nothing else is read even where the image changes meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below

_LINKS_LIMIT = 40
#: Of all that is read of one image by ``read``: files of holes take no space, and all the time that there is.
READ_LIMIT = 4 * 1024**3
_MISSING = (errno.ENOENT, errno.ENOTDIR)


class RootfsError(PetalError):
    """A file of an image cannot be read."""


class Rootfs:
    """A directory with the files of an image. Paths are from its top, with a slash in front or without."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left = READ_LIMIT
        if not path.is_dir():
            raise RootfsError(f"{path} is no directory: expected the unpacked files of an image")

    def read(self, path: str, limit: int) -> bytes | None:
        """The content of a file; None where there is none. Raises RootfsError for what cannot be read, is no file, or
        is larger than ``limit``.
        """
        try:
            parts = self._resolved(path)
            if not parts:
                raise RootfsError(f"{_shown(path)} is no file")
            with below.file(self.path, "/".join(parts)) as stream:
                data = stream.read(min(limit, self._left) + 1)
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise RootfsError(f"{_shown(path)} cannot be read: {error.strerror or error}") from error
        except RootfsError:
            raise
        except PetalError as error:
            raise RootfsError(f"{_shown(path)} is no file") from error
        if len(data) > self._left:
            raise RootfsError(f"{_shown(path)} was not read, as what was read before is {READ_LIMIT // 1024**3} GiB")
        self._left -= len(data)
        if len(data) > limit:
            raise RootfsError(f"{_shown(path)} has more than {limit // 1024**2} MiB, which nothing of its kind has")
        return data

    def names(self, path: str) -> list[str]:
        """What is in a directory, by name; nothing where there is none. Raises RootfsError."""
        try:
            with contextlib.ExitStack() as opened:
                at = opened.enter_context(below.directory(self.path))
                for part in self._resolved(path):
                    at = opened.enter_context(below.inside(at, part))
                return below.names(at)
        except OSError as error:
            if error.errno in _MISSING:
                return []
            raise RootfsError(f"{_shown(path)} cannot be read: {error.strerror or error}") from error
        except PetalError:
            return []

    def walk(self, failed: Callable[[str], None]) -> Iterator[tuple[str, list[str], list[str]]]:
        """Every directory that is no link and on the same file system, with the names of its directories and files.

        :param failed: is told of each that cannot be read, in a sentence.
        """
        root = str(self.path)
        device = self.path.stat().st_dev
        waiting = [""]
        while waiting:
            directory = waiting.pop()
            below: list[str] = []
            files: list[str] = []
            try:
                with os.scandir(f"{root}/{directory}") as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if entry.stat(follow_symlinks=False).st_dev == device:
                                below.append(entry.name)
                        elif entry.is_file(follow_symlinks=False):
                            files.append(entry.name)
            except OSError as error:
                failed(f"{_shown(directory)} cannot be read: {error.strerror or error}")
            yield directory, sorted(below), sorted(files)
            waiting += [f"{directory}/{name}" if directory else name for name in sorted(below, reverse=True)]

    def _resolved(self, path: str) -> list[str]:
        """The parts of a path, with the links in it taken as they would be with the image as root. Raises OSError."""
        ahead, done, links = deque(path.split("/")), [], 0  # type: deque[str], list[str], int
        while ahead:
            part = ahead.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            place = self.path.joinpath(*done, part)
            if stat.S_ISLNK(os.lstat(place).st_mode):
                links += 1
                if links > _LINKS_LIMIT:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = str(place.readlink())
                done = [] if target.startswith("/") else done
                ahead.extendleft(reversed(target.split("/")))
            else:
                done.append(part)
        return done


def _shown(path: str) -> str:
    text = f"/{path.lstrip('/')}".encode("utf-8", "backslashreplace").decode()[:300]
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
