# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes of plain data: what a value may be, with every mistake reported at once.

A shape never coerces and never changes what it is given. It reports what is wrong and hands back a clean
copy in which everything wrong is missing, so that later checks can go on with the rest.
"""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import withheld
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, Problem

#: A place in a document: ("software", "spack_packages", 3).
Path = tuple[Union[str, int], ...]

#: Longest text accepted where a shape names no other limit.
TEXT_LIMIT = 256

#: Longest list accepted: far more than a seed needs, few enough to stay quick.
LIST_LIMIT = 2000

#: Most problems worth showing at once.
PROBLEM_LIMIT = 100

_NOT_GIVEN = object()


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a text, and a hint that may have several lines (a caret below the place)."""

    message: str
    hint: str = ""


#: A check of a text: None when it is good, else what is wrong with it.
TextTest = Callable[[str], Union[Flaw, str, None]]


@dataclass(frozen=True)
class Unquoted:
    """An unquoted scalar that YAML takes for something JSON cannot hold, such as a date.

    text: as it stands in the file. reads_as: what YAML takes it for.
    """

    text: str
    reads_as: str


@dataclass(frozen=True)
class SourceMap:
    """Where the values of a document stand in its file.

    file: its name, for messages. lines: line of each path, from 1. texts: unquoted scalars as written.
    origins: what does not stand in the file, by its path, with what people call it: ``extra variable os``.
    directory: where the files are that it names; of a document that is no file.
    """

    file: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict)
    texts: Mapping[Path, str] = field(default_factory=dict)
    origins: Mapping[Path, str] = field(default_factory=dict)
    directory: str = ""

    def origin(self, path: Path) -> tuple[str, Path] | None:
        """Where a path comes from that is not the file, and the rest of the path; None for what is of the file."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]], path[end:]
        return None

    def line(self, path: Path) -> int | None:
        """Line of a path, or of the nearest thing around it; None for what is not of the file."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return None
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


NO_SOURCE = SourceMap()


class Report:
    """Collects the problems of one document."""

    def __init__(self, source: SourceMap = NO_SOURCE) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._wrong: set[Path] = set()

    def add(
        self,
        path: Path,
        message: str,
        value: Any = _NOT_GIVEN,
        expected: str = "",
        hint: str = "",
        level: str = ERROR,
    ) -> None:
        """Note a problem; path names the value at fault."""
        if level == ERROR:
            self._wrong.add(path)
        self.problems.append(
            Problem(
                path=self._named(path),
                message=message,
                value="" if value is _NOT_GIVEN else self.written(path, value),
                expected=expected,
                hint=hint,
                line=self.source.line(path),
                level=level,
            )
        )

    def _named(self, path: Path) -> str:
        origin = self.source.origin(path)
        return path_text(path) if origin is None else path_text((origin[0], *origin[1]))

    def written(self, path: Path, value: Any) -> str:
        """A value as it stands in the file where that is known, shortened."""
        text = None if self.source.origin(path) else self.source.texts.get(path)
        return shown(value) if text is None else _short(text)

    def is_wrong(self, path: Path) -> bool:
        """Whether an error was reported at a path or around it."""
        return any(path[:end] in self._wrong for end in range(len(path) + 1))


class Shape:
    """What a value may be."""

    def wanted(self) -> str:
        """What is expected, for messages."""
        raise NotImplementedError

    def check(self, value: Any, path: Path, report: Report) -> Any:
        """Report what is wrong with a value.

        Returns a clean copy, or None where nothing usable is left.
        """
        raise NotImplementedError

    def reject(self, value: Any, path: Path, report: Report, hint: str = "") -> None:
        """Report a value of a wrong type."""
        if isinstance(value, Unquoted):
            message, hint = f"YAML reads this as {value.reads_as}", f"quote it: {_quoted(value.text)}"
        else:
            message = f"{_kind(value)} stands here"
        # Of a file that is no seed at all nothing is shown: it may have been meant for nobody's eyes.
        report.add(path, message, value if path else _NOT_GIVEN, self.wanted(), hint)


