"""Work that is watched in one task: few lines, the last answer, and nothing lost of the ones before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.plugin_utils.watching import PATIENCE, Patience, Teller, wait, watch


def told(*reports: Any, seconds: float = 15.0) -> list[str]:
    teller = Teller("Install the packages", 0.0)
    lines = [teller.line(report, (number + 1) * seconds) for number, report in enumerate(reports)]
    return [line for line in lines if line]


def test_a_hundred_packages_are_eleven_lines() -> None:
    lines = told(*({"done": done, "total": 100, "item": f"p{done}"} for done in range(101)))
    assert len(lines) == 11
    assert lines[0] == "Install the packages: 0 of 100 done after 0:00:15, now p0"
    assert lines[-1] == "Install the packages: 100 of 100 done after 0:25:15, now p100"


def test_a_compiler_that_takes_an_hour_is_said_to_go_on() -> None:
    lines = told(*[{"done": 1, "total": 9, "item": "gcc@14.2.0 (build)"}] * 240)
    assert len(lines) == 1 + int(240 * 15 // (PATIENCE + 15))
    assert lines[-1].endswith("now gcc@14.2.0 (build)")


@pytest.mark.parametrize(
    "nothing", [None, "", [], {}, {"done": 1}, {"done": "x", "total": "y"}, {"done": 0, "total": 0, "item": "a"}]
)
def test_of_what_says_nothing_nothing_is_said(nothing: Any) -> None:
    assert told(nothing) == []


def test_a_line_is_one_line() -> None:
    (line,) = told({"done": 0, "total": 3, "item": "a\nb, " + 300 * "x"})
    assert "\n" not in line
    assert len(line) < 200


def test_it_ends_with_the_last_answer_and_the_warnings_of_all() -> None:
    answers: Iterator[dict[str, Any]] = iter(
        [
            {"changed": True, "warnings": ["one"], "progress": {"done": 0, "total": 2, "item": "a"}},
            {"changed": False, "warnings": ["one", "two"], "progress": {"done": 1, "total": 2, "item": "b"}},
            {"changed": False, "end": True},
        ]
    )
    said: list[str] = []
    result = watch(
        lambda: next(answers), lambda answer: "end" not in answer, said.append, Teller("It", 0.0), lambda: 5.0
    )
    assert result == {"changed": True, "warnings": ["one", "two"], "end": True}
    assert said == ["It: 0 of 2 done after 0:00:05, now a", "It: 1 of 2 done after 0:00:05, now b"]


def test_a_failure_is_the_last_answer() -> None:
    result = watch(lambda: {"failed": True, "msg": "no"}, lambda _answer: True, pytest.fail, Teller("It", 0.0))
    assert result == {"failed": True, "msg": "no", "changed": False}


class Clock:
    """Time that passes only where somebody sleeps."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waited(answers: list[dict[str, Any]], timeout: float) -> tuple[dict[str, Any], list[str], float]:
    clock, said = Clock(), list[str]()
    result = wait(
        lambda: answers.pop(0),
        lambda answer: "end" not in answer,
        said.append,
        Patience("Wait for it", timeout, 10.0),
        lambda: clock.now,
        clock.sleep,
    )
    return result, said, clock.now


GOING: dict[str, Any] = {"progress": {"done": 1, "total": 4, "item": "job 7"}}


def test_it_looks_again_until_there_is_nothing_to_wait_for() -> None:
    result, said, seconds = waited([GOING, GOING, {"end": True}], 100)
    assert result == {"changed": False, "end": True, "attempts": 3}
    assert said == ["Wait for it: 1 of 4 done after 0:00:00, now job 7"]
    assert seconds == 20


def test_what_is_late_is_a_failure_that_says_how_far_it_is() -> None:
    result, _said, seconds = waited([GOING] * 9, 45)
    assert result["failed"]
    assert result["msg"] == "Wait for it: not at the end after 45 s, 1 of 4 done, now job 7."
    assert (result["attempts"], seconds) == (5, 40)


def test_what_fails_is_not_asked_again() -> None:
    result, _said, _seconds = waited([{"failed": True, "msg": "no way there"}], 45)
    assert (result["msg"], result["attempts"]) == ("no way there", 1)
