# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to a registry: which stacks there are, what is in one, where it is, and whether it has a fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import check_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import (
    Entry,
    Index,
    RegistryError,
    Stack,
    Variant,
    checked_name,
    checked_region,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import canonical_architecture, canonical_os

# Documents that are read for a list or a search, of stacks of which the index does not tell enough.
DETAILS_LIMIT = 200
# Documents of one fingerprint that are read: an index can name one fingerprint as often as it likes.
MATCHES_LIMIT = 10
QUESTIONS = ("list", "search", "info", "regions", "variants", "check", "update")


@dataclass(frozen=True)
class VariantCriteria:
    """What a variant has to be. None asks for nothing."""

    fingerprint: str | None = None
    region: str | None = None
    os: str | None = None
    architecture: str | None = None
    older_fingerprints: tuple[str, ...] = ()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Those that stand for what is wanted; none for any."""
        return () if self.fingerprint is None else (self.fingerprint, *self.older_fingerprints)

    def check(self) -> None:
        """Raises RegistryError, or IdentityError, for what is no fingerprint or Region."""
        for fingerprint in self.fingerprints:
            check_fingerprint(fingerprint)
        if self.region is not None:
            checked_region(self.region)

    def fits(self, variant: Variant) -> bool:
        """Whether a variant is meant; one of which the registry tells nothing is."""
        system = None if self.os is None else canonical_os(self.os)
        architecture = None if self.architecture is None else canonical_architecture(self.architecture)
        return (
            (self.fingerprint is None or variant.fingerprint in self.fingerprints)
            and self.region in (None, variant.region)
            and (system is None or variant.os in (None, system))
            and (architecture is None or variant.architecture in (None, architecture))
        )


def find(index: Index, name: str) -> Entry:
    """The entry of a stack. Raises RegistryError with names that are near when there is none."""
    checked_name(name)
    for entry in index.entries:
        if entry.name == name:
            return entry
    near = sorted({entry.name for entry in index.entries if name.lower() in entry.name.lower()})[:3]
    hint = f"; there is {', '.join(near)}" if near else ""
    raise RegistryError(f"the registry has no stack {name}{hint}")


def by_fingerprint(index: Index, fingerprint: str) -> list[Entry]:
    """The first entries with a fingerprint; at most MATCHES_LIMIT."""
    return [entry for entry in index.entries if entry.fingerprint == fingerprint][:MATCHES_LIMIT]


def silent(index: Index) -> list[Entry]:
    """The entries of whose packages the index tells nothing: it is in the stack's document."""
    return [entry for entry in index.entries if entry.packages is None]


def told(index: Index, stacks: Mapping[Entry, Stack]) -> Index:
    """The index, with what the documents of some stacks tell that it does not."""

    def whole(entry: Entry) -> Entry:
        stack = stacks.get(entry)
        if stack is None:
            return entry
        return entry._replace(
            description=entry.description or stack.description, packages=stack.packages, tags=stack.tags
        )

    return replace(index, entries=tuple(whole(entry) for entry in index.entries))


def search(index: Index, text: str) -> tuple[list[Entry], str]:
    """The stacks in which every word of a text is found, the nearest first, and one sentence about it."""
    words = text.lower().split()
    ranked = []
    unknown = len(silent(index))
    for entry in index.entries:
        name = entry.name.lower()
        more = (*(entry.packages or ()), *(entry.tags or ()))
        whole = " ".join((name, entry.fingerprint, entry.description or "", *more)).lower()
        if all(word in whole for word in words):
            rank = 0 if name in words else 1 if any(name.startswith(word) for word in words) else 2
            rank = rank if rank < 2 or any(word in name for word in words) else 3
            ranked.append((rank, entry))
    ranked.sort(key=lambda pair: (pair[0], pair[1].name, pair[1].fingerprint))
    found = [entry for _rank, entry in ranked]
    reason = f"{_count(len(found), 'stack')} of {len(index.entries)} found for '{' '.join(words)}'"
    if unknown:
        reason += f"; of {unknown} it is not known what packages they have"
    return found, reason


def listing(index: Index) -> tuple[list[Entry], str]:
    """All stacks by name, and one sentence about them."""
    entries = sorted(index.entries, key=lambda entry: (entry.name, entry.fingerprint))
    return entries, f"the registry has {_count(len(entries), 'stack')}"


