# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a playbook is: phases, percent, elapsed time, as lines of text. No I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def elapsed(seconds: float) -> str:
    """``h:mm:ss`` of a number of seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


#: How long phases take beside each other, by their names in the playbooks; 1 where nothing stands here. As measured on
#: the seed of the quickstart: a percentage that follows them moves where the time is spent.
WEIGHTS: Mapping[str, float] = {
    "Provide the volume": 2,
    "Install the software": 20,
    "Finish": 8,
    "Deploy the volume": 4,
    "Load every module as an ordinary user": 4,
}
#: Seconds after which work that has not said how far it is counts as half done. What it says then is believed.
HALF_LIFE = 60.0


class Tracker:
    """The phases of a playbook as (identity, name), begun at ``start`` (monotonic seconds).

    A name that comes again is the same phase: a second attempt, or a playbook that another one ends with. The
    percentage never goes back.
    """

    def __init__(self, phases: Sequence[tuple[str, str]], start: float) -> None:
        self._names = list(dict.fromkeys(name for _identity, name in phases))
        self._index = {identity: self._names.index(name) for identity, name in phases}
        weights = [WEIGHTS.get(name, 1.0) for name in self._names]
        total = sum(weights)
        #: The share of the whole at which each phase begins, and the end.
        self._marks = [sum(weights[:index]) / total for index in range(len(weights) + 1)]
        self._start = start
        self._entered = 0
        self._known = 0.0
        self._next = 1.0
        self._since = start
        self._shown = 0.0
        self.current = ""
        self.task = ""

    def begin(self, identity: str, now: float) -> str:
        """A task that this include brought starts. The line to show, empty where it is no phase or runs already."""
        if identity not in self._index or self.current == self._names[self._index[identity]]:
            return ""
        self._entered = self._index[identity]
        self.current = self._names[self._entered]
        self._know(0.0, 1.0, now)
        return self._text(now, self.current)

    def report(self, progress: Mapping[str, Any], now: float) -> str:
        """A task says ``{done, total, item}``. The line to show, empty without an item."""
        try:
            done, total = float(progress.get("done") or 0), float(progress.get("total") or 0)
        except (TypeError, ValueError):
            return ""
        if total > 0:
            fraction = min(1.0, max(0.0, done / total))
            if fraction != self._known:
                self._know(fraction, min(1.0, fraction + 1 / total), now)
        item = str(progress.get("item") or "")
        return self._text(now, f"{self.current}: {item}") if item else ""

    def status(self, now: float) -> str:
        """What stands on a terminal's last line while the work goes on."""
        return self._text(now, f"{self.current}: {self.task}")

    def end(self, now: float, failed: bool) -> str:
        """The last line."""
        return f"[{'fail' if failed else 'done'}] {elapsed(now - self._start)}"

    def _know(self, fraction: float, following: float, now: float) -> None:
        """How much of this phase is done, and how much will be when it says so the next time."""
        self._known, self._next, self._since = fraction, following, now

    def _share(self, now: float) -> float:
        """How much of the whole is done, from 0 to 1: what is known, and on the way to what comes next an estimate."""
        on_the_way: float = 1 - 0.5 ** (max(0.0, now - self._since) / HALF_LIFE)
        fraction = self._known + (self._next - self._known) * on_the_way
        begin, end = self._marks[self._entered], self._marks[self._entered + 1]
        return begin + (end - begin) * fraction

    def _text(self, now: float, what: str) -> str:
        self._shown = max(self._shown, self._share(now))
        return f"[{100 * self._shown:3.0f}%] {elapsed(now - self._start)}  {what}"
