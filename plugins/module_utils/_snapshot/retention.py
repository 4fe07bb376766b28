# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots a site needs no more. What is in use, shared or not complete never goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.ages import parse_age
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Retention:
    """What a site keeps. Both have to let a snapshot go, where both are said.

    keep_last: so many of each stack, the newest; None where that does not count. unused_for: seconds that must have
    gone by since one was made, as nobody notes when it was used last; None likewise.
    """

    keep_last: int | None = None
    unused_for: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Retention | None:
        """From what a user says; None where nothing is to go. Raises PetalError for what is no number or age."""
        last, unused = (str(given.get(key) or "").strip() for key in ("keep_last", "unused_for"))
        if given.get("keep_last") == 0:
            last = "0"
        if not last and not unused:
            return None
        if last and not (last.isascii() and last.isdigit() and int(last[:9]) >= 1 and len(last) < 9):
            raise PetalError(f"keep_last is {last!r}: expected how many snapshots of each stack stay, at least 1")
        return cls(int(last) if last else None, parse_age(unused, "unused_for") if unused else None)

    def retires(
        self,
        snapshots: Iterable[Mapping[str, Any]],
        uses: Mapping[str, Sequence[str]],
        shared: Mapping[str, Mapping[str, Any]] | None,
        now: datetime,
    ) -> list[Mapping[str, Any]]:
        """Those that go, the oldest first.

        :param snapshots: the own ones. uses: where they are in use, by their ids.
        :param shared: by their ids with whom they are shared: ``accounts``, ``public``. One that is not in it stays, as
            nobody was asked about it; None where nothing is shared in place.
        """
        stacks: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for one in snapshots:
            if one["state"] == COMPLETED:
                stacks.setdefault((one["name"], one["os"], one["architecture"]), []).append(one)
        gone = []
        for stack in stacks.values():
            newest = sorted(stack, key=lambda one: (str(one["created"]), str(one["snapshot_id"])), reverse=True)
            gone += [one for one in newest[self.keep_last or 0 :] if self._old(one, now)]
        free = [one for one in gone if not uses.get(one["snapshot_id"]) and not _shared(shared, one)]
        return sorted(free, key=lambda one: (str(one["created"]), str(one["snapshot_id"])))

    def _old(self, one: Mapping[str, Any], now: datetime) -> bool:
        if self.unused_for is None:
            return True
        try:
            made = datetime.strptime(str(one["created"])[:20], _TIME).replace(tzinfo=timezone.utc)
        except ValueError:
            # Of what nobody knows the age of, nothing goes.
            return False
        return (now - made).total_seconds() >= self.unused_for


def _shared(shared: Mapping[str, Mapping[str, Any]] | None, one: Mapping[str, Any]) -> bool:
    if shared is None:
        return False
    who = shared.get(one["snapshot_id"])
    return who is None or bool(who.get("accounts") or who.get("public"))
