# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An Lmod that is installed: its version, and its spider cache."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, RunCommand, explained
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import failure

#: The Lmod users guide, "User Spider Cache": by its time Lmod knows whether the cache is still good.
TIMESTAMP = "timestamp"
_VERSION = re.compile(r"Version (\S+)")
_OF_BEFORE = "spiderT.old.*"


class LmodError(PetalError):
    """Lmod is not there, or does not do what it is asked to."""


class Lmod:
    """The Lmod below ``home``, as in /usr/share/lmod/lmod; it need not be there.

    :param run_command: ``AnsibleModule.run_command``.
    """

    def __init__(self, run_command: RunCommand, home: str) -> None:
        self._run_command = run_command
        self._libexec = Path(home, "libexec")

    def is_there(self) -> bool:
        """Whether it is installed."""
        return (self._libexec / "lmod").exists()

    def version(self) -> str:
        """What it says that it is, as in 8.6.19. Raises LmodError when it cannot be run, or names none."""
        said = self._said([str(self._libexec / "lmod"), "--version"], "asking Lmod for its version")
        found = _VERSION.search(said)
        if not found:
            raise LmodError(f"{self._libexec / 'lmod'} --version names no version: {' '.join(said.split())[:300]}")
        return found[1]

    def write_cache(self, directory: Path, trees: Sequence[str]) -> None:
        """Read every modulefile of the trees into the spider cache in ``directory``, which everybody reads.

        Raises PetalError.
        """
        doing = "writing Lmod's spider cache"
        with explained(doing):
            Host(self._run_command).make_directory(directory)
        command = [str(self._libexec / "update_lmod_system_cache_files"), "-d", str(directory)]
        command += ["-t", str(directory / TIMESTAMP), ":".join(trees)]
        # What hides modules on this host, as another volume's file does, shall not hide them on nodes.
        self._said(command, doing, LMOD_IGNORE_CACHE="yes", LMOD_MODULERC="/dev/null", LMOD_MODULERCFILE="/dev/null")
        # It keeps the one of before beside it, which nobody reads.
        for path in directory.glob(_OF_BEFORE):
            path.unlink()

    def _said(self, argv: list[str], doing: str, **environment: str) -> str:
        """The output and the error output, where Lmod prints most things, of a command that has to succeed."""
        options = {"environ_update": {"LC_ALL": "C.UTF-8", **environment}, "handle_exceptions": False}
        with explained(doing):
            status, output, problem = self._run_command(argv, **options)
        if status != 0:
            raise LmodError(failure(doing, argv[0], status, problem.strip() or output.strip()))
        return output + problem


def is_fresh(directory: Path, trees: Sequence[str]) -> bool:
    """Whether a spider cache is there and nothing in the trees is newer. Raises PetalError when a tree is not there."""
    try:
        written = (directory / TIMESTAMP).stat().st_mtime_ns
    except FileNotFoundError:
        return False
    with explained("looking for modulefiles that are newer than the spider cache"):
        return all(path.lstat().st_mtime_ns <= written for tree in trees for path in _all_in(Path(tree)))


def _all_in(tree: Path) -> Iterator[Path]:
    yield tree
    for entry in os.scandir(tree):
        if entry.is_dir(follow_symlinks=False):
            yield from _all_in(Path(entry.path))
        else:
            yield Path(entry.path)
