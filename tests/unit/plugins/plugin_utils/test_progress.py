"""The lines that people read while a playbook runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.plugin_utils.progress import WEIGHTS, Tracker, elapsed


def percent(line: str) -> int:
    """What stands in the brackets of a line."""
    return int(line[1:4])


@pytest.fixture
def tracker() -> Tracker:
    return Tracker([("id-1", "Plan"), ("id-2", "Install"), ("id-3", "Report"), ("id-4", "Clean up")], 100.0)


def test_a_phase_shows_when_its_first_task_starts(tracker: Tracker) -> None:
    assert tracker.begin("id-1", 100.0) == "[  0%] 0:00:00  Plan"
    assert tracker.begin("id-1", 101.0) == ""
    assert tracker.begin("id-2", 165.0) == "[ 25%] 0:01:05  Install"


def test_a_skipped_phase_is_not_shown_and_counts(tracker: Tracker) -> None:
    tracker.begin("id-1", 100.0)
    assert tracker.begin("id-3", 101.0) == "[ 50%] 0:00:01  Report"


def test_what_is_no_phase_shows_nothing(tracker: Tracker) -> None:
    assert tracker.begin("a block", 100.0) == ""
    assert tracker.current == ""


def test_a_phase_that_comes_again_is_the_same_phase_and_nothing_goes_back() -> None:
    tracker = Tracker([("a", "Plan"), ("b", "Install"), ("c", "Plan"), ("d", "Install")], 0.0)
    assert tracker.begin("b", 1.0) == "[ 50%] 0:00:01  Install"
    assert tracker.begin("d", 2.0) == ""
    assert tracker.begin("c", 2.0).endswith("Plan")
    assert percent(tracker.status(2.0)) >= 50


def test_reports_move_the_percentage_within_the_phase(tracker: Tracker) -> None:
    tracker.begin("id-2", 100.0)
    assert tracker.report({"done": 1, "total": 2, "item": "hdf5@1.14"}, 110.0) == "[ 38%] 0:00:10  Install: hdf5@1.14"
    assert tracker.report({"done": 2, "total": 2}, 110.0) == ""
    assert tracker.status(110.0).startswith("[ 50%]")


def test_a_phase_that_takes_longer_is_a_larger_part() -> None:
    name = max(WEIGHTS, key=lambda name: WEIGHTS[name])
    tracker = Tracker([("a", "Plan"), ("b", name), ("c", "Report")], 0.0)
    tracker.begin("b", 0.0)
    before = percent(tracker.status(0.0))
    tracker.begin("c", 0.0)
    assert percent(tracker.status(0.0)) - before > 80


@given(
    st.lists(st.tuples(st.sampled_from("abcd-"), st.integers(0, 9), st.integers(0, 9), st.floats(0, 500)), max_size=30)
)
def test_the_percentage_never_goes_back_and_never_is_past_the_end(steps: list[tuple[str, int, int, float]]) -> None:
    tracker = Tracker([("a", "Plan"), ("b", "Install the software"), ("c", "Plan"), ("d", "Report")], 0.0)
    now, last = 0.0, 0
    for identity, done, total, pause in steps:
        now += pause
        if identity == "-":
            tracker.report({"done": done, "total": total, "item": "x"}, now)
        else:
            tracker.begin(identity, now)
        assert last <= (last := percent(tracker.status(now))) <= 100


def test_the_percentage_moves_while_nothing_is_said(tracker: Tracker) -> None:
    tracker.begin("id-2", 100.0)
    at = [percent(tracker.status(100.0 + seconds)) for seconds in (0, 60, 120, 100000)]
    assert at == sorted(at) and len(set(at)) == len(at)
    assert at[-1] <= 50


@pytest.mark.parametrize(
    "report", [{}, {"done": "x", "total": 2}, {"done": 5, "total": 0}, {"done": None, "total": []}]
)
def test_a_malformed_report_shows_nothing(tracker: Tracker, report: dict[str, object]) -> None:
    tracker.begin("id-1", 100.0)
    assert tracker.report(report, 101.0) == ""


def test_elapsed_shows_hours() -> None:
    assert elapsed(3 * 3600 + 62.9) == "3:01:02"
