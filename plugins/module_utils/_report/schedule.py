# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who waited for whom: the longest chain of packages, what each one waited for, and a timeline of all of them.

Only of times that were noted. What has none is said to have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._report.model import Step

#: What is a longer pause than this, in which nothing was being installed, is cut out of a timeline.
PAUSE = 60.0
#: By so much times that were looked at ten times a second may be wrong.
TOLERANCE = 0.3


@dataclass(frozen=True)
class Chain:
    """Packages of which each waited for the one before, and the seconds that they took together.

    unknown: how many of them took nobody knows how long.
    """

    keys: tuple[str, ...]
    seconds: float
    unknown: int


@dataclass(frozen=True)
class Wait:
    """What a package waited for last, and the seconds from the end of that to its own beginning."""

    key: str
    idle: float


@dataclass(frozen=True)
class Bar:
    """A package on a timeline: where it begins and ends, in seconds from the beginning of that."""

    key: str
    begin: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """bars: in the order in which they begin. length: seconds. origin: when it begins, since 1970.

    cuts: (where, how long) pauses that are cut out. busy: most packages at a time.
    """

    bars: tuple[Bar, ...]
    length: float
    origin: float
    cuts: tuple[tuple[float, float], ...] = ()
    busy: int = 0


def took(step: Step) -> float | None:
    """What a package took, from its beginning to its end; as Spack says where nobody noted those."""
    if step.started is not None and step.ended is not None:
        return step.ended - step.started
    return step.seconds


def critical_path(steps: Iterable[Step]) -> Chain:
    """The chain that takes longest: however many processors there are, a build of these packages takes as long.

    The dependencies among the packages decide, not when they happened to be begun. What is not among them (the
    operating system's) takes no time, and neither does what nobody noted; that is counted.
    """
    known = {one.key: one for one in steps if one.origin != "external"}
    best: dict[str, float] = {}
    before: dict[str, str] = {}
    for key in _in_order(known):
        # Among equals the first by name, so that the same build has the same chain.
        ahead = sorted(
            (need for need in known[key].needs if need in best), key=lambda one: (-best[one], known[one].label, one)
        )
        if ahead:
            before[key] = ahead[0]
        best[key] = (took(known[key]) or 0.0) + (best[ahead[0]] if ahead else 0.0)
    if not any(best.values()):
        return Chain((), 0.0, 0)
    key = min(best, key=lambda one: (-best[one], known[one].label, one))
    chain = [key]
    while chain[-1] in before:
        chain.append(before[chain[-1]])
    chain.reverse()
    return Chain(tuple(chain), best[key], len([one for one in chain if took(known[one]) is None]))


def _in_order(steps: Mapping[str, Step]) -> list[str]:
    """Keys, each behind what it needs; what needs itself, in the end, is left out."""
    open_needs = {key: {need for need in one.needs if need in steps and need != key} for key, one in steps.items()}
    needed_by: dict[str, list[str]] = {}
    for key, needs in open_needs.items():
        for need in needs:
            needed_by.setdefault(need, []).append(key)
    ready = sorted(key for key, needs in open_needs.items() if not needs)
    done = []
    while ready:
        key = ready.pop()
        done.append(key)
        for other in needed_by.get(key, ()):
            open_needs[other].discard(key)
            if not open_needs[other]:
                ready.append(other)
    return done


def waits(steps: Iterable[Step]) -> dict[str, Wait]:
    """What each package waited for, by its key: of what it needs, the one that was done last before it was begun.

    Without an entry: it waited for nothing of this build, or nobody noted when.
    """
    timed = {one.key: one for one in steps if one.started is not None and one.ended is not None}
    found = {}
    for key, one in timed.items():
        ends = [(timed[need].ended or 0.0, need) for need in one.needs if need in timed and need != key]
        begin = one.started or 0.0
        ends = [(end, need) for end, need in ends if end <= begin + TOLERANCE]
        if ends:
            end, need = max(ends)
            found[key] = Wait(need, max(0.0, begin - end))
    return found


def timeline(steps: Iterable[Step]) -> Timeline:
    """When each package that has times was installed. A build that was gone on with has pauses, which are cut out."""
    spans = sorted(
        (one.started, one.ended, one.key) for one in steps if one.started is not None and one.ended is not None
    )
    if not spans:
        return Timeline((), 0.0, 0.0)
    origin, reached, cut = spans[0][0], spans[0][0], 0.0
    bars, cuts = [], []
    for begin, end, key in spans:
        if begin - reached > PAUSE:
            cuts.append((reached - origin - cut, begin - reached))
            cut += begin - reached
        reached = max(reached, end)
        bars.append(Bar(key, begin - origin - cut, end - origin - cut))
    return Timeline(tuple(bars), reached - origin - cut, origin, tuple(cuts), _most_at_once(bars))


def _most_at_once(bars: Sequence[Bar]) -> int:
    # What ends when another one begins is not beside it.
    changes = sorted(
        [(item.begin, 1) for item in bars] + [(item.end, -1) for item in bars], key=lambda one: (one[0], one[1])
    )
    most = now = 0
    for _when, change in changes:
        now += change
        most = max(most, now)
    return most


def ticks(length: float, most: int = 8) -> list[float]:
    """Where a timeline gets a mark: round numbers of seconds, minutes or hours, at most so many.

    >>> ticks(90.0)
    [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0]
    """
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
    step = next((one for one in steps if length / one < most), length / most)
    return [index * float(step) for index in range(int(length / step) + 1)] if step > 0 else [0.0]
