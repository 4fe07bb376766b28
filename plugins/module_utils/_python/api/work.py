# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where uv and pip work for a moment: a directory of their own, and an environment that is set for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    RunCommand,
    explained,
    hold,
    private,
    try_lock,
)
from ansible_collections.petal.hpc.plugins.module_utils._sandbox import api as sandbox

#: What is kept in the cache from one environment to the next, each the build user's own. Nothing else may be there.
WHEELS, DOWNLOADS = "wheels", "python"


@contextmanager
def scratch_directory(run_command: RunCommand, cache_dir: str) -> Iterator[str]:
    """A directory for temporary files below ``cache_dir``, which is made where it is missing.

    Its owner holds a lock on it, so that the next one sees which were left behind by a process that was killed,
    and removes them.
    """
    root = Path(cache_dir, "work")
    with explained(f"making {root}"):
        root.mkdir(0o700, parents=True, exist_ok=True)
        everything = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        private(everything, root)
        # One at a time: nobody takes a new directory for a leftover before its owner has locked it.
        hold(everything, root, "making a directory for temporary files")
        if not [leftover for leftover in root.iterdir() if not _removed(run_command, leftover)]:
            # Nobody works in here now: what uv was writing into its cache when it was killed is nobody's.
            for rest in Path(cache_dir, "uv", WHEELS).glob(".tmp*"):
                sandbox.remove(run_command, rest)
        path = tempfile.mkdtemp(dir=root)
        mine = os.open(path, os.O_RDONLY)
        hold(mine, Path(path), "making a directory for temporary files")
    finally:
        os.close(everything)
    try:
        yield path
    finally:
        sandbox.remove(run_command, Path(path))
        os.close(mine)


def _removed(run_command: RunCommand, path: Path) -> bool:
    """Remove a directory, unless somebody holds a lock on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if not try_lock(handle):
            return False
        sandbox.remove(run_command, path)
        return True
    finally:
        os.close(handle)


def set_environment(variables: dict[str, str]) -> None:
    """Make these the whole environment of this process and of those that it starts."""
    os.environ.clear()
    os.environ.update(variables)
