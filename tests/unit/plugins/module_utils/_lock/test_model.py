# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may build."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._lock.model import (
    RENEW,
    TAKE,
    TAKE_OVER,
    WAIT,
    Here,
    Holder,
    LockError,
    LockRecord,
    farewell,
    judge,
    lasting,
    may_release,
    parse_holder,
    parse_record,
    waiting,
)

OURS = Holder("head", "boot-1", "4026531836", 100, "5000")
OTHER = replace(OURS, pid=200, start_time="6000")
HERE = Here("head", "boot-1", "4026531836")
NOW = 1_000_000.0
RECORD = LockRecord("b1", OTHER, NOW - 10, NOW - 10, 3600)


@pytest.mark.parametrize(
    ("record", "running", "action"),
    [
        (None, False, TAKE),
        (replace(RECORD, holder=OURS), True, RENEW),
        (RECORD, True, WAIT),
        (RECORD, False, TAKE_OVER),
        # One that lives keeps it however old it is.
        (replace(RECORD, renewed=0.0), True, WAIT),
        # From before a restart of this host.
        (replace(RECORD, holder=replace(OTHER, boot_id="boot-0")), False, TAKE_OVER),
        # On another host, or in a container: only time tells.
        (replace(RECORD, holder=replace(OTHER, host="far")), False, WAIT),
        (replace(RECORD, holder=replace(OTHER, host="localhost", boot_id="boot-0")), False, WAIT),
        (replace(RECORD, holder=replace(OTHER, pid_namespace="7")), False, WAIT),
        (replace(RECORD, holder=replace(OTHER, pid_namespace="7"), renewed=NOW - 3601), False, TAKE_OVER),
        (replace(RECORD, holder=replace(OTHER, pid_namespace="7"), renewed=NOW + 3601), False, TAKE_OVER),
    ],
)
def test_judge(record: LockRecord | None, running: bool, action: str) -> None:
    verdict = judge(record, OURS, HERE, running, NOW)
    assert verdict.action == action
    assert verdict.reason


@pytest.mark.parametrize("running", [True, False])
def test_whoever_waits_is_told_for_whom_and_since_when(running: bool) -> None:
    holder = OTHER if running else replace(OTHER, host="far")
    reason = judge(replace(RECORD, holder=holder, acquired=NOW - 600), OURS, HERE, running, NOW).reason
    assert str(holder) in reason
    assert "since 1970-01-12T13:36:40Z (10 min)" in reason
    # One that cannot be seen is taken over by time alone: how long that takes is said as well.
    assert ("free 3590 s from now" in reason) is not running
    line = waiting("b1", reason, 61.2, 43200)
    assert line.startswith("Waiting for the build b1: pid 200 on ")
    assert line.endswith("Waited 61 s so far, and will for 11 h 58 min more.")
    assert "\n" not in line + farewell("b1", "it stays.", "Go on.")


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "1 h 59 min"), (90000, "25 h 0 min")]
)
def test_lasting(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_hosts_without_a_name_of_their_own_are_not_told_apart_by_it() -> None:
    record = replace(RECORD, holder=replace(OTHER, host="localhost", boot_id="boot-0"))
    assert judge(record, OURS, replace(HERE, host="localhost"), False, NOW).action == WAIT


@given(st.floats(0, 2e9), st.floats(0, 2e9), st.floats(0, 1e5), st.booleans())
def test_a_living_holder_is_never_robbed(renewed: float, now: float, ttl: float, running: bool) -> None:
    visible = judge(replace(RECORD, renewed=renewed, ttl=ttl), OURS, HERE, running, now)
    assert visible.action == (WAIT if running else TAKE_OVER)


def test_holders_as_seed_info_gives_them() -> None:
    value: dict[str, Any] = {
        "host": "head",
        "boot_id": "boot-1",
        "pid_namespace": "pid:[4026531836]",
        "pid": "100",
        "start_time": 5000,
    }
    assert parse_holder(value) == OURS
    assert parse_holder(OURS.to_dict()) == OURS
    for key in value:
        with pytest.raises(LockError, match=key):
            parse_holder({**value, key: None})
    with pytest.raises(LockError, match="number"):
        parse_holder({**value, "pid": "x"})
    with pytest.raises(LockError, match="mapping"):
        parse_holder("head")


def test_records_read_back() -> None:
    assert parse_record(RECORD.to_dict()) == RECORD


@pytest.mark.parametrize(
    "value",
    [None, [], {}, {**RECORD.to_dict(), "build_id": "a/b"}, {**RECORD.to_dict(), "ttl": True}, {"build_id": "b1"}]
    + [{**RECORD.to_dict(), "acquired": number} for number in (float("nan"), float("inf"), 1e300)],
)
def test_records_that_cannot_be_read(value: Any) -> None:
    with pytest.raises(LockError):
        parse_record(value)


@pytest.mark.parametrize(
    ("record", "holder", "build_id", "expected"),
    [
        (None, OTHER, "b1", False),
        (RECORD, OTHER, "b1", True),
        (RECORD, OTHER, None, True),
        (RECORD, None, "b1", True),
        (RECORD, None, None, False),
        (RECORD, OURS, "b1", False),
        (RECORD, OTHER, "b2", False),
    ],
)
def test_release(record: LockRecord | None, holder: Holder | None, build_id: str | None, expected: bool) -> None:
    assert may_release(record, holder, build_id) is expected
