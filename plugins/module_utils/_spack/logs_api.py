# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the logs of a build on this host and read the end of one.

Their directories are those of the user who builds: no link is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._spack.logs import DEPTH, LOOKED_AT, Log, chosen, is_log

#: Bytes of a log that are read for its end.
END = 4 * 1024**2


def find(places: Sequence[str], max_age: int = 0) -> list[Log]:
    """The logs in places, those of the first one first.

    :param places: files, which are logs whatever they are called, and directories that have some. They need not exist.
    :param max_age: seconds in which they must have changed; 0 for all.
    """
    found: dict[str, Log] = {}
    since = time.time() - max_age if max_age else 0.0
    for place in places:
        path = Path(place)
        logs = _below(path) if path.is_dir() else (log for log in [_log(path)] if log)
        for log in chosen(log for log in logs if log.modified >= since):
            found.setdefault(log.path, log)
    return list(found.values())


def end(log: Log) -> str:
    """The last part of a log, as text; empty where it cannot be read any more."""
    path = Path(log.path)
    with contextlib.suppress(OSError, PetalError), below.file(path.parent, path.name) as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - END))
        return stream.read(END).decode("utf-8", "replace")
    return ""


def _below(root: Path) -> Iterator[Log]:
    looked = 0
    for directory, names, files in os.walk(root):
        if len(Path(directory).relative_to(root).parts) >= DEPTH:
            names.clear()
        looked += len(names) + len(files)
        if looked > LOOKED_AT:
            return
        for log in (_log(Path(directory, name)) for name in files if is_log(name)):
            if log:
                yield log


def _log(path: Path) -> Log | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return Log(str(path), found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None
