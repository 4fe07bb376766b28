# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another build cache that gets each package as it finishes: what is wanted of it, how far it is, and what is said of
it. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._seed.vendors import vendor_of
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node


@dataclass(frozen=True)
class Feed:
    """The cache that is fed. mirror: its name; exclude: names of packages that do not get into it."""

    mirror: str
    exclude: tuple[str, ...] = ()

    @classmethod
    def checked(cls, given: Mapping[str, Any] | None) -> Feed | None:
        """What a module was given; None where nothing was."""
        return cls(given["mirror"], tuple(given["exclude"])) if given else None

    def stays(self, nodes: Iterable[Node]) -> list[str]:
        """The names of packages that do not get into it: those, and what its vendor does not let anybody hand on."""
        return sorted({*self.exclude, *(node.name for node in nodes if vendor_of(node.name))})


#: What is noted before anything is handed on: whoever finds it when all has ended knows that nobody got to the end.
BEGUN: Mapping[str, Any] = {
    "pushed": [],
    "already": 0,
    "bytes": 0,
    "seconds": 0.0,
    "longest": 0.0,
    "failed": {},
    "left": [],
    "over": False,
}


@dataclass(frozen=True)
class Fed:
    """What one installation has handed on to it.

    pushed: packages; already: those that were there. failed: those that could not be pushed, and left: those that were
    not tried any more. reason: why, of the first that failed. seconds: of all pushes, and of the longest. cut: whether
    what hands them on was ended, so that nobody knows of the rest.
    """

    mirror: str
    pushed: int = 0
    already: int = 0
    failed: int = 0
    left: int = 0
    reason: str = ""
    bytes: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    cut: bool = False

    @classmethod
    def read(cls, mirror: str, status: Mapping[str, Any], running: bool = False) -> Fed:
        """What ``scripts/feed.py`` has noted; of nothing where it has noted nothing. running: it may note more."""
        if status.get("problem") or not status:
            return cls(mirror, reason=str(status.get("problem", "")))
        failed: Mapping[str, str] = status["failed"]
        return cls(
            mirror,
            pushed=len(status["pushed"]),
            already=int(status["already"]),
            failed=len(failed),
            left=len(status["left"]),
            reason=next(iter(failed.values()), ""),
            bytes=int(status["bytes"]),
            seconds=float(status["seconds"]),
            longest=float(status["longest"]),
            cut=not running and status.get("over") is False,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @property
    def has(self) -> int:
        """How many packages of the environment are known to be in it."""
        return self.pushed + self.already

    def problem(self) -> str:
        """What to warn of; empty where all that was finished was handed on."""
        lost = self.failed + self.left
        if not lost and self.cut:
            return (
                f"Nobody knows whether all finished packages are in build cache {self.mirror}, for what pushes them "
                "was ended before the installation: session/beside.log in the environment's directory, or the kernel's "
                "log, says why"
            )
        if not lost and not self.reason:
            return ""
        why = f": {self.reason}" if self.reason else ", as the installation was ended before"
        if not lost:
            return f"No package was pushed to build cache {self.mirror}{why}"
        return f"{lost} of {lost + self.has} finished packages were not pushed to build cache {self.mirror}{why}"

    def kept(self) -> str:
        """What of an installation that failed outlives its host; empty where that is nothing."""
        if not self.has:
            return ""
        what, them = ("1 finished package is", "it") if self.has == 1 else (f"{self.has} finished packages are", "them")
        return f"{what} in build cache {self.mirror}: the next build takes {them} from there."

    def line(self) -> str:
        """The same of one that succeeded, for a report."""
        new = f"{self.pushed} packages ({human(self.bytes)}) in {self.seconds:.0f} s, as each finished"
        there = f"{self.already} were there" if self.already else ""
        parts = [part for part in (new if self.pushed else "nothing new", there, self.problem()) if part]
        return f"to build cache {self.mirror}: {'; '.join(parts)}"
