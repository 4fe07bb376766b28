# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of fstab(5): a line for a mount point, written, changed or taken away; every other line as it is."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._host.parse import unescape

# What fstab(5) has no other way to write within a field; # would begin a comment for some who read it.
_ESCAPED = {"\\": "\\134", " ": "\\040", "\t": "\\011", "\n": "\\012", "#": "\\043"}


@dataclass(frozen=True)
class Entry:
    """What is mounted where: source, mount point, type and options, as for mount(8)."""

    source: str
    target: str
    fstype: str
    options: str = "defaults"

    @property
    def line(self) -> str:
        """Not dumped, and not checked at boot."""
        return " ".join([*map(_escaped, (self.source, self.target, self.fstype, self.options)), "0", "0"])


def with_entry(text: str, entry: Entry) -> str:
    """The text with one line for the mount point, in the place of the first that there is, or at the end.

    A line that says the same in other blanks stays as it is.
    """
    kept: list[str] = []
    done = False
    for line in text.splitlines():
        if _target(line) != entry.target:
            kept.append(line)
        elif not done:
            kept.append(line if _same(line, entry) else entry.line)
            done = True
    return _text(kept if done else [*kept, entry.line], text)


def without(text: str, target: str) -> str:
    """The text without any line for the mount point."""
    return _text([line for line in text.splitlines() if _target(line) != target], text)


def _text(lines: list[str], before: str) -> str:
    # Whether the last line ended is nobody's change.
    return before if lines == before.splitlines() else "".join(f"{line}\n" for line in lines)


def _escaped(field: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in field)


def _fields(line: str) -> list[str]:
    fields = [unescape(field) for field in line.split()]
    return [] if line.lstrip().startswith("#") or not 4 <= len(fields) <= 6 else fields


def _target(line: str) -> str | None:
    fields = _fields(line)
    return fields[1] if fields else None


def _same(line: str, entry: Entry) -> bool:
    fields = [*_fields(line), "0", "0"][:6]
    return fields == [entry.source, entry.target, entry.fstype, entry.options, "0", "0"]
