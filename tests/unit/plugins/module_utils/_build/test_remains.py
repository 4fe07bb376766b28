"""What a failed build leaves in a store: the first thing that holds is what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._build.remains import Remains
from ansible_collections.petal.hpc.plugins.module_utils._spack.messages import (
    ended_message,
    failed_message,
    stopped_message,
    terminated_message,
)

MINE = Remains("build-1", "/srv/petal")


def test_nothing_is_left_unless_somebody_wants_it() -> None:
    assert MINE.say().startswith("Nothing is left behind; -e keep_on_failure=true keeps the volume")
    kept = Remains("build-1", "/srv/petal", kept=True)
    assert kept.say() == "Kept: volume build-1 in /srv/petal; the same command goes on with it."


@pytest.mark.parametrize("remains", [MINE, replace(MINE, kept=True), replace(MINE, full=True)])
def test_it_does_not_contradict_what_spack_says_before_it(remains: Remains) -> None:
    """Spack's part of the message promises nothing of a store that is removed or not behind its back."""
    before = [
        failed_message("bio", [], ["x"], "/log", "node1"),
        stopped_message("bio", "node1", ["gcc@13"], "/log", ["Spack was ended by signal 9 (SIGKILL)."]),
        ended_message("bio", [], "/log", 60),
        terminated_message("bio", [], "/log"),
    ]
    for said in before:
        assert "What was finished is not built again where its store or a cache is kept" in said
        assert "stays" not in f"{said}\n{remains.say()}"


def test_what_stood_on_a_full_disk_is_not_kept() -> None:
    full = Remains("build-1", "/srv/petal", full=True)
    assert full.say() == "The volume was removed, keep_on_failure or not: what it had lost cannot be told."


def test_what_somebody_else_builds_is_left_alone() -> None:
    taken = Remains("build-1", "/srv/petal", taken_over="pid 7 on head holds it", kept=True)
    assert taken.say() == (
        "What is there was left alone, for it is no longer this run that builds: pid 7 on head holds it"
    )


def test_a_volume_that_cannot_be_taken_away_is_still_there_whatever_was_wanted() -> None:
    stuck = Remains("build-1", "/srv/petal", stuck="target is busy", taken_over="somebody", kept=True, full=True)
    assert stuck.say() == "Still there: volume build-1 in /srv/petal: target is busy"
