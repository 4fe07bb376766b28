"""How far a build is, as build_status tells it."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._build.status import Seen, Status


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (Status(hit=True), "built"),
        # What force is to replace is there all the same.
        (Status(hit=True, seen=Seen.BUILDING, asked=True, answer="running"), "built"),
        (Status(), "none"),
        (Status(seen=Seen.LEFT), "left"),
        # Whoever builds looks after the install as well.
        (Status(seen=Seen.BUILDING, asked=True, answer="running"), "building"),
        (Status(seen=Seen.LEFT, asked=True, answer="running"), "running"),
        (Status(seen=Seen.LEFT, asked=True), "unreachable"),
        (Status(seen=Seen.ELSEWHERE), "elsewhere"),
    ],
)
def test_the_state_in_one_word(status: Status, state: str) -> None:
    assert status.state == state


@pytest.mark.parametrize(
    ("status", "at_once", "watched"),
    [
        # There is nothing to finish.
        (Status(hit=True), False, False),
        (Status(), False, False),
        # An install that has ended is finished, or its failure told.
        (Status(seen=Seen.LEFT, asked=True, answer="finished"), True, True),
        (Status(seen=Seen.LEFT, asked=True, answer="failed"), True, True),
        # One that runs is waited for only by who asks for it, and so is a build of another run.
        (Status(seen=Seen.LEFT, asked=True, answer="running"), False, True),
        (Status(seen=Seen.BUILDING), False, True),
        (Status(seen=Seen.LEFT), False, True),
        # Nobody takes the host away from what may install.
        (Status(seen=Seen.ELSEWHERE), False, False),
    ],
)
def test_whether_it_is_gone_on_with(status: Status, at_once: bool, watched: bool) -> None:
    assert status.goes_on(watched=False) is at_once
    assert status.goes_on(watched=True) is watched
