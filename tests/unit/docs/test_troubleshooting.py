"""The messages that docs/troubleshooting.md explains are those of the code, word for word."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from pages import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
#: How far the words of a message on both sides of what differs may be apart in the source.
APART = 300


def messages() -> list[str]:
    """What stands in backquotes in the first column of the tables of messages; ``…`` stands for what differs."""
    found: list[str] = []
    of_messages = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            of_messages = False
            continue
        first = line.split("|")[1].strip()
        of_messages = of_messages or first == "message"
        if of_messages:
            found += re.findall(r"`([^`]+)`", first)
    return found


@cache
def texts() -> str:
    """All texts that the collection can say, one in each line, white space folded, a gap where something is put in."""
    said = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else " … " for part in node.values)
                said.append("".join(str(part) for part in parts))
    for kind in ("yml", "j2"):
        said += [path.read_text(encoding="utf-8") for path in sorted((ROOT / "roles").rglob(f"*.{kind}"))]
    return "\n".join(" ".join(text.split()) for text in said)


def test_the_page_explains_messages() -> None:
    assert len(messages()) > 40


@pytest.mark.parametrize("message", messages())
def test_a_message_is_what_the_code_says(message: str) -> None:
    parts = [re.escape(part.strip()) for part in message.split("…") if part.strip()]
    assert re.search(f".{{0,{APART}}}?".join(parts), texts()), "nothing in plugins or roles says so"
