# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which a store gives what it has."""

from __future__ import annotations

from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot


def snapshot(number: int, **different: Any) -> Snapshot:
    given: dict[str, Any] = {"created": "2026-01-01T00:00:00Z", **different}
    return Snapshot(f"snap-{number:017x}", "sha256:" + "a" * 64, "quickstart", "debian12", "x86_64", 2, **given)


def test_what_was_built_here_goes_by_its_number_and_no_clock_decides() -> None:
    """A build of 2001 is newer than one of 2040 that came before it, and than all that was brought in."""
    of_2040 = snapshot(1, created="2040-01-01T00:00:00Z", sequence=1)
    of_today = snapshot(2, sequence=2)
    of_2001 = snapshot(3, created="2001-01-01T00:00:00Z", sequence=3)
    brought = snapshot(4, created="2026-06-01T00:00:00Z")
    assert newest_first([brought, of_today, of_2001, of_2040]) == [of_2001, of_today, of_2040, brought]


def test_what_bears_one_moment_goes_by_its_id() -> None:
    one, other = snapshot(1), snapshot(2)
    assert newest_first([one, other]) == newest_first([other, one]) == [other, one]


def test_what_is_dated_after_now_comes_last() -> None:
    noon, evening = snapshot(1, created="2026-01-01T12:00:00Z"), snapshot(2, created="2026-01-01T18:00:00Z")
    assert newest_first([noon, evening], now=1767272400.0) == [noon, evening]
    assert newest_first([noon, evening], now=1767290400.0) == [evening, noon]
