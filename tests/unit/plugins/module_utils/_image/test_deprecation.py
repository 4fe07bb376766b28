"""From when on an image is deprecated: what is taken, what is refused, and when it is."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._image.deprecation import (
    DeprecationError,
    deprecate_at,
    is_deprecated,
    is_so,
    same_minute,
)

NOW = datetime(2026, 1, 31, 12, 0, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("", "2026-01-31T12:02:00Z"),
        ("2026-01-31T12:01Z", "2026-01-31T12:01:00Z"),
        ("2026-02-01T00:00:59Z", "2026-02-01T00:00:00Z"),
        ("2036-01-01", "2036-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_taken_to_the_minute(text: str, time: str) -> None:
    assert deprecate_at(text, NOW) == time


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-01-31T12:00Z", "has passed"),
        ("2026-01-31", "has passed"),
        ("2026-02-30", "expected a day"),
        ("tomorrow", "expected a day"),
        ("2026-02-01T00:00", "expected a day"),
        ("2036-02-01", "more than 10 years ahead"),
    ],
)
def test_what_is_no_time_to_come_is_refused(text: str, said: str) -> None:
    with pytest.raises(DeprecationError, match=said):
        deprecate_at(text, NOW)


def test_it_counts_from_its_minute_on() -> None:
    assert not is_deprecated("", NOW)
    assert not is_deprecated("2026-01-31T12:01:00.000Z", NOW)
    assert is_deprecated("2026-01-31T12:00:00.000Z", NOW)
    assert same_minute("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:59Z")


def test_what_is_so_already_is_left_alone() -> None:
    """A second run of "now" within the minutes that AWS takes for it would put it off."""
    first, second = deprecate_at("", NOW), deprecate_at("", NOW.replace(minute=1))
    assert first < second and is_so(first, second, named=False) and not is_so(first, second, named=True)
    assert not is_so("2031-01-31T00:00:00.000Z", second, named=False)
    assert not is_so("", second, named=False) and is_so("", "", named=False) and not is_so(first, "", named=False)
