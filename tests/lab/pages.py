"""The documentation as tests read it: blocks of commands, and who runs them.

A block of commands is fenced as ``console``; its commands stand behind ``$``, or ``#`` for root. Directly above it
stands who runs it, as ``<!-- run by tests/integration/test_x.py::test_y -->`` (several with commas), or below it, for
people to see, ``*Not run by the tests: WHY.*``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")))
RUN_BY = re.compile(r"<!-- run by (.+) -->")
NOT_RUN = re.compile(r"\*Not run by the tests: [^*]{8,}\.\*")
#: A comment behind a command, and what may be left out of it.
_COMMENT = re.compile(r"\s{2,}#\s.*$")
_OPTIONAL = re.compile(r"\[(-e [^]]+)]")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    line: of its fence, from 1. above, below: the line before it, and the first one behind it that is not empty.
    """

    page: str
    line: int
    language: str
    lines: tuple[str, ...]
    above: str
    below: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of a block of language ``console``, each on one line, without comments."""
        if self.language != "console":
            return ()
        text = "\n".join(_COMMENT.sub("", line) for line in self.lines).replace("\\\n", " ")
        said = (re.match(r"[$#] (.+)", line) for line in text.splitlines())
        return tuple(_OPTIONAL.sub(r"\1", found[1]) for found in said if found)

    @property
    def run_by(self) -> tuple[str, ...]:
        """Who is said to run it; empty where nobody is."""
        found = RUN_BY.fullmatch(self.above)
        return tuple(name.strip() for name in found[1].split(",")) if found else ()

    @property
    def is_said_not_to_run(self) -> bool:
        return NOT_RUN.match(self.below) is not None


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in its order. Raises ValueError for one that does not end."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    begun: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begun is None:
            begun = number
            continue
        above = lines[begun - 1] if begun else ""
        below = next((text for text in lines[number + 1 :] if text.strip()), "")
        yield Block(page, begun + 1, lines[begun][3:].strip(), tuple(lines[begun + 1 : number]), above, below)
        begun = None
    if begun is not None:
        raise ValueError(f"{page}:{begun + 1}: the block does not end")


def blocks_of(page: str, test: str) -> list[Block]:
    """The blocks of a page that a test (``FILE::NAME``) is said to run; it runs them as they stand."""
    return [block for block in blocks(page) if test in block.run_by]


def commands_in_text(page: str) -> list[tuple[str, str]]:
    """Whole commands in the running text and in tables, as ``PAGE:LINE`` and command: what stands in backquotes."""
    found = []
    inside = False
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            spans = re.findall(r"`((?:ansible-playbook|make) [^`]+)`", line)
            found += [(f"{page}:{number}", _OPTIONAL.sub(r"\1", span)) for span in spans]
    return found
