# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building on the nodes of a Slurm cluster: what is asked for, and the commands that do it.

GNU make has the order: its rules are those of ``spack env depfile``, and what it calls Spack with is a job of Slurm.
Its ``SHELL`` is not srun, which would make a job of each ``touch`` and ``mkdir`` in these rules too, and let them wait
behind the builds: the command in place of Spack's is. It is no srun alone either, as a task gets one processor of a
node that is its own: it is an allocation (salloc), all of which one step uses. And on the node Spack has other words
than the depfile's ``--only=package``, which is for a store that all share: every node has one of its own here, in which
the rest comes from the build cache.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node, SpackError

SLURM = "slurm"
ENGINES = (SLURM,)
OPTIONS = ("--exclusive",)
#: Packages at once where nobody says. Of 134 packages, 7 can be built at a time on average.
JOBS = 16
LOCAL = "/var/tmp"  # noqa: S108 - in a directory that is nobody else's
# What this collection says itself.
_MINE = re.compile(
    r"--(?:job-name|nodes|ntasks|chdir|immediate|no-shell|bell|kill-command|wait-all-nodes|verbose|help|usage|version)"
    r"(?:=|$)|-[JNnDIKvhV]"
)
_OPTION = re.compile(r"-(?:-[a-z][a-z-]{0,40}(?:=[^\n\0]{0,1000})?|[A-Za-z][^\n\0]{0,1000})")
# make has no way to name a file with other characters.
_PLAIN = re.compile(r"/[A-Za-z0-9_./+@-]{1,1000}")
# What the depfile calls a package.
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
# Of the node, before it is known whether it sees anything of ours.
_GUARD = (
    '[ -r "$1" ] || { echo "==> Error: no package can be built on the node $(uname -n): it does not see $1. The cache '
    'of the host has to be in a directory that all nodes have at the same place"; exit 3; }; shift; exec "$@"'
)

NO_CACHE = (
    "a build farm needs the host's own cache (cache_dir), from which every node takes what its package needs, and "
    "Spack 1.2 or later"
)


@dataclass(frozen=True)
class Farm:
    """What a user asks for. options: of salloc. jobs: packages at once. local: directory of each node's own."""

    options: tuple[str, ...] = OPTIONS
    jobs: int = JOBS
    local: str = LOCAL

    @classmethod
    def checked(cls, given: Mapping[str, Any] | None) -> Farm | None:
        """From a module's option ``farm``; None without one. Raises SpackError."""
        if given is None:
            return None
        options = tuple(given["options"])
        for text in options:
            if not _OPTION.fullmatch(text):
                raise SpackError(
                    f"farm.options has {text!r}: expected options of salloc, each with its value in one word, such as "
                    "--partition=build"
                )
            if _MINE.match(text):
                raise SpackError(f"farm.options has {text!r}, which is not yours to say here; leave it out")
        if given["jobs"] < 1:
            raise SpackError(f"farm.jobs is {given['jobs']}: expected the number of packages at once, 1 or more")
        return cls(options, given["jobs"], plain(given["local_dir"], "farm.local_dir"))


def for_one(wanted: Farm | None, parallel: bool) -> Farm | None:
    """The same, for one package at a time where not ``parallel``."""
    return wanted if wanted is None or parallel else replace(wanted, jobs=1)


def plain(path: str, what: str) -> str:
    """A path that can stand in a makefile. Raises SpackError."""
    if not _PLAIN.fullmatch(path):
        raise SpackError(
            f"{what} is {path!r}: to build on other nodes it has to be a path of letters, digits and '_./+@-' alone"
        )
    return path


@dataclass(frozen=True)
class Tools:
    """Paths of programs on this host."""

    salloc: str
    srun: str
    scancel: str
    squeue: str
    make: str


@dataclass(frozen=True)
class Plan:
    """One installation on nodes.

    key: names it among those of this user; directory: of its own, which all nodes see; makefile: the depfile; cache:
    the build cache that all see.
    """

    farm: Farm
    tools: Tools
    key: str
    directory: str
    makefile: str
    cache: str

    @property
    def name(self) -> str:
        """Of its jobs."""
        return f"petal-{self.key}"

    def local(self, owner: int) -> str:
        """The directory that it has on each node. Its name is short: there is little room in a prefix."""
        return f"{self.farm.local}/petal-{owner}-{self.key}"

    @property
    def job(self) -> list[str]:
        """How a job is begun: one node, or the part of it that the options say."""
        mine = [f"--job-name={self.name}", "--nodes=1", "--ntasks=1", "--no-bell", "--quiet"]
        return [self.tools.salloc, *self.farm.options, *mine]

    @property
    def task(self) -> list[str]:
        """What a job runs, on all that it was given, but for the words behind it."""
        script = f"{self.directory}/farm_node.py"
        step = [self.tools.srun, "--whole", "--cpu-bind=quiet,none", "--chdir=/", "--input=none", "--quiet"]
        return [*step, "/bin/sh", "-c", _GUARD, "sh", script, "python3", script, self.directory]

    def launcher(self) -> str:
        """The command that make calls where it would call Spack."""
        return (
            "#!/bin/sh\n# Written by petal.hpc: builds one package on a node, with the words of the depfile.\n"
            f'{shlex.join([*self.job, *self.task])} "$@" && exit\n'
            f"status=$?\n: >{shlex.quote(self.directory)}/failed\nexit $status\n"
        )

    def make(self, there: Iterable[Node], fail_fast: bool) -> list[str]:
        """The command that builds.

        :param there: packages that are not to be built; their rules are not looked at.
        """
        going = [] if fail_fast else ["--keep-going"]
        old = [f"--assume-old=install/{target(node)}" for node in there]
        directory, _slash, file = self.makefile.rpartition("/")
        words = ["--silent", f"--jobs={self.farm.jobs}", "--directory", directory, "--file", file]
        return [self.tools.make, *words, *going, *old, f"SPACK={self.directory}/launch"]

    def host_request(self, owner: int, there: Iterable[Node], fail_fast: bool) -> dict[str, Any]:
        """What ``scripts/farm_host.py`` is asked."""
        return {
            "name": self.name,
            "owner": owner,
            "options": list(self.farm.options),
            "job": self.job,
            "task": self.task,
            "scancel": self.tools.scancel,
            "squeue": self.tools.squeue,
            "make": self.make(there, fail_fast),
            "fail_fast": fail_fast,
            "local": self.local(owner),
        }


def target(node: Node) -> str:
    """What the depfile calls a package."""
    return _UNSAFE.sub("_", f"{node.name}-{node.version}-{node.hash}")


def depfile(makefile: str, missing: Sequence[Node]) -> list[str]:
    """The words with which Spack writes the rules for some packages and all that they need.

    No prefix: make's own directory is the one of the file. No job server: nobody has it on another host.
    """
    return [
        *("env", "depfile", "--make-disable-jobserver", "--make-prefix", "", "--output", makefile),
        *(f"/{node.hash}" for node in missing),
    ]
