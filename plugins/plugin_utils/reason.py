# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a task failed, short enough to stand in brackets: the one line of what pip, Spack or a module said."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Any

UNKNOWN = "no reason given"
_LIMIT = 300
_SOURCES_LIMIT = 1500
#: What a cut text ends with.
_MORE = "..."
#: A text that is longer by no more than this is not cut.
_LEEWAY = 5
#: What pip says beside its reason.
_PIP_ASIDE = re.compile(r"\s*$|warning|\[notice\]", re.IGNORECASE)
_SOURCES = re.compile(r"error|fail", re.IGNORECASE)


def of_module(result: Mapping[str, Any]) -> str:
    """The first line of a module's message."""
    return _in_brackets(_lines(result.get("msg") or UNKNOWN)[0])


def of_pip(result: Mapping[str, Any]) -> str:
    """The last line of pip that is neither a warning nor a notice."""
    lines = [line for line in result.get("stderr_lines") or _message(result) if not _PIP_ASIDE.match(line)]
    return _cut(lines[-1] if lines else UNKNOWN, _LIMIT)


def of_sources(result: Mapping[str, Any]) -> str:
    """Every line of Spack about a source that it could not fetch, each once."""
    lines = [*result.get("stdout_lines", ()), *result.get("stderr_lines", _message(result))]
    told = dict.fromkeys(line.strip() for line in lines if _SOURCES.search(line))
    return _cut("; ".join(told), _SOURCES_LIMIT)


#: Who said it, and how it is read.
READERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "module": of_module,
    "pip": of_pip,
    "sources": of_sources,
}


def _lines(text: Any) -> list[str]:
    return str(text).splitlines() or [""]


def _message(result: Mapping[str, Any]) -> list[str]:
    """What is read where no command printed anything."""
    return [str(result.get("msg") or UNKNOWN)]


def _cut(text: str, limit: int) -> str:
    """A text of at most ``limit`` characters, cut between two words."""
    if len(text) <= limit + _LEEWAY:
        return text
    return text[: limit - len(_MORE)].rsplit(" ", 1)[0] + _MORE


def _in_brackets(text: str) -> str:
    """Without the full stop, which stands behind the brackets."""
    return _cut(text, _LIMIT).rstrip("." + string.whitespace)
