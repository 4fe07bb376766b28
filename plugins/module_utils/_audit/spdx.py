# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SPDX licence expressions: whether what bears one may be handed to everybody.

The grammar is Annex D of SPDX 2.3, operators in any case. https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions
"""

from __future__ import annotations

import re

from ansible_collections.petal.hpc.plugins.module_utils._audit.table import ALIASES, EXCEPTIONS, NOT_OPEN, OPEN

IS_OPEN = "open"
IS_NOT_OPEN = "not open"
IS_UNKNOWN = "unknown"
# Longer ones are whole licences, which stand where an expression belongs.
LENGTH_LIMIT = 1000
DEPTH_LIMIT = 50
_TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9][A-Za-z0-9.:+-]*)")
_OPERATORS = ("and", "or", "with", "(", ")")
# Names that recipes give to licences of their own.
_PROPRIETARY = re.compile(r"licenseref-(?:.*-)?(?:.*proprietary|commercial|eula)", re.IGNORECASE)


class _NoExpressionError(ValueError):
    """A text is no licence expression."""


def standing(text: str | None) -> str:
    """``open``, ``not open`` or ``unknown``.

    ``OR`` is open where one side is, as one may choose; ``AND`` where all are. Where a side is unknown, so is the
    whole, unless the other decides it. ``WITH`` adds a permission, as long as the exception is known to be one. What is
    no expression, ``NOASSERTION`` and ``NONE`` are unknown. Never raises.

    >>> standing("MIT OR LicenseRef-Acme-Proprietary"), standing("MIT AND BUSL-1.1"), standing("custom")
    ('open', 'not open', 'unknown')
    """
    if text is None or len(text) > LENGTH_LIMIT:
        return IS_UNKNOWN
    plain = " ".join(text.lower().split())
    try:
        return _Reader(ALIASES.get(plain, plain).lower()).whole()
    except _NoExpressionError:
        return IS_UNKNOWN


def is_known(text: str | None) -> bool:
    """Whether a text is an expression, or a name, of which it is known whether it is open."""
    return standing(text) != IS_UNKNOWN


class _Reader:
    """Reads one expression: OR binds loosest, then AND, then WITH."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> str:
        found = self._either()
        if self._next != len(self._tokens):
            raise _NoExpressionError
        return found

    def _either(self) -> str:
        sides = [self._all()]
        while self._take("or"):
            sides.append(self._all())
        return _best(sides)

    def _all(self) -> str:
        sides = [self._one()]
        while self._take("and"):
            sides.append(self._one())
        return _worst(sides)

    def _one(self) -> str:
        if self._take("("):
            self._depth += 1
            if self._depth > DEPTH_LIMIT:
                raise _NoExpressionError
            found = self._either()
            if not self._take(")"):
                raise _NoExpressionError
            self._depth -= 1
            return found
        found = _identifier(self._word())
        if self._take("with") and self._word() not in EXCEPTIONS:
            return IS_NOT_OPEN if found == IS_NOT_OPEN else IS_UNKNOWN
        return found

    def _word(self) -> str:
        if self._next == len(self._tokens) or self._tokens[self._next] in _OPERATORS:
            raise _NoExpressionError
        self._next += 1
        return self._tokens[self._next - 1]

    def _take(self, token: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next] == token:
            self._next += 1
            return True
        return False


def _tokens(text: str) -> list[str]:
    found, position = [], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _NoExpressionError
        found.append(token.group(1))
        position = token.end()
    return found


def _identifier(word: str) -> str:
    name = ALIASES.get(word, word).lower()
    # "or later" of a licence is as open as the licence.
    if name in OPEN or name.rstrip("+") in OPEN:
        return IS_OPEN
    return IS_NOT_OPEN if name in NOT_OPEN or _PROPRIETARY.fullmatch(name) else IS_UNKNOWN


def _best(sides: list[str]) -> str:
    return next((one for one in (IS_OPEN, IS_UNKNOWN) if one in sides), IS_NOT_OPEN)


def _worst(sides: list[str]) -> str:
    return next((one for one in (IS_NOT_OPEN, IS_UNKNOWN) if one in sides), IS_OPEN)
