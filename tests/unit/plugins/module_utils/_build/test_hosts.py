"""How far a build is, by the facts of its hosts."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._build.hosts import Build, BuildStateError, State, play_of

MOUNTED: dict[str, Any] = {"build_host_python": "/usr/bin/python3"}
WORKED = {**MOUNTED, "software_volume_work_began": True}


def after(*facts: dict[str, Any]) -> Build:
    """A build that had a host for each of these."""
    names = [f"i-{number}" for number in range(len(facts))]
    return Build.of(names, dict(zip(names, facts)))


def test_a_build_without_a_host_is_none() -> None:
    """As after a hit, and in check mode."""
    assert after().to_dict() == {
        "state": "none",
        "host": "",
        "open": False,
        "lost": False,
        "logs": False,
        "worked": False,
    }


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, State.GIVEN),
        (MOUNTED, State.BUILDING),
        ({**MOUNTED, "volume_build_ended": "sealed"}, State.SEALED),
        ({**MOUNTED, "volume_build_ended": "detached"}, State.DETACHED),
        ({**MOUNTED, "volume_build_ended": "aborted"}, State.ABORTED),
        ({"volume_build_ended": "aborted"}, State.ABORTED),
        ({**MOUNTED, "volume_build_ended": "away"}, State.AWAY),
    ],
)
def test_a_build_is_where_its_host_is(facts: dict[str, Any], state: State) -> None:
    build = after(facts)
    assert (build.state, build.host) == (state, "i-0")
    assert build.is_open == (state in (State.GIVEN, State.BUILDING, State.AWAY)), "another host goes on with it"


def test_a_host_that_went_away_is_replaced_by_the_next() -> None:
    """Whether AWS said that it was gone, or it could not be reached any more."""
    for gone in (WORKED, {**WORKED, "volume_build_ended": "away"}):
        build = after(gone, {**MOUNTED, "volume_build_ended": "sealed"})
        assert [host.state for host in build.hosts] == [State.REPLACED, State.SEALED]
        assert (build.host, build.is_open, build.is_lost, build.has_logs) == ("i-1", False, False, False)
        assert build.has_work, "what the first has installed is on the volume"


def test_an_install_may_go_on_only_where_the_volume_was_mounted() -> None:
    assert after(MOUNTED).is_lost
    assert not after({}).is_lost
    assert not after({**MOUNTED, "volume_build_ended": "aborted"}).is_lost, "it could be reached"


def test_a_build_that_failed_has_logs_where_its_volume_is_mounted() -> None:
    assert after({**WORKED, "volume_build_ended": "aborted"}).has_logs
    assert after(MOUNTED).has_logs
    assert not after({"volume_build_ended": "aborted"}).has_logs
    assert not after({**MOUNTED, "volume_build_ended": "sealed"}).has_logs
    assert not after({**MOUNTED, "volume_build_ended": "detached"}).has_logs


def test_mounting_a_volume_is_no_work_on_it() -> None:
    assert not after(MOUNTED).has_work
    assert after({**WORKED, "volume_build_ended": "aborted"}).has_work


def test_a_host_of_which_nobody_knows_anything_has_just_been_given_the_volume() -> None:
    assert Build.of(["i-1"], {}).state is State.GIVEN


def test_an_end_that_is_none_is_an_error() -> None:
    with pytest.raises(BuildStateError, match="volume_build_ended of i-0 is 'seald': expected one of sealed, detached"):
        after({"volume_build_ended": "seald"})


def test_a_play_that_nobody_builds_in_is_passed_over() -> None:
    assert play_of(["i-1"]) == ["localhost", "i-1"], "localhost looks on"
    assert play_of(["localhost"]) == ["localhost", "localhost"]
    assert play_of([]) == ["localhost", "!localhost"]
