# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choice of a snapshot: the same rule for every source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, ERROR, PENDING, Snapshot


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
