# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From when on an image is deprecated: as it is given, and as EC2 has it, which counts in minutes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

FORM = "%Y-%m-%dT%H:%M:%SZ"
#: What EC2 takes for an image that is not public.
MOST_YEARS = 10
_MINUTE = timedelta(minutes=1)
_AT = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2})(?:T(?P<time>\d{2}:\d{2})(?::\d{2})?Z)?", re.ASCII)


class DeprecationError(PetalError):
    """A time from which on an image cannot be deprecated."""


def deprecate_at(text: str, now: datetime) -> str:
    """The time to hand to EC2. Empty means now, which there is the next full minute but one: it takes no past.

    Raises DeprecationError for what is no time, has passed, or is too far ahead.

    >>> deprecate_at("2027-01-31", datetime(2026, 1, 31, tzinfo=timezone.utc))
    '2027-01-31T00:00:00Z'
    >>> deprecate_at("", datetime(2026, 1, 31, 12, 0, 30, tzinfo=timezone.utc))
    '2026-01-31T12:02:00Z'
    """
    minute = now.replace(second=0, microsecond=0)
    if not text:
        return (minute + 2 * _MINUTE).strftime(FORM)
    found = _AT.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        wanted = datetime.strptime(f"{found['day']} {found['time'] or '00:00'}", "%Y-%m-%d %H:%M")
    except ValueError as error:
        raise DeprecationError(
            f"at is {text[:40]!r}: expected a day or a time in UTC, as 2027-01-31 or 2027-01-31T12:00Z"
        ) from error
    wanted = wanted.replace(tzinfo=timezone.utc)
    if wanted <= minute:
        raise DeprecationError(f"at is {text}, which has passed: leave it out to deprecate the image now")
    if wanted > now + timedelta(days=365 * MOST_YEARS):
        raise DeprecationError(f"at is {text}: AWS takes no time that is more than {MOST_YEARS} years ahead")
    return wanted.strftime(FORM)


def is_deprecated(since: str, now: datetime) -> bool:
    """Whether an image is deprecated by now. ``since``: as EC2 says it, empty for one that never will be.

    >>> is_deprecated("2026-01-31T12:00:00.000Z", datetime(2026, 1, 31, 12, 0, 1, tzinfo=timezone.utc))
    True
    """
    return bool(since) and since[:16] <= now.strftime(FORM)[:16]


def same_minute(one: str, other: str) -> bool:
    """Whether two times are the same to EC2."""
    return one[:16] == other[:16]


def is_so(before: str, at: str, named: bool) -> bool:
    """Whether an image is deprecated as it is asked for. ``at``: as deprecate_at gives it, empty for never; where
    nobody has named it, it is now, for which any earlier time will do: also that of a run a moment ago.

    >>> is_so("2026-01-31T12:02:00.000Z", "2026-01-31T12:03:00Z", named=False)
    True
    """
    return same_minute(before, at) or (not named and bool(before and at) and before[:16] <= at[:16])
