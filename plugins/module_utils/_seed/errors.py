# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or doubtful, about a seed.

    path: where, as ``software.spack_packages[3]``; empty for the file as a whole.
    message: what is wrong, one sentence.
    value: what stands there, shortened; empty where there is nothing to show.
    expected: what would be right.
    hint: what to do about it; may have several lines.
    line, column: place in the YAML file, counted from 1, when known.
    level: ``error`` or ``warning``.
    """

    path: str
    message: str
    value: str = ""
    expected: str = ""
    hint: str = ""
    line: int | None = None
    column: int | None = None
    level: str = ERROR

    @property
    def place(self) -> str:
        """Where it is, for people: ``cluster.name (line 3)``."""
        spot = [] if self.line is None else [f"line {self.line}"]
        if self.column is not None:
            spot.append(f"column {self.column}")
        where = ", ".join(spot)
        if not self.path:
            return where
        return f"{self.path} ({where})" if where else self.path

    def __str__(self) -> str:
        place = self.place
        return f"{place}: {self.message}" if place else self.message

    def to_lines(self) -> list[str]:
        """The problem as a few lines of text for a terminal."""
        lines = [str(self)]
        if self.value:
            lines.append(f"    found:    {self.value}")
        if self.expected:
            lines.append(f"    expected: {self.expected}")
        lines += [f"    {line}" for line in self.hint.splitlines()]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for the structure that a task returns."""
        return dict(self.__dict__)


class SeedError(PetalError):
    """A seed cannot be used.

    problems: everything that is wrong with it, in the order of the file.
    source: name of the file, or empty.
    """

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        self.problems: list[Problem] = list(problems)
        self.source = source
        super().__init__(self._text())

    def _text(self) -> str:
        name = self.source or "the seed"
        if len(self.problems) == 1:
            return f"{name}: " + "\n".join(self.problems[0].to_lines())
        lines = [f"{name}: {len(self.problems)} problems"]
        for problem in self.problems:
            lines += ["  " + line for line in problem.to_lines()]
        return "\n".join(lines)
