# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choice of a snapshot: the same rule for every source."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, ERROR, PENDING, Snapshot


@dataclass(frozen=True)
class Criteria:
    """What is asked for. None (or an empty list of ids) asks for nothing.

    fingerprint, name, snapshot_ids: which snapshots are meant at all.
    older_fingerprints: others that stand for the same bytes; the first that has a snapshot of use is taken.
    os, architecture: have to be exactly these.
    size_gb: the largest acceptable size in GiB.
    build_id: the build that made it.
    states: what is listed at all; the one to use is complete in any case.
    """

    fingerprint: str | None = None
    name: str | None = None
    snapshot_ids: tuple[str, ...] = ()
    os: str | None = None
    architecture: str | None = None
    size_gb: int | None = None
    build_id: str | None = None
    states: tuple[str, ...] = (COMPLETED,)
    older_fingerprints: tuple[str, ...] = ()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Those that are asked for, the best first; none for any."""
        return () if self.fingerprint is None else (self.fingerprint, *self.older_fingerprints)

    def means(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot is one of those asked for, fit or not."""
        return (
            (self.fingerprint is None or snapshot.fingerprint in self.fingerprints)
            and self.name in (None, snapshot.name)
            and self.build_id in (None, snapshot.build_id)
            and (not self.snapshot_ids or snapshot.snapshot_id in self.snapshot_ids)
        )

    def objection(self, snapshot: Snapshot) -> str | None:
        """Why a snapshot that is meant cannot be used; None when it can."""
        if snapshot.state not in self.states:
            return f"its state is {snapshot.state}, not {' or '.join(self.states)}"
        if self.architecture not in (None, snapshot.architecture):
            return f"it was built for {snapshot.architecture}, not {self.architecture}"
        if self.os not in (None, snapshot.os):
            return f"it was built for {snapshot.os}, not {self.os}"
        if self.size_gb is not None and snapshot.size_gb > self.size_gb:
            return f"it needs {snapshot.size_gb} GiB, the volume has {self.size_gb}"
        return None

    def __str__(self) -> str:
        parts = []
        if self.fingerprint is not None:
            parts.append(" or ".join(f"fingerprint {fingerprint}" for fingerprint in self.fingerprints))
        if self.name is not None:
            parts.append(f"name {self.name}")
        if self.snapshot_ids:
            parts.append("id " + " or ".join(self.snapshot_ids))
        if self.build_id is not None:
            parts.append(f"build {self.build_id}")
        return " and ".join(parts) or "any fingerprint"


