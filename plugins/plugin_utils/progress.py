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


class Tracker:
    """The phases of a playbook as (identity, name), begun at ``start`` (monotonic seconds).

    A name that comes again is the same phase: a second attempt, which most runs do not need.
    """

    def __init__(self, phases: Sequence[tuple[str, str]], start: float) -> None:
        self._names = list(dict.fromkeys(name for _identity, name in phases))
        self._index = {identity: self._names.index(name) for identity, name in phases}
        self._start = start
        self._entered = -1
        self._fraction = 0.0
        self.current = ""
        self.task = ""

    def begin(self, identity: str, now: float) -> str:
        """A task that this include brought starts. The line to show, empty where it is no phase or runs already."""
        if identity not in self._index or self.current == self._names[self._index[identity]]:
            return ""
        self._entered = self._index[identity]
        self.current = self._names[self._entered]
        self._fraction = 0.0
        return self._text(now, self.current)

    def report(self, progress: Mapping[str, Any], now: float) -> str:
        """A task says ``{done, total, item}``. The line to show, empty without an item."""
        try:
            done, total = float(progress.get("done") or 0), float(progress.get("total") or 0)
        except (TypeError, ValueError):
            return ""
        if total > 0:
            self._fraction = min(1.0, max(0.0, done / total))
        item = str(progress.get("item") or "")
        return self._text(now, f"{self.current}: {item}") if item else ""

    def status(self, now: float) -> str:
        """What stands on a terminal's last line while the work goes on."""
        return self._text(now, f"{self.current}: {self.task}")

    def end(self, now: float, failed: bool) -> str:
        """The last line."""
        return f"[{'fail' if failed else 'done'}] {elapsed(now - self._start)}"

    def _text(self, now: float, what: str) -> str:
        percent = 100 * (max(self._entered, 0) + self._fraction) / len(self._names)
        return f"[{percent:3.0f}%] {elapsed(now - self._start)}  {what}"
