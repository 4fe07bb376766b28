# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions, ranges and lists of them as Spack orders and reads them.

Source: Spack 1.1, "Version specifier" in its documentation and the behaviour of its parser.
``1.2`` stands for all of 1.2, 1.2.1, …; ``=1.2`` for exactly that; ``1.2:1.4`` for everything up to 1.4.x.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Union

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

#: Words that are newer than every number, oldest first.
_NEWEST = ("stable", "nightly", "trunk", "head", "master", "main", "develop")
_STAGES = {"alpha": 0, "beta": 1, "rc": 2, "final": 3}
_FINAL = 3

#: Parts sort words < numbers < newest words; in each class by value.
_Part = tuple[int, Union[int, str]]
_Key = tuple[tuple[_Part, ...], tuple[int, ...]]

_FORM = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_SEGMENT = re.compile(r"([0-9]+)|([A-Za-z]+)", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII | re.IGNORECASE)


class VersionError(PetalError):
    """A text is no version, or a range or list of versions is empty."""


def _key(text: str) -> _Key:
    parts: list[_Part] = []
    for number, word in _SEGMENT.findall(text):
        if number:
            parts.append((1, int(number)))
        elif word in _NEWEST:
            parts.append((2, _NEWEST.index(word)))
        else:
            parts.append((0, word))
    stage: tuple[int, ...] = (_FINAL,)
    # A release candidate is older than its release: 1.2rc1, 1.2-beta.
    if len(parts) >= 3 and parts[-1][0] == 1 and parts[-2][1] in _STAGES:
        stage = (_STAGES[str(parts[-2][1])], int(parts[-1][1]))
        parts = parts[:-2]
    elif len(parts) >= 2 and parts[-1][1] in _STAGES:
        stage = (_STAGES[str(parts[-1][1])],)
        parts = parts[:-1]
    return tuple(parts), stage


def _after(key: _Key) -> _Key:
    """The end of everything that begins with a version: after 1.2 comes 1.3."""
    parts, stage = key
    if stage[0] != _FINAL:
        return parts, (stage[0], stage[1] + 1 if len(stage) > 1 else 0)
    if not parts:
        return ((0, "A"),), stage
    kind, value = parts[-1]
    if isinstance(value, int):
        return (*parts[:-1], (kind, value + 1)), stage
    while True:
        value = _next_word(value)
        if value not in _NEWEST:
            return (*parts[:-1], (kind, value)), stage


def _next_word(word: str) -> str:
    if not word or word[-1] == "z":
        return word + "A"
    return word[:-1] + ("a" if word[-1] == "Z" else chr(ord(word[-1]) + 1))


@dataclass(frozen=True)
class Version:
    """One version. ``1.2`` and ``1-2`` are equal; the spelling is kept for printing."""

    text: str = field(compare=False)
    key: _Key

    @classmethod
    def parse(cls, text: str) -> Version:
        """A version from its text. Raises VersionError."""
        if not _FORM.fullmatch(text):
            raise VersionError(f"{text!r} is no version")
        # A separator at the end says nothing, and could not be told from a -variant when printed.
        return cls(text.rstrip("-._") or text, _key(text))

    @property
    def is_branch(self) -> bool:
        """Whether it names what moves: develop, main and their like, also develop-1.14."""
        return any(kind == 2 for kind, _value in self.key[0])


_by_key = attrgetter("key")
_FIRST = Version("", ((), (0,)))
_LAST = Version("", (((2, len(_NEWEST)),), (_FINAL,)))


@dataclass(frozen=True)
class Exact:
    """``=1.2``"""

    version: Version

    def holds(self, version: Version) -> bool:
        return self.version.key == version.key

    def __str__(self) -> str:
        return f"={self.version.text}"


@dataclass(frozen=True)
class Range:
    """``1.2``, ``1.2:1.4``, ``1.2:``, ``:1.4`` or ``:``"""

    low: Version
    high: Version

    def __post_init__(self) -> None:
        if self.end <= self.low.key:
            raise VersionError(f"the range {self.low.text}:{self.high.text} is empty")

    @property
    def end(self) -> _Key:
        """First key that is not in the range any more."""
        return _after(self.high.key)

    def holds(self, version: Version) -> bool:
        return self.low.key <= version.key < self.end

    def __str__(self) -> str:
        return self.low.text if self.low == self.high else f"{self.low.text}:{self.high.text}"


