# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a build is that some run has begun, as build_status tells it: by its lock, its host and its install."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Seen(Enum):
    """What the provider shows. LEFT: there is something of a build, and nobody looks after it. ELSEWHERE: the same, and it
    may install, on a host that only another controller can ask."""

    NONE = "none"
    BUILDING = "building"
    LEFT = "left"
    ELSEWHERE = "elsewhere"


BUILT = "built"
UNREACHABLE = "unreachable"
#: Of an install that has ended, so that the build can go on.
ENDED = ("finished", "failed")


@dataclass(frozen=True)
class Status:
    """Of one build.

    hit: whether its snapshot is there, so that nothing else is asked. seen: what the provider shows. asked: whether
    there is a host that could be asked; answer: what its install said, ``finished`` say, empty where it did not answer.
    """

    hit: bool = False
    seen: Seen = Seen.NONE
    asked: bool = False
    answer: str = ""

    @property
    def state(self) -> str:
        """In one word. Of a build that some run looks after, its install is not asked."""
        if self.hit:
            return BUILT
        if self.seen is Seen.BUILDING or not self.asked:
            return self.seen.value
        return self.answer or UNREACHABLE

    def goes_on(self, *, watched: bool) -> bool:
        """Whether this run goes on with it: where the install has ended, or somebody stays until it has."""
        if self.hit or self.seen is Seen.ELSEWHERE:
            return False
        return self.state in ENDED or (watched and self.seen is not Seen.NONE)
