# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may make volumes of a snapshot, or hosts of an image, who is to, and the calls between the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PRESENT, ABSENT = "present", "absent"
EVERYBODY = "all"
# Changes in one call of ModifySnapshotAttribute, EC2 API reference. It adds or removes, never both.
MOST_CHANGES = 500
#: The attribute of a snapshot that says who may make volumes of it.
PERMISSION = "createVolumePermission"
#: That of an image that says who may launch it.
LAUNCH = "launchPermission"


@dataclass(frozen=True)
class Permissions:
    """Who may make volumes of a snapshot beside its owner. accounts: sorted, each once."""

    accounts: tuple[str, ...] = ()
    public: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"accounts": list(self.accounts), "public": self.public}


@dataclass(frozen=True)
class Request:
    """What is asked for.

    accounts: whom; of ``absent`` nobody named (and public not true) means all. public: None leaves it as it is.
    purge: take it back from everybody else. unaudited: somebody has looked at the volume, where no audit has.
    """

    state: str = PRESENT
    accounts: tuple[str, ...] = ()
    public: bool | None = None
    purge: bool = False
    unaudited: bool = False

    @property
    def gives(self) -> bool:
        """Whether anybody is to get the snapshot."""
        return self.state == PRESENT and (bool(self.accounts) or self.public is True)

    def wanted(self, now: Permissions) -> Permissions:
        """What the permissions are to be."""
        if self.state == ABSENT:
            if not self.accounts and not self.public:
                return Permissions()
            return Permissions(_less(now.accounts, self.accounts), now.public and not self.public)
        public = now.public if self.public is None else self.public
        if self.purge:
            return Permissions(tuple(sorted(set(self.accounts))), bool(self.public))
        return Permissions(tuple(sorted({*now.accounts, *self.accounts})), public)


def read(entries: Iterable[Mapping[str, Any]]) -> Permissions:
    """``CreateVolumePermissions`` of DescribeSnapshotAttribute, ``LaunchPermissions`` of DescribeImageAttribute."""
    entries = list(entries)
    accounts = {str(entry["UserId"]) for entry in entries if entry.get("UserId")}
    return Permissions(tuple(sorted(accounts)), any(entry.get("Group") == EVERYBODY for entry in entries))


def calls(now: Permissions, wanted: Permissions) -> list[dict[str, Any]]:
    """The permission of each ModifySnapshotAttribute (or ModifyImageAttribute) that makes the one the other.

    None where they agree. What is taken away comes first: whatever happens in between, nobody has it who should not.
    """
    removed = _entries(_less(now.accounts, wanted.accounts), now.public and not wanted.public)
    added = _entries(_less(wanted.accounts, now.accounts), wanted.public and not now.public)
    return [
        {verb: entries[start : start + MOST_CHANGES]}
        for verb, entries in (("Remove", removed), ("Add", added))
        for start in range(0, len(entries), MOST_CHANGES)
    ]


def _entries(accounts: Iterable[str], everybody: bool) -> list[dict[str, str]]:
    return [*([{"Group": EVERYBODY}] if everybody else []), *({"UserId": account} for account in accounts)]


def _less(accounts: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(accounts) - set(others)))