@dataclass(frozen=True)
class Text(Shape):
    """A text. Numbers, dates and yes/no are none: YAML has changed them already (3.10 became 3.1)."""

    expected: str = "a text"
    test: TextTest | None = None
    limit: int = TEXT_LIMIT
    may_be_empty: bool = False

    def wanted(self) -> str:
        return self.expected

    def check(self, value: Any, path: Path, report: Report) -> str | None:
        if not isinstance(value, str):
            scalar = isinstance(value, (bool, int, float))
            self.reject(value, path, report, f"quote it: {_quoted(report.written(path, value))}" if scalar else "")
            return None
        flaw = self._flaw(value)
        if flaw is None:
            return value
        if isinstance(flaw, str):
            flaw = Flaw(flaw)
        report.add(path, flaw.message, value, self.expected, flaw.hint)
        return None

    def _flaw(self, value: str) -> Flaw | str | None:
        if not value and not self.may_be_empty:
            return "it is empty"
        if len(value) > self.limit:
            return f"it is {len(value)} characters long, at most {self.limit} are allowed"
        for character in value:
            # Invisible and bidirectional characters deceive whoever reads the seed or the log.
            if not character.isprintable():
                return f"it holds the control character U+{ord(character):04X}"
        return self.test(value) if self.test else None


@dataclass(frozen=True)
class Digits(Shape):
    """A text of so many digits. People write it without quotes; one that begins with 0 needs them, since YAML takes
    it for an octal number or drops the 0."""

    count: int
    expected: str
    message: str

    def wanted(self) -> str:
        return self.expected

    def check(self, value: Any, path: Path, report: Report) -> str | None:
        number = isinstance(value, int) and not isinstance(value, bool)
        if not number and not isinstance(value, str):
            self.reject(value, path, report)
            return None
        if number and not 10 ** (self.count - 1) <= value < 10**self.count:
            hint = f"quote it: one that begins with 0 keeps its {self.count} digits only in quotes"
            report.add(path, self.message, value, self.expected, hint)
            return None
        text = str(value)
        if len(text) != self.count or not (text.isascii() and text.isdigit()):
            report.add(path, self.message if text else "it is empty", value, self.expected)
            return None
        return text


@dataclass(frozen=True)
class Choice(Shape):
    """One of a few words."""

    words: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def wanted(self) -> str:
        return "one of " + ", ".join(self.words)

    def check(self, value: Any, path: Path, report: Report) -> str | None:
        if not isinstance(value, str):
            self.reject(value, path, report)
            return None
        word = self.aliases.get(value, value)
        if word not in self.words:
            near = did_you_mean(value, (*self.words, *self.aliases))
            report.add(path, "it is none of the known words", value, self.wanted(), near)
            return None
        return word


@dataclass(frozen=True)
class Integer(Shape):
    """A whole number within bounds; true and false are none."""

    low: int
    high: int
    unit: str = ""

    def wanted(self) -> str:
        return f"a whole number from {self.low} to {self.high}" + (f" ({self.unit})" if self.unit else "")

    def check(self, value: Any, path: Path, report: Report) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int):
            digits = isinstance(value, str) and value.isascii() and value.isdigit()
            self.reject(value, path, report, "write it without quotes" if digits else "")
            return None
        if not self.low <= value <= self.high:
            report.add(path, "it is out of bounds", value, self.wanted())
            return None
        return value


@dataclass(frozen=True)
class Flag(Shape):
    """True or false."""

    def wanted(self) -> str:
        return "true or false"

    def check(self, value: Any, path: Path, report: Report) -> bool | None:
        if isinstance(value, bool):
            return value
        quoted = isinstance(value, str) and value.lower() in {"true", "false", "yes", "no", "on", "off"}
        self.reject(value, path, report, "write it without quotes" if quoted else "")
        return None


@dataclass(frozen=True)
class Day(Shape):
    """A day as YYYY-MM-DD, in quotes or without: YAML's own dates are days. The clean copy is a text."""

    expected: str

    def wanted(self) -> str:
        return self.expected

    def check(self, value: Any, path: Path, report: Report) -> str | None:
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value.isoformat()
        text = value.text if isinstance(value, Unquoted) else value
        if not isinstance(text, str):
            self.reject(value, path, report)
            return None
        try:
            # Python 3.11 reads other forms too.
            day = datetime.date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
        except ValueError:
            day = None
        if day is None:
            report.add(path, "this is no day of the calendar", value, self.expected)
            return None
        return day.isoformat()