@dataclass(frozen=True)
class Refusal:
    """A snapshot that was passed over, and why in one clause."""

    snapshot_id: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """Outcome of a look-up.

    snapshots: all that fit and are in one of the states asked for, newest first. best: the one to use, which is
    complete; None when there is none, or when several fingerprints match. reason: one sentence on the choice.
    passed_over: those that were meant but cannot be used.
    """

    snapshots: list[Snapshot]
    best: Snapshot | None
    reason: str
    passed_over: list[Refusal]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: snapshots, snapshot (the best or None), reason, passed_over."""
        return {
            "snapshots": [snapshot.to_dict() for snapshot in self.snapshots],
            "snapshot": self.best.to_dict() if self.best else None,
            "reason": self.reason,
            "passed_over": [asdict(refusal) for refusal in self.passed_over],
        }

    def progress(self, criteria: Criteria) -> dict[str, Any] | None:
        """How far the one snapshot is that was asked for by its id, as ``done`` of ``total`` percent.

        None when unfinished ones, or one id, were not asked for, when it was not found, or will never be complete.
        """
        waiting = PENDING in criteria.states and len(criteria.snapshot_ids) == 1
        if not waiting or len(self.snapshots) != 1 or self.snapshots[0].state == ERROR:
            return None
        return {"done": self.snapshots[0].progress, "total": 100, "item": self.snapshots[0].snapshot_id}


#: What is dated before petal.hpc was, or after now, was made with a wrong clock, or wants to be the newest.
FIRST_DATE = "2025-01-01T00:00:00Z"
#: Seconds that clocks may differ.
CLOCKS_DIFFER = 3600


def newest_first(snapshots: Iterable[Snapshot], now: float | None = None) -> list[Snapshot]:
    """What was built here in the order of its making, whatever the clocks said; before all others, which go by time.

    Then by id, so that the order never depends on the disk's. What bears no possible date comes last of those that go
    by time: a wrong clock decides about nothing but what it dated itself.

    :param now: seconds since 1970; the host's clock by default.
    """
    latest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((time.time() if now is None else now) + CLOCKS_DIFFER))

    def age(snapshot: Snapshot) -> tuple[int, bool, str, str]:
        possible = FIRST_DATE <= snapshot.created <= latest
        return snapshot.sequence or 0, possible, snapshot.created, snapshot.snapshot_id

    return sorted(snapshots, key=age, reverse=True)


def select(snapshots: Sequence[Snapshot], criteria: Criteria, damaged: Sequence[Refusal] = ()) -> Selection:
    """Choose: exact architecture and OS, smallest sufficient size, then newest.

    :param snapshots: every record of the source, in any order.
    :param criteria: what is asked for.
    :param damaged: entries that could not be read, so that nobody knows what they would match.
    """
    fitting, passed_over = [], []
    for snapshot in newest_first(snapshots):
        if not criteria.means(snapshot):
            continue
        objection = criteria.objection(snapshot)
        if objection is None:
            fitting.append(snapshot)
        else:
            passed_over.append(Refusal(snapshot.snapshot_id, objection))
    passed_over += damaged
    usable = [snapshot for snapshot in fitting if snapshot.state == COMPLETED]
    present = {snapshot.fingerprint for snapshot in usable}
    preferred = next((fingerprint for fingerprint in criteria.fingerprints if fingerprint in present), None)
    if preferred is not None:
        usable = [snapshot for snapshot in usable if snapshot.fingerprint == preferred]
    # Whoever brings one in decides what it says of itself: what was built here comes first.
    brought = len(usable)
    usable = [snapshot for snapshot in usable if not snapshot.imported] or usable
    brought -= len(usable)
    fingerprints = {snapshot.fingerprint for snapshot in usable}
    if not usable:
        return Selection(fitting, None, _none(criteria, fitting, passed_over), passed_over)
    if len(fingerprints) > 1:
        reason = (
            f"{len(usable)} snapshots of {len(fingerprints)} fingerprints match {criteria}; "
            "ask for one fingerprint or one snapshot_id"
        )
        return Selection(fitting, None, reason, passed_over)
    # min takes the first of equals, and they stand newest first.
    best = min(usable, key=lambda snapshot: snapshot.size_gb)
    reason = _why(best, usable)
    if brought:
        reason += f", and was built here, as {brought} other{'s were' if brought > 1 else ' was'} not"
    if best.fingerprint in criteria.older_fingerprints:
        reason += ", and bears the seed's fingerprint of an older version"
    return Selection(fitting, best, reason, passed_over)


def _none(criteria: Criteria, unfinished: Sequence[Snapshot], passed_over: Sequence[Refusal]) -> str:
    if len(unfinished) == 1:
        return f"{unfinished[0].snapshot_id} matches {criteria}; {_state(unfinished[0])}"
    if unfinished:
        return f"{len(unfinished)} snapshots match {criteria}; none is {COMPLETED}"
    if not passed_over:
        return f"no snapshot matches {criteria}"
    return f"no snapshot that matches {criteria} can be used; {len(passed_over)} passed over"


def _state(snapshot: Snapshot) -> str:
    detail = snapshot.message if snapshot.state == ERROR else f"{snapshot.progress} % done"
    return f"its state is {snapshot.state}" + (f" ({detail})" if detail else "")


def _why(best: Snapshot, usable: Sequence[Snapshot]) -> str:
    if len(usable) == 1:
        return f"{best.snapshot_id} is the only one that matches"
    same_size = [snapshot for snapshot in usable if snapshot.size_gb == best.size_gb]
    if len(same_size) == 1:
        return f"{best.snapshot_id} is the smallest ({best.size_gb} GiB) of {len(usable)} that match"
    if len(same_size) == len(usable):
        return f"{best.snapshot_id} is the newest ({best.created}) of {len(usable)} that match"
    return f"{best.snapshot_id} is the newest ({best.created}) of the smallest ({best.size_gb} GiB) that match"