def variants(stacks: Iterable[Stack], wanted: VariantCriteria) -> list[dict[str, Any]]:
    """The snapshots of some stacks that are meant, by Region, system and architecture, each with its stack's name."""
    rows = [
        {"name": stack.name, **variant.to_dict(), "signers": list(variant.signers)}
        for stack in stacks
        for variant in stack.variants
        if wanted.fits(variant)
    ]
    return sorted(rows, key=_order)


def _order(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[key] or "") for key in ("region", "os", "architecture", "name", "snapshot_id"))


def regions(stacks: Iterable[Stack]) -> list[str]:
    """Where a stack has snapshots."""
    return sorted({variant.region for stack in stacks for variant in stack.variants})


def listed(entries: Sequence[Entry], reason: str, limit: int) -> dict[str, Any]:
    """Stacks as a module returns them; at most ``limit``, which is said."""
    shown = entries[: max(0, limit)]
    if len(shown) < len(entries):
        reason += f"; {len(shown)} of {len(entries)} are shown"
    return {"reason": reason, "stacks": [entry.to_dict() for entry in shown], "total": len(entries)}


def detailed(
    entries: Sequence[Entry], stacks: Mapping[Entry, Stack], official: bool | None, limit: int
) -> dict[str, Any]:
    """The same with what the documents of some stacks tell.

    :param stacks: those whose documents were read; of the others it is None what only a document tells.
    :param official: only those that the registry's maintainers have verified, or (False) only the others; None for all.
    """
    rows = [_row(entry, stacks.get(entry)) for entry in entries]
    if official is not None:
        rows = [row for row in rows if row["verified"] is official]
    reason = f"the registry has {_count(len(rows), 'stack')}"
    if official is not None:
        verified = "that is official" if official else "that is not official"
        reason += f" {verified if len(rows) == 1 else verified.replace('is', 'are', 1)}"
    unknown = sum(entry not in stacks for entry in entries)
    if unknown:
        reason += f"; of {unknown} the document was not read"
    shown = rows[: max(0, limit)]
    if len(shown) < len(rows):
        reason += f"; {len(shown)} of {len(rows)} are shown"
    return {"reason": reason, "stacks": shown, "total": len(rows)}


def _row(entry: Entry, stack: Stack | None) -> dict[str, Any]:
    row = entry.to_dict()
    if stack is None:
        return {**row, "regions": None, "verified": None, "public": None, "aws_account": None, "updated": None}
    return {
        **row,
        "description": row["description"] or stack.description,
        "packages": row["packages"] or list(stack.packages),
        "tags": row["tags"] or list(stack.tags),
        "regions": regions([stack]),
        "verified": stack.verified,
        "public": stack.public,
        "aws_account": stack.aws_account,
        "updated": stack.updated or stack.created,
    }


def about(kind: str, stack: Stack, wanted: VariantCriteria) -> dict[str, Any]:
    """What is asked of one stack: ``info``, ``regions`` or ``variants``."""
    where = regions([stack])
    if kind == "variants":
        rows = variants([stack], wanted)
        return {"reason": f"{stack.name} has {_count(len(rows), 'snapshot')} that fit", "variants": rows}
    reason = f"{stack.name} is in {', '.join(where) or 'no Region'}"
    if kind == "regions":
        return {"reason": reason, "regions": where}
    return {"reason": reason, "stack": stack.to_dict(), "regions": where}


def check(stacks: Sequence[Stack], wanted: VariantCriteria) -> dict[str, Any]:
    """The snapshots that a registry claims to have of a fingerprint where it is wanted, and whether there are any."""
    rows = variants(stacks, wanted)
    return {"reason": _found(stacks, rows, wanted), "available": bool(rows), "variants": rows}


def _found(stacks: Sequence[Stack], rows: Sequence[dict[str, Any]], wanted: VariantCriteria) -> str:
    what = f"fingerprint {' or '.join(wanted.fingerprints)}"
    where = f" in {wanted.region}" if wanted.region else ""
    if rows:
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        return f"{rows[0]['name']} has {rows[0]['snapshot_id']} in {rows[0]['region']}{more} for {what}"
    if not stacks:
        return f"no stack has {what}"
    names = ", ".join(sorted({stack.name for stack in stacks}))
    elsewhere = regions(
        [stack for stack in stacks if variants([stack], replace(wanted, region=None, os=None, architecture=None))]
    )
    hint = f"; its snapshots are in {', '.join(elsewhere)}" if elsewhere else ""
    return f"{names} has {what}, but no snapshot{where} that fits{hint}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
