# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between two sides, each a snapshot or a seed, and what of it nobody could compare."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._provenance.reading import LENGTH, shown
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

ASKED, PACKAGES, NAMES, MODULES = "asked", "packages", "names", "modules"
COMPONENTS, LOCKS, TOOLS, SIZES = "components", "locks", "tools", "sizes"
IMAGES, INSIDE = "images", "inside"
#: What is compared, in the order in which it is said, and its name for people.
TITLES = {
    ASKED: "asked for",
    PACKAGES: "packages",
    IMAGES: "container images",
    INSIDE: "packages inside of images",
    MODULES: "modules",
    COMPONENTS: "what it runs by",
    LOCKS: "locks",
    TOOLS: "built with",
    SIZES: "sizes",
}
#: Lines of one of them for people; the structure has all.
MOST = 40
#: The same where it is said beside other things, and what is said there.
FEW = 5
BRIEFLY = (ASKED, PACKAGES, IMAGES, INSIDE, MODULES, COMPONENTS, SIZES)


@dataclass(frozen=True, order=True)
class Value:
    """What one thing is. text: as people say it, such as a version. build: which of several builds of that, a hash or a
    digest; empty where it is not known. words: what tells builds apart, such as variants, as far as it is known.
    """

    text: str
    build: str = ""
    words: tuple[str, ...] = ()


def told(value: Any) -> str:
    """A foreign text as it may stand in a line; two that are not the same stay so, however long they are."""
    text = str(value)
    if len(text) <= LENGTH:
        return shown(text)
    return f"{shown(text[: LENGTH // 2])}… (sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:12]})"


#: What is known of a kind of things: by the name of each, all that bear it.
Part = Mapping[str, "frozenset[Value]"]


@dataclass(frozen=True)
class Side:
    """One of two. label: for people. snapshot: None for a seed of which there is none. fingerprints: its own, and older
    ones of the same bytes.

    parts: what is known, by the names in TITLES, and NAMES for packages by name and version alone. unknown: why
    something is not known, a clause by its name; "" for all others.
    """

    label: str
    fingerprints: tuple[str, ...]
    snapshot: Snapshot | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)

    def why(self, part: str) -> str:
        """Why a part is not known, a sentence without its end."""
        return self.unknown.get(part) or self.unknown.get("") or f"{self.label} does not say it"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        one = self.snapshot
        return {
            "label": self.label,
            "fingerprint": self.fingerprints[0] if self.fingerprints else "",
            "snapshot_id": one.snapshot_id if one else None,
            "name": one.name if one else None,
            "created": one.created if one else None,
        }


@dataclass(frozen=True)
class Row:
    """One difference. old, new: None where there is none on that side."""

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.old is None or self.new is None:
            return f"{'+' if self.old is None else '-'} {self.name} {self.new or self.old or ''}".rstrip()
        return f"~ {self.name} {self.old or 'unspecified'} → {self.new or 'unspecified'}"


@dataclass(frozen=True)
class Section:
    """What differs of one part. same: how many things do not."""

    rows: tuple[Row, ...] = ()
    same: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "added": [{"name": row.name, "new": row.new} for row in self.rows if row.old is None],
            "removed": [{"name": row.name, "old": row.old} for row in self.rows if row.new is None],
            "changed": [vars(row) for row in self.rows if row.old is not None and row.new is not None],
            "same": self.same,
        }


