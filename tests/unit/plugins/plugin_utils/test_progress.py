"""The lines that people read while a playbook runs."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.plugin_utils.progress import Tracker, elapsed


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


def test_a_phase_that_comes_again_is_the_same_phase() -> None:
    tracker = Tracker([("a", "Plan"), ("b", "Install"), ("c", "Plan"), ("d", "Install")], 0.0)
    assert tracker.begin("b", 1.0) == "[ 50%] 0:00:01  Install"
    assert tracker.begin("d", 2.0) == ""
    assert tracker.begin("c", 3.0) == "[  0%] 0:00:03  Plan"


def test_reports_move_the_percentage_within_the_phase(tracker: Tracker) -> None:
    tracker.begin("id-2", 100.0)
    assert tracker.report({"done": 1, "total": 2, "item": "hdf5@1.14"}, 110.0) == "[ 38%] 0:00:10  Install: hdf5@1.14"
    assert tracker.report({"done": 2, "total": 2}, 120.0) == ""
    assert tracker.status(120.0).startswith("[ 50%]")


@pytest.mark.parametrize(
    "report", [{}, {"done": "x", "total": 2}, {"done": 5, "total": 0}, {"done": None, "total": []}]
)
def test_a_malformed_report_shows_nothing(tracker: Tracker, report: dict[str, object]) -> None:
    tracker.begin("id-1", 100.0)
    assert tracker.report(report, 101.0) == ""


def test_elapsed_shows_hours() -> None:
    assert elapsed(3 * 3600 + 62.9) == "3:01:02"
