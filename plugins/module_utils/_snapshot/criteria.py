# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a store is asked for, what it passes over, and in which order it gives what it has."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, Snapshot


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
