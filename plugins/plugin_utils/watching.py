# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that is asked again and again how far it is, as one task that says so in the output of any callback.

A task that ``until`` repeats is one failure after the other in the output of most callbacks, and each time an event
with all of its result. Where petal.hpc.progress shows the phases of a playbook, it does not need this: it makes its own
line of each result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.plugin_utils.progress import elapsed

#: At so many parts of the whole, and so many seconds later, there is something new to say.
STEPS, PATIENCE = 10, 600.0
#: What is worked on is at most so many characters.
LONGEST = 100


@dataclass(frozen=True)
class Patience:
    """How long somebody waits, in seconds in all and between two looks. name: for what, as a line says it."""

    name: str
    timeout: float
    interval: float


class Shown:
    """Whether the callback of this run shows what results say of their progress. Workers are forked after that."""

    by_callback = False


class Teller:
    """What is worth a line: the beginning, each tenth of the whole, and now and then that it still goes on."""

    def __init__(self, name: str, start: float) -> None:
        self._name = name
        self._start = start
        self._tenth = -1
        self._said = start

    def line(self, progress: Any, now: float) -> str:
        """What there is to say of ``{done, total, item}``, empty for nothing.

        >>> teller = Teller("Install the packages", 0.0)
        >>> teller.line({"done": 0, "total": 40, "item": "gcc@14.2.0 (build)"}, 15.0)
        'Install the packages: 0 of 40 done after 0:00:15, now gcc@14.2.0 (build)'
        >>> teller.line({"done": 1, "total": 40, "item": "zlib@1.3"}, 30.0)
        ''
        >>> teller.line({"done": 5, "total": 40, "item": ""}, 45.0)
        'Install the packages: 5 of 40 done after 0:00:45'
        """
        done, total, item = _read(progress)
        tenth = STEPS * done // total if total else 0
        if total == 0 or (tenth <= self._tenth and now < self._said + PATIENCE):
            return ""
        self._tenth, self._said = tenth, now
        doing = f", now {item}" if item else ""
        return f"{self._name}: {done} of {total} done after {elapsed(now - self._start)}{doing}"


def _read(progress: Any) -> tuple[int, int, str]:
    if not isinstance(progress, Mapping):
        return 0, 0, ""
    try:
        done, total = int(progress.get("done") or 0), int(progress.get("total") or 0)
    except (TypeError, ValueError):
        return 0, 0, ""
    item = " ".join(str(progress.get("item") or "").split())
    return done, total, item if len(item) <= LONGEST else f"{item[: LONGEST - 1]}…"


def watch(
    ask: Callable[[], dict[str, Any]],
    goes_on: Callable[[Mapping[str, Any]], bool],
    say: Callable[[str], None],
    teller: Teller,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Ask until it does not go on any more, and say how far it is. The last answer, with what the others warned of.

    ask: waits by itself. goes_on: whether an answer is not the last.
    """
    changed, warned = False, []
    while True:
        result = ask()
        changed = changed or bool(result.get("changed"))
        warned += [one for one in result.get("warnings") or [] if one not in warned]
        if result.get("failed") or not goes_on(result):
            break
        if line := teller.line(result.get("progress"), clock()):
            say(line)
    return {**result, "changed": changed, **({"warnings": warned} if warned else {})}


def wait(
    ask: Callable[[], dict[str, Any]],
    goes_on: Callable[[Mapping[str, Any]], bool],
    say: Callable[[str], None],
    patience: Patience,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """The same of what does not wait by itself; with ``attempts``, how often it was asked.

    The last answer has failed, too, where it still goes on when the time is over.
    """
    began, attempts = clock(), 0

    def again() -> dict[str, Any]:
        nonlocal attempts
        if attempts:
            sleep(patience.interval)
        attempts += 1
        return ask()

    def has_time(result: Mapping[str, Any]) -> bool:
        return goes_on(result) and clock() - began + patience.interval <= patience.timeout

    result = {**watch(again, has_time, say, Teller(patience.name, began), clock), "attempts": attempts}
    if result.get("failed") or not goes_on(result):
        return result
    done, total, item = _read(result.get("progress"))
    far = f", {done} of {total} done{f', now {item}' if item else ''}" if total else ""
    return {**result, "failed": True, "msg": f"{patience.name}: not at the end after {int(patience.timeout)} s{far}."}
