# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host has worked out once and keeps: small files by a key that names all that decides them.

An entry is a directory that takes its place in one step, whole, and is never written again. Only so many are kept,
those that were used last. Whoever reads one that is just going gets an OSError, and works it out anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.api import UNFINISHED, written_by_others

#: Seconds after which a draft has no living writer.
STALE = 86400.0


def key_of(value: Mapping[str, Any]) -> str:
    """The key for all that decides an entry."""
    return hashlib.sha256(json.dumps(dict(value), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Kept:
    """Entries in one directory; with none, nothing is kept and nothing found.

    :param directory: made where it is missing. most: how many entries are kept.
    """

    def __init__(self, directory: Path | None, most: int) -> None:
        self._directory = directory
        self._most = most

    def flaw(self) -> str:
        """Who else can write there, as a clause: then nothing of it is used. Empty where nobody can."""
        return "" if self._directory is None else written_by_others(self._directory)

    def take(self, key: str) -> Path | None:
        """The directory of an entry, which counts as used now; None where there is none that may be used."""
        if self._directory is None or self.flaw():
            return None
        entry = self._directory / key
        try:
            os.utime(entry)
        except OSError:
            return None
        return entry

    def put(self, key: str, files: Mapping[str, bytes]) -> bool:
        """Keep files, by their paths in the entry; False where that cannot be. What cannot be kept is no failure."""
        if self._directory is None or self.flaw():
            return False
        try:
            self._write(self._directory, key, files)
        except OSError:
            return False
        self._prune(self._directory)
        return True

    def _write(self, directory: Path, key: str, files: Mapping[str, bytes]) -> None:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o755)
        draft = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=directory))
        try:
            for name, content in files.items():
                path = draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fchmod(stream.fileno(), 0o644)
                    os.fsync(stream.fileno())
            for path in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
                path.chmod(0o755)
            # Where somebody else was faster, theirs is the same.
            if not (directory / key).exists():
                draft.rename(directory / key)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _prune(self, directory: Path) -> None:
        """Remove what was not used for longest, and what writers that were killed have left."""
        entries, now = [], time.time()
        for path in directory.iterdir():
            with contextlib.suppress(OSError):
                used = path.stat().st_mtime
                if not path.name.startswith(UNFINISHED):
                    entries.append((used, path))
                elif now - used > STALE:
                    shutil.rmtree(path, ignore_errors=True)
        for _used, path in sorted(entries, reverse=True)[self._most :]:
            gone = directory / f"{UNFINISHED}{path.name}"
            with contextlib.suppress(OSError):
                path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
