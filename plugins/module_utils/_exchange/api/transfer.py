# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots between the own store and one of others."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._exchange import model
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.stores import Remote, place_in
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy, Verdict


class Transfer:
    """Snapshots between the own store and one of others."""

    def __init__(self, own: SnapshotStore, other: Remote, name: str) -> None:
        self._own = own
        self._other = other
        self._name = name

    def fetch(
        self, snapshot_id: str, fingerprint: str | None, policy: Policy, check: bool
    ) -> tuple[Snapshot, Verdict, bool]:
        """Into the own store; the record, why it is trusted, and whether the store changes.

        Raises PetalError where it is not what its record, or the caller, says, or the site does not trust it.
        """
        parcel = self._other.get(snapshot_id)
        snapshot, place = parcel.snapshot, place_in(self._name, snapshot_id)
        doing = f"fetching {snapshot_id} from {self._name}"
        if fingerprint not in (None, snapshot.fingerprint):
            raise SnapshotError(f"{doing}: its fingerprint is {snapshot.fingerprint}, not {fingerprint}")
        found, changed = self._own.adopt(parcel, place, policy, lambda: self._other.pieces(snapshot), doing, check)
        return snapshot, found, changed

    def publish(self, snapshot_id: str, unaudited: bool, check: bool) -> tuple[Snapshot, bool]:
        """Out of the own store. A private one stays, whatever anybody says. Raises PetalError."""
        parcel, _origin = self._own.parcel(snapshot_id)
        snapshot = model.parse_record(parcel.record)
        objection = model.leaving(snapshot, unaudited, to_others=True)
        if objection:
            raise SnapshotError(f"publishing {snapshot_id} in {self._name}: {objection}")
        return snapshot, self._other.publish(parcel, self._own.archive(snapshot_id), check)

    def withdraw(self, snapshot_id: str | None, fingerprint: str | None, check: bool) -> list[str]:
        """Out of the other store. Whoever has fetched it keeps it."""
        return self._other.withdraw(snapshot_id, fingerprint, check)