@dataclass(frozen=True)
class Array(Shape):
    """A list of values of one shape. In the clean copy a wrong entry is None, so that places stay the same."""

    entries: Shape
    what: str
    least: int = 0
    most: int = LIST_LIMIT

    def wanted(self) -> str:
        return f"a list of {self.what}" + (f", at least {self.least}" if self.least else "")

    def check(self, value: Any, path: Path, report: Report) -> list[Any] | None:
        if not isinstance(value, (list, tuple)):
            single = isinstance(value, (str, Mapping)) and bool(value)
            self.reject(value, path, report, "put it into a list: a line that begins with '- '" if single else "")
            return None
        if not self.least <= len(value) <= self.most:
            message = "it is empty" if not value else f"it has {len(value)} entries, at most {self.most} are allowed"
            report.add(path, message, expected=self.wanted())
            return None
        return [self.entries.check(entry, (*path, index), report) for index, entry in enumerate(value)]


@dataclass(frozen=True)
class Key:
    """One key of a mapping. A key that is not required may also be null where its default is nothing."""

    shape: Shape
    required: bool = False
    null: bool = False


@dataclass(frozen=True)
class Record(Shape):
    """A mapping with known keys. In the clean copy a wrong key is missing.

    former: words that people bring from elsewhere, each with what to write instead.
    """

    keys: Mapping[str, Key]
    what: str
    former: Mapping[str, str] = field(default_factory=dict)

    def wanted(self) -> str:
        return f"{self.what}: a mapping with " + _listed(self.keys)

    def check(self, value: Any, path: Path, report: Report) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            self.reject(value, path, report)
            return None
        clean: dict[str, Any] = {}
        for name, entry in value.items():
            key = self.keys.get(name) if isinstance(name, str) else None
            if key is None:
                self._unknown(name, path, report)
            elif entry is not None or not key.null:
                checked = key.shape.check(entry, (*path, name), report)
                if checked is not None:
                    clean[name] = checked
        for name, key in self.keys.items():
            if key.required and name not in value:
                report.add((*path, name), "it is missing", expected=key.shape.wanted())
        return clean

    def _unknown(self, name: Any, path: Path, report: Report) -> None:
        text = name if isinstance(name, str) else shown(name)
        near = self.former.get(text.lower(), "") or did_you_mean(text, tuple(self.keys))
        report.add((*path, text), "this key is unknown", expected=_listed(self.keys), hint=near)


def of_shape(wanted: Shape, shape: Shape, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of one shape in a document that another describes, with its path. What is wrong is passed over."""
    if shape is wanted:
        yield path, value
    elif isinstance(shape, Record) and isinstance(value, Mapping):
        for name, key in shape.keys.items():
            if name in value:
                yield from of_shape(wanted, key.shape, value[name], (*path, name))
    elif isinstance(shape, Array) and isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from of_shape(wanted, shape.entries, entry, (*path, index))


def path_text(path: Path) -> str:
    """A path as people write it: ``software.spack_packages[3]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + _short(part)
    return text


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The nearest known word as a hint, or nothing where none is near."""
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:64].lower(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[close[0]]}?" if close else ""


def shown(value: Any) -> str:
    """A value for a message: shortened, and harmless on a terminal."""
    if isinstance(value, Unquoted):
        return _short(value.text)
    if isinstance(value, Mapping):
        return f"a mapping of {_count(len(value), 'key')}"
    if isinstance(value, (list, tuple)):
        return f"a list of {_count(len(value), 'entry', 'entries')}"
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a huge number"  # str() refuses more than 4,300 digits
    if value is None or isinstance(value, (bool, int, float, str)):
        return _short(json.dumps(value, ensure_ascii=False))
    return f"a {type(value).__name__}"


def _short(text: str, limit: int = 72) -> str:
    # First of all: what is cut off may be what tells a password from the rest.
    text = withheld(text)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a true/false value"
    if isinstance(value, int):
        return "a number"
    if isinstance(value, float):
        return "a number with a fraction"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a {type(value).__name__}"
