# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What orders versions of operating systems' packages, as their managers do: dpkg, rpm and apk.

Each gives something that sorts, and None for what is no version of its kind.
"""

from __future__ import annotations

import re
from typing import Any

_LIMIT = 200
_DEB = re.compile(r"(?:([0-9]{1,9}):)?([A-Za-z0-9.+~:-]+)")
_DEB_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_RPM = re.compile(r"(?:([0-9]{1,9}):)?([A-Za-z0-9.+~^_]+)(?:-([A-Za-z0-9.+~^_]+))?")
_RPM_PARTS = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
_APK = re.compile(r"([0-9]+(?:\.[0-9]+)*)([a-z]?)((?:_[a-z]{1,5}[0-9]*)*)(?:~[0-9a-f]+)?(?:-r([0-9]+))?")
_APK_PARTS = re.compile(r"_([a-z]+)([0-9]*)")
# Before the version itself, which is 0, and behind it.
_APK_RANKS = {"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "cvs": 1, "svn": 2, "git": 3, "hg": 4, "p": 5}


def deb(text: str) -> Any:
    """As Debian's policy has it (5.6.12): a tilde before the end, that before letters, those before all else.

    >>> deb("1.0~rc1-1") < deb("1.0-1") < deb("1.0-1+deb12u1") < deb("1:0.9-1")
    True
    """
    match = _DEB.fullmatch(text) if len(text) <= _LIMIT else None
    if match is None:
        return None
    upstream, _hyphen, revision = match[2].rpartition("-") if "-" in match[2] else (match[2], "", "")
    return (int(match[1] or 0), _deb_parts(upstream), _deb_parts(revision))


def _deb_parts(text: str) -> list[Any]:
    found: list[Any] = []
    # The last is empty, which is where the end is told from what goes on.
    for letters, digits in _DEB_PARTS.findall(text):
        found += [[*map(_deb_order, letters), 0], int(digits or 0)]
    return found


def _deb_order(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def rpm(text: str) -> Any:
    """As rpm does: a tilde before the end, a caret behind it, then letters, then numbers.

    >>> rpm("1.0~rc1-1") < rpm("1.0-1.el9") < rpm("1.0^git1-1") < rpm("1.0.1-1") < rpm("1:0.9-1")
    True
    """
    match = _RPM.fullmatch(text) if len(text) <= _LIMIT else None
    if match is None:
        return None
    return (int(match[1] or 0), _rpm_parts(match[2]), _rpm_parts(match[3] or ""))


def _rpm_parts(text: str) -> list[tuple[Any, ...]]:
    marks: dict[str, tuple[Any, ...]] = {"~": (0,), "^": (2,)}
    found = [marks.get(part) or ((4, int(part)) if part.isdigit() else (3, part)) for part in _RPM_PARTS.findall(text)]
    return [*found, (1,)]


def apk(text: str) -> Any:
    """As apk does.

    >>> apk("1.2_rc1-r0") < apk("1.2-r0") < apk("1.2-r1") < apk("1.2_p1-r0") < apk("1.2a-r0") < apk("1.2.1-r0")
    True
    """
    match = _APK.fullmatch(text) if len(text) <= _LIMIT else None
    if match is None:
        return None
    suffixes = [(_APK_RANKS.get(word), int(number or 0)) for word, number in _APK_PARTS.findall(match[3])]
    if any(rank is None for rank, _number in suffixes):
        return None
    numbers = tuple(int(part) for part in match[1].split("."))
    return (numbers, match[2], [*suffixes, (0, 0)], int(match[4] or 0))
