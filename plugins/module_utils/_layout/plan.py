# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to lie below a directory: a plan that is checked as a whole before anything is written. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

DIRECTORY, FILE, LINK, ABSENT = "directory", "file", "link", "absent"
#: What there may be beside what a plan can ask for: a device, a pipe or a socket.
OTHER = "other"
#: How an entry says what it is, and the mode that it has where it says none.
KINDS = {"content": FILE, "link": LINK, "directory": DIRECTORY, "absent": ABSENT}
MODES = {DIRECTORY: 0o755, FILE: 0o644}
#: For messages: what stands in the way.
NAMES = {DIRECTORY: "a directory", FILE: "a file", LINK: "a link", OTHER: "neither a file nor a directory"}
_MODE = re.compile(r"0?[0-7]{3}")
#: Bytes of the largest file that a difference shows.
SHOWN = 100_000


class LayoutError(PetalError):
    """A plan that is wrong, or does not go with what is there; every problem is a line."""

    def __init__(self, root: str, problems: Iterable[str]) -> None:
        super().__init__("\n".join([f"Nothing was written below {root}:", *problems]))


@dataclass(frozen=True)
class Entry:
    """One thing below the directory.

    path: where, relative, with slashes. kind: DIRECTORY, FILE, LINK or ABSENT. mode: of a directory or file.
    content: of a file. target: of a link. once: whether a file is written only where there is nothing.
    """

    path: str
    kind: str
    mode: int = 0
    content: bytes = b""
    target: str = ""
    once: bool = False


@dataclass(frozen=True)
class Seen:
    """What is there: its kind (ABSENT for nothing), and as far as the kind has it mode, owner, content and target."""

    kind: str
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    content: bytes = b""
    target: str = ""


def parse(root: str, plan: Mapping[str, Any]) -> list[Entry]:
    """The entries of a plan: directories first, each after the one that it lies in, then the rest in the plan's order.

    :param root: the directory, for messages. plan: by path ``{content, mode, once}``, ``{directory: true, mode}``,
        ``{link: TARGET}`` or ``{absent: true}``. Raises LayoutError with all that is wrong with it.
    """
    entries, problems = [], []
    for path, given in plan.items():
        wrong = _wrong_path(path) or _wrong_entry(path, given)
        if wrong:
            problems.append(f"{path!r}: {wrong}")
        else:
            entries.append(_entry(path, given))
    kinds = {entry.path: entry.kind for entry in entries}
    problems += [
        f"{path!r}: the plan has something else than a directory at {above!r}, in which it lies"
        for path in kinds
        for above in parents(path)
        if kinds.get(above, DIRECTORY) != DIRECTORY
    ]
    if problems:
        raise LayoutError(root, problems)
    directories = sorted((one for one in entries if one.kind == DIRECTORY), key=lambda one: one.path.split("/"))
    return [*directories, *(one for one in entries if one.kind != DIRECTORY)]


def parents(path: str) -> list[str]:
    """The directories between the root and a path, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _wrong_path(path: str) -> str:
    """Why a path cannot be written; empty where it can."""
    if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        return "expected a path below the directory, without a slash at its ends and without '.' and '..' in it"
    return ""


def _wrong_entry(path: str, given: Any) -> str:
    """Why it cannot be told what is to be there; empty where it can."""
    if not isinstance(given, Mapping):
        return f"expected a mapping with one of {', '.join(KINDS)}, and a mode; found {given!r}"
    kinds = [name for name in KINDS if name in given]
    unknown = sorted(set(given) - {*KINDS, "mode", "once"})
    if len(kinds) != 1 or unknown:
        also = f"; {', '.join(unknown)} is none of these" if unknown else ""
        return f"expected one of {', '.join(KINDS)}, and a mode{also}; found {', '.join(kinds) or 'none'}"
    name, value = kinds[0], given[kinds[0]]
    if name in ("content", "link") and not isinstance(value, str):
        return f"{name} is {value!r}, expected a text"
    if name in ("directory", "absent") and value is not True:
        return f"{name} is {value!r}, expected true"
    if name == "link" and not _stays_inside(path, value):
        return f"link is {value!r}, expected a relative path that does not leave the directory"
    if "once" in given and (name != "content" or given["once"] is not True):
        return f"once is {given['once']!r}, expected true, and a content"
    if "mode" in given and KINDS[name] not in MODES:
        return f"{name} takes no mode"
    if "mode" in given and not (isinstance(given["mode"], str) and _MODE.fullmatch(given["mode"])):
        return f"mode is {given['mode']!r}, expected permissions in quotes, as '0644'"
    return ""


def _stays_inside(path: str, target: str) -> bool:
    """Whether a link at a path leads to a place below the same root, by its text alone."""
    depth = path.count("/")
    for part in target.split("/"):
        depth += {"..": -1, ".": 0}.get(part, 1)
        if depth < 0 or part == "" or "\0" in part:
            return False
    return True


def _entry(path: str, given: Mapping[str, Any]) -> Entry:
    kind = next(KINDS[name] for name in KINDS if name in given)
    mode = int(given["mode"], 8) if "mode" in given else MODES.get(kind, 0)
    # What cannot be encoded came in as bytes that are no UTF-8, and goes out as these.
    content = str(given.get("content", "")).encode("utf-8", "surrogateescape")
    return Entry(path, kind, mode, content, str(given.get("link", "")), "once" in given)


def objection(entry: Entry, seen: Seen) -> str:
    """Why an entry cannot take the place of what is there; empty where it can. No directory is ever removed."""
    fitting = (ABSENT, DIRECTORY) if entry.kind == DIRECTORY else (ABSENT, FILE, LINK)
    if seen.kind in fitting:
        return ""
    wanted = "nothing" if entry.kind == ABSENT else NAMES[entry.kind]
    return f"{entry.path!r}: there is {NAMES[seen.kind]}, and the plan has {wanted} there. Remove it, and run again."


def differs(entry: Entry, seen: Seen, owner: tuple[int, int]) -> bool:
    """Whether something has to be done to have what an entry says, for this user and group."""
    if entry.once and seen.kind != ABSENT:
        return False
    if entry.kind != seen.kind:
        return True
    if entry.kind == LINK:
        return (entry.target, owner) != (seen.target, seen.owner)
    if entry.kind == ABSENT:
        return False
    return (entry.mode, owner, entry.content) != (seen.mode, seen.owner, seen.content)


def difference(root: str, changes: Sequence[tuple[Entry, Seen]]) -> list[dict[str, str]]:
    """Before and after of what changes, in the form that Ansible shows."""
    return [
        {
            "before_header": f"{root}/{entry.path} (before)",
            "after_header": f"{root}/{entry.path} (after)",
            "before": _shown(seen.kind, seen.mode, seen.content, seen.target),
            "after": _shown(entry.kind, entry.mode, entry.content, entry.target),
        }
        for entry, seen in changes
    ]


def _shown(kind: str, mode: int, content: bytes, target: str) -> str:
    """One side of a difference."""
    if kind == ABSENT:
        return ""
    if kind == LINK:
        return f"link to {target}\n"
    head = f"{kind} {mode:04o}\n"
    if kind == FILE and len(content) > SHOWN:
        return f"{head}more than {SHOWN} bytes\n"
    return head + content.decode("utf-8", "backslashreplace")
