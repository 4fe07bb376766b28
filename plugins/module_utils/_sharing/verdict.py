# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit of a volume found, as the tag ``petal:sharing`` of its snapshot: who may be given it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import VALUE_LIMIT

# Nothing was found: every licence is open, no file is sensitive.
PUBLIC = "public"
# May be shared with accounts but not made public: a licence forbids it or is not known.
ACCOUNTS = "accounts"
# May not leave the account: files are sensitive.
PRIVATE = "private"
LEVELS = (PUBLIC, ACCOUNTS, PRIVATE)

SEPARATOR = "; "
# What is left of a reason that does not fit: enough to know what is meant.
ELLIPSIS = "..."


class SharingError(PetalError):
    """A snapshot may not be shared or copied like this, or a verdict on it cannot be read."""


@dataclass(frozen=True)
class Verdict:
    """Who may be given a volume.

    level: ``public``, ``accounts`` or ``private``.
    reasons: why it is not public, the weightiest first, one short phrase each; empty when it is public.
    """

    level: str
    reasons: tuple[str, ...] = field(default=())


def render(verdict: Verdict) -> str:
    """A verdict as a tag's value, cut to what a tag holds. Raises SharingError for a level that is none.

    >>> render(Verdict("accounts", ("intel-oneapi-mkl has licence Intel-EULA", "tool has no licence")))
    'accounts: intel-oneapi-mkl has licence Intel-EULA; tool has no licence'
    >>> render(Verdict("public"))
    'public'
    """
    _check(verdict.level, verdict.level)
    reasons = [reason for reason in map(_plain, verdict.reasons) if reason]
    if verdict.level == PUBLIC or not reasons:
        return verdict.level
    for kept in range(len(reasons), 0, -1):
        text = _joined(verdict.level, reasons[:kept], len(reasons) - kept)
        if len(text) <= VALUE_LIMIT:
            return text
    room = VALUE_LIMIT - len(_joined(verdict.level, [ELLIPSIS], len(reasons) - 1))
    return _joined(verdict.level, [reasons[0][:room] + ELLIPSIS], len(reasons) - 1)


def parse(tag: str) -> Verdict:
    """A tag's value as the verdict that it holds; ``and N more`` stays as the last reason.

    Nothing but the very word ``public`` is public. Raises SharingError for a value that is no verdict.

    >>> parse("private: 2 private keys; and 3 more")
    Verdict(level='private', reasons=('2 private keys', 'and 3 more'))
    """
    level, _colon, rest = tag.partition(":")
    _check(level, tag)
    reasons = tuple(reason for reason in map(_plain, rest.split(";")) if reason)
    if level == PUBLIC and tag != PUBLIC:
        _check("", tag)
    return Verdict(level, reasons)


def _check(level: str, value: str) -> None:
    if level not in LEVELS:
        found = value[:VALUE_LIMIT]
        raise SharingError(f"{found!r} is no verdict: expected public, accounts: REASONS or private: REASONS")


def _joined(level: str, reasons: list[str], more: int) -> str:
    return f"{level}: {SEPARATOR.join([*reasons, f'and {more} more'] if more else reasons)}"


def _plain(reason: str) -> str:
    # One line without the separator: what was found on a volume may have any name.
    printable = "".join(character if character.isprintable() else " " for character in reason.replace(";", ","))
    return " ".join(printable.split())