@dataclass(frozen=True)
class GitRef:
    """``git.BRANCH``, a commit, and either with the version that it counts as: ``git.BRANCH=1.2``"""

    ref: str
    version: Version | None

    def holds(self, _version: Version) -> bool:
        """Its commit is known to Git only: it is none of the numbered versions."""
        return False

    def __str__(self) -> str:
        return self.ref if self.version is None else f"{self.ref}={self.version.text}"


_Item = Union[Exact, Range, GitRef]

ANY = Range(_FIRST, _LAST)


@dataclass(frozen=True)
class Versions:
    """A set of versions in its shortest form: sorted, nothing twice, overlapping ranges merged."""

    items: tuple[_Item, ...] = (ANY,)

    @property
    def is_any(self) -> bool:
        return self.items == (ANY,)

    def __str__(self) -> str:
        return ",".join(map(str, self.items))

    def holds(self, version: Version) -> bool:
        """Whether a version is one of these."""
        return any(item.holds(version) for item in self.items)

    def neighbours(self, known: Sequence[Version]) -> list[Version]:
        """Of versions that are none of these, those next to the first of them: the next older, the next newer."""
        first = self.items[0]
        if isinstance(first, Range):
            low, end = first.low.key, first.end
        else:
            low = end = first.version.key if first.version else _FIRST.key
        older = [version for version in known if version.key < low]
        newer = [version for version in known if version.key >= end]
        return [*([max(older, key=_by_key)] if older else []), *([min(newer, key=_by_key)] if newer else [])]

    @classmethod
    def parse(cls, text: str) -> Versions:
        """Versions from what stands behind ``@``. Raises VersionError."""
        text = re.sub(r"\s", "", text)
        items = [_item(part) for part in text.split(",")]
        if len(items) > 1 and any(isinstance(item, GitRef) for item in items):
            raise VersionError("a Git reference cannot stand in a list of versions")
        return cls(_reduced(items))

    def intersection(self, other: Versions) -> Versions:
        """Versions in both. Raises VersionError when there is none."""
        items = [common for mine in self.items for its in other.items for common in _common(mine, its)]
        if not items:
            raise VersionError(f"@{self} and @{other} have no version in common")
        return Versions(_reduced(items))


def _item(text: str) -> _Item:
    if ":" in text:
        low, _colon, high = text.partition(":")
        return Range(Version.parse(low) if low else _FIRST, Version.parse(high) if high else _LAST)
    exact = text.startswith("=")
    text = text[1:] if exact else text
    if text.startswith("git.") or _COMMIT.fullmatch(text) or "=" in text:
        ref, equals, version = text.partition("=")
        return GitRef(ref, Version.parse(version) if equals else None)
    parsed = Version.parse(text)
    return Exact(parsed) if exact else Range(parsed, parsed)


def _reduced(items: list[_Item]) -> tuple[_Item, ...]:
    if any(isinstance(item, GitRef) for item in items):
        return tuple(dict.fromkeys(items))
    ranges: list[Range] = []
    for item in sorted((i for i in items if isinstance(i, Range)), key=lambda i: (i.low.key, i.end, str(i))):
        if ranges and item.low.key <= ranges[-1].end:
            high = max(ranges[-1].high, item.high, key=lambda version: _after(version.key))
            ranges[-1] = Range(ranges[-1].low, high)
        else:
            ranges.append(item)
    exact: dict[_Key, Exact] = {}
    for single in sorted((i for i in items if isinstance(i, Exact)), key=str):
        if not any(item.holds(single.version) for item in ranges):
            exact.setdefault(single.version.key, single)
    merged: list[Exact | Range] = [*ranges, *exact.values()]
    return tuple(sorted(merged, key=lambda i: i.version.key if isinstance(i, Exact) else i.low.key))


def _common(one: _Item, two: _Item) -> list[_Item]:
    if isinstance(one, Range) and isinstance(two, Range):
        low = max(one.low, two.low, key=lambda version: version.key)
        high = min(one.high, two.high, key=lambda version: _after(version.key))
        return [Range(low, high)] if low.key < _after(high.key) else []
    if isinstance(one, Range):
        one, two = two, one
    if isinstance(two, Range):
        version = one.version if isinstance(one, (Exact, GitRef)) else None
        return [one] if two == ANY or (version is not None and two.holds(version)) else []
    return [one] if one == two else []