@dataclass(frozen=True)
class Difference:
    """Of two sides. sections: by the names in TITLES, of what both know. not_compared: a sentence for all else."""

    old: Side
    new: Side
    sections: Mapping[str, Section]
    not_compared: tuple[str, ...] = ()

    @property
    def same_fingerprint(self) -> bool:
        return bool(set(self.old.fingerprints) & set(self.new.fingerprints))

    @property
    def count(self) -> int:
        return sum(len(section.rows) for section in self.sections.values())

    @property
    def different(self) -> bool | None:
        """None where nothing is found to be different, and not all could be compared."""
        if self.count or not self.same_fingerprint:
            return True
        return None if self.not_compared else False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types. What was not compared is null."""
        sections = {name: self.sections[name].to_dict() if name in self.sections else None for name in TITLES}
        return {
            "old": self.old.to_dict(),
            "new": self.new.to_dict(),
            "different": self.different,
            "same_fingerprint": self.same_fingerprint,
            **sections,
            "not_compared": list(self.not_compared),
        }

    def report(self) -> list[str]:
        """Lines for people."""
        return list(self._report())

    def brief(self) -> list[str]:
        """A few lines for people who have not asked for it."""
        found = {name: self.sections[name] for name in BRIEFLY if name in self.sections and self.sections[name].rows}
        lines = [f"since {self.old.label}{'' if found else ': nothing differs of what could be compared'}"]
        for name, section in found.items():
            lines.append(f"{TITLES[name]}: {_counted(section)}")
            lines += _lines(section, FEW)
        # Of a seed that is not built it goes without saying.
        if self.new.snapshot is not None or not found:
            lines += [f"not compared: {one}" for one in self.not_compared]
        return lines

    def _report(self) -> Iterator[str]:
        yield f"{self.old.label} → {self.new.label}"
        yield f"fingerprint: {'the same' if self.same_fingerprint else 'another one'}"
        for name, section in self.sections.items():
            if section.rows or section.same:
                yield f"{TITLES[name]}: {_counted(section)}"
            yield from _lines(section, MOST)
        yield from (f"not compared: {one}" for one in self.not_compared)
        if not self.count:
            compared = "Nothing differs" if not self.not_compared else "Nothing differs of what was compared"
            yield f"{compared}{'' if self.same_fingerprint else ' but the fingerprint'}."


def compare(old: Side, new: Side) -> Difference:
    """What has to be added, removed and changed on the old side to have the new one."""
    sections: dict[str, Section] = {}
    missing: dict[str, str] = {}
    for name in TITLES:
        one, other = old.parts.get(name), new.parts.get(name)
        if name == INSIDE and not any(side.parts.get(IMAGES, True) for side in (old, new)):
            # Where neither has an image, nothing is inside of one.
            sections[name] = Section()
        elif one is None or other is None:
            missing[name] = _why(name, old, new)
        else:
            sections[name] = compared(name, one, other)
    if PACKAGES in missing and NAMES in old.parts and NAMES in new.parts:
        sections = {**sections, PACKAGES: compared(NAMES, old.parts[NAMES], new.parts[NAMES])}
        missing["builds of packages"] = missing.pop(PACKAGES)
    if set(old.fingerprints) & set(new.fingerprints):
        # It is the digest of all that is asked for; what else differs there decides nothing.
        sections[ASKED] = Section(same=sections[ASKED].same if ASKED in sections else 0)
        missing.pop(ASKED, None)
    reasons: dict[str, list[str]] = {}
    for name, why in missing.items():
        reasons.setdefault(why, []).append(TITLES.get(name, name))
    not_compared = [f"{', '.join(names)}: {why}" for why, names in reasons.items()]
    ordered = {name: sections[name] for name in TITLES if name in sections}
    found = Difference(old, new, ordered, tuple(not_compared))
    if not found.same_fingerprint and ASKED in ordered and not ordered[ASKED].rows:
        hidden = "why the fingerprints differ: by nothing that seed or site say; releases may digest differently"
        return Difference(old, new, ordered, (*not_compared, hidden))
    return found


def _why(name: str, old: Side, new: Side) -> str:
    return "; ".join(dict.fromkeys(side.why(name) for side in (old, new) if name not in side.parts))


def compared(name: str, old: Part, new: Part) -> Section:
    """One part of both sides."""
    # Who does not say how large something is has not said that it is nothing.
    keys = sorted(set(old) & set(new) if name == SIZES else set(old) | set(new))
    rows = [(key, *_left(old.get(key, frozenset()), new.get(key, frozenset()))) for key in keys]
    found = [_row(key, one, other) for key, one, other in rows if one or other]
    return Section(tuple(found), len(keys) - len(found))


def _left(old: frozenset[Value], new: frozenset[Value]) -> tuple[list[Value], list[Value]]:
    """What is on one side alone; a build that one of them does not know is any."""

    def met(value: Value, others: frozenset[Value]) -> bool:
        builds = {other.build for other in others if other.text == value.text}
        return value.build in builds or "" in builds or (bool(builds) and not value.build)

    return sorted(one for one in old if not met(one, new)), sorted(one for one in new if not met(one, old))


def _row(name: str, old: list[Value], new: list[Value]) -> Row:
    texts = [", ".join(value.text for value in values) for values in (old, new)]
    if old and new and texts[0] == texts[1]:
        # The same version of something else: say by what it is told apart.
        texts = [", ".join(_told(value, others) for value in one) for one, others in ((old, new), (new, old))]
    return Row(name, texts[0] if old else None, texts[1] if new else None)


def _told(value: Value, others: list[Value]) -> str:
    common = {word for other in others if other.text == value.text for word in other.words}
    build = value.build if len(value.build) <= 20 else f"{value.build[: 8 if value.build[0] == '/' else 19]}…"
    return " ".join(word for word in (value.text, *(word for word in value.words if word not in common), build) if word)


def _lines(section: Section, most: int) -> list[str]:
    left = len(section.rows) - most
    return [*(f"  {row}" for row in section.rows[:most]), *([f"  and {left} more"] if left > 0 else [])]


def _counted(section: Section) -> str:
    marks = [str(row)[0] for row in section.rows]
    words = [
        f"{marks.count(mark)} {word}"
        for mark, word in (("+", "added"), ("-", "removed"), ("~", "changed"))
        if mark in marks
    ]
    return ", ".join([*words, f"{section.same} the same"] if section.same else words)
