# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which two are to be compared, of all snapshots that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import Difference, Side, compare
from ansible_collections.petal.hpc.plugins.module_utils._comparison.reading import ComparisonError, of_seed
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot


class NothingToCompareError(ComparisonError):
    """There is no old one."""


@dataclass(frozen=True)
class Asked:
    """Which two. new: an id or a fingerprint; empty for a seed. since: the old one, likewise; empty for the one before.
    plan: of the seed, as petal.hpc.seed_info returns it.
    """

    new: str = ""
    since: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)


def pair(asked: Asked, snapshots: Sequence[Snapshot], where: str) -> tuple[Snapshot, Snapshot | None]:
    """The old snapshot and the new one; None for a seed of which there is none. Raises ComparisonError,
    and NothingToCompareError where there is no old one.

    :param snapshots: all that there are, the newest first. where: they are, for messages.
    """
    if asked.plan:
        new = _of_plan(snapshots, asked.plan)
        name = new.name if new else str(asked.plan.get("name", ""))
    else:
        new = _named(snapshots, asked.new, where)
        name = new.name
    if asked.since:
        try:
            return _named(snapshots, asked.since, where), new
        except ComparisonError as error:
            raise NothingToCompareError(str(error)) from error
    old = _before(snapshots, name, new)
    if old is None:
        raise NothingToCompareError(
            f"there is no {'earlier ' if new else ''}snapshot of the name {name} in {where}: say with -e since=ID "
            "which one to compare with; list_volumes shows them"
        )
    return old, new


def difference(asked: Asked, old: Side, new: Side | None) -> Difference:
    """What is different on the new side, which is a seed's where one is asked for."""
    if asked.plan:
        return compare(old, of_seed(asked.plan, new))
    return compare(old, new or old)


def answer(comparing: Callable[[], Difference]) -> dict[str, Any]:
    """What a module returns of a comparison; also where there is nothing to compare with. Raises PetalError."""
    try:
        found = comparing()
    except NothingToCompareError as error:
        return {"difference": None, "report": [str(error)], "brief": [], "nothing_to_compare": str(error)}
    brief, report = found.brief(), found.report()
    return {"difference": found.to_dict(), "report": report, "brief": brief, "nothing_to_compare": ""}


def _named(snapshots: Sequence[Snapshot], asked: str, where: str) -> Snapshot:
    found = [one for one in snapshots if asked in (one.snapshot_id, one.fingerprint)]
    if not found:
        raise ComparisonError(
            f"there is no snapshot {asked[:80]!r} in {where}: expected the id or the fingerprint (sha256:…) of one "
            "that list_volumes shows"
        )
    return found[0]


def _before(snapshots: Sequence[Snapshot], name: str, new: Snapshot | None) -> Snapshot | None:
    ids = [one.snapshot_id for one in snapshots]
    older = snapshots[ids.index(new.snapshot_id) + 1 :] if new else snapshots
    return next((one for one in older if one.name == name), None)


def _of_plan(snapshots: Sequence[Snapshot], plan: Mapping[str, Any]) -> Snapshot | None:
    """The newest that the seed's volume was made into, if any."""
    fingerprints = plan.get("fingerprints")
    asked = [str(one) for one in fingerprints] if isinstance(fingerprints, Sequence) else []
    return next((one for one in snapshots if one.fingerprint in asked), None)
