# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who waited for whom."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._report.model import Step
from ansible_collections.petal.hpc.plugins.module_utils._report.schedule import (
    Bar,
    Chain,
    Wait,
    critical_path,
    ticks,
    timeline,
    took,
    waits,
)


def step(key: str, *needs: str, at: tuple[float, float] | None = None, **more: Any) -> Step:
    given = {"name": key, "version": "1", "manager": "spack", "origin": "source", **more}
    if at is not None:
        given.update(started=at[0], ended=at[1])
    return Step(key=key, needs=needs, **given)


#: zlib and cmake begin together; hdf5 needs both, and netcdf needs that.
BUILD = [
    step("zlib", at=(100.0, 104.0)),
    step("cmake", at=(100.0, 130.0)),
    step("hdf5", "zlib", "cmake", "gcc", at=(131.5, 160.0)),
    step("netcdf", "hdf5", "zlib", at=(160.0, 170.0)),
    step("tree", at=(104.0, 106.0)),
    step("gcc", origin="external"),
]


def test_the_longest_chain_is_the_one_that_takes_longest() -> None:
    assert critical_path(BUILD) == Chain(("cmake", "hdf5", "netcdf"), 30 + 28.5 + 10, 0)
    # However long zlib waited for its turn.
    late = [step("zlib", at=(900.0, 904.0)), *BUILD[1:]]
    assert critical_path(late).keys == ("cmake", "hdf5", "netcdf")


def test_the_longest_chain_of_times_as_spack_says_them() -> None:
    steps = [step("a", seconds=5.0), step("b", "a"), step("c", "b", seconds=2.0), step("d", seconds=6.0)]
    assert critical_path(steps) == Chain(("a", "b", "c"), 7.0, 1)
    assert [took(one) for one in steps] == [5.0, None, 2.0, 6.0]


@pytest.mark.parametrize("steps", [[], [step("a"), step("b", "a")]])
def test_without_times_there_is_no_chain(steps: list[Step]) -> None:
    assert critical_path(steps) == Chain((), 0.0, 0)
    assert timeline(steps).bars == ()
    assert waits(steps) == {}


def test_what_needs_itself_is_no_chain() -> None:
    steps = [
        step("a", "b", seconds=1.0),
        step("b", "a", seconds=1.0),
        step("c", "c", seconds=3.0),
        step("d", "a", seconds=9),
    ]
    assert critical_path(steps) == Chain(("c",), 3.0, 0)


def test_a_chain_can_be_longer_than_calls_can_be_nested() -> None:
    steps = [step(str(number), str(number - 1), seconds=1.0) for number in range(5000)]
    begun = time.monotonic()
    assert critical_path(reversed(steps)).seconds == 5000
    assert time.monotonic() - begun < 5


@given(st.lists(st.tuples(st.floats(0, 100), st.sets(st.integers(0, 9))), max_size=10))
def test_no_chain_takes_longer(found: list[tuple[float, set[int]]]) -> None:
    """Against all chains that there are."""
    nodes = {
        str(at): step(str(at), *(str(n) for n in needs if n < at), seconds=s) for at, (s, needs) in enumerate(found)
    }

    def longest(key: str) -> float:
        return (nodes[key].seconds or 0) + max([longest(need) for need in nodes[key].needs], default=0.0)

    chain = critical_path(nodes.values())
    assert chain.seconds == pytest.approx(max(map(longest, nodes), default=0.0))
    assert all(first in nodes[second].needs for first, second in zip(chain.keys, chain.keys[1:], strict=False))


def test_each_waited_for_what_was_done_last() -> None:
    assert waits(BUILD) == {"hdf5": Wait("cmake", 1.5), "netcdf": Wait("hdf5", 0.0)}


def test_nobody_waited_for_what_was_done_later() -> None:
    """Installed again by a run that went on, while what needs it was there."""
    assert waits([step("a", at=(50.0, 60.0)), step("b", "a", at=(10.0, 20.0))]) == {}


def test_a_timeline() -> None:
    found = timeline(BUILD)
    assert found.bars[:3] == (Bar("zlib", 0.0, 4.0), Bar("cmake", 0.0, 30.0), Bar("tree", 4.0, 6.0))
    assert (found.length, found.origin, found.cuts, found.busy) == (70.0, 100.0, (), 2)


def test_a_pause_is_cut_out_and_said() -> None:
    found = timeline([step("a", at=(0.0, 10.0)), step("b", at=(5.0, 8.0)), step("c", at=(7210.0, 7220.0))])
    assert found.bars == (Bar("a", 0.0, 10.0), Bar("b", 5.0, 8.0), Bar("c", 10.0, 20.0))
    assert (found.length, found.cuts) == (20.0, ((10.0, 7200.0),))


@given(st.floats(0, 1e7))
def test_a_timeline_has_few_marks_and_none_beyond_its_end(length: float) -> None:
    found = ticks(length)
    assert 1 <= len(found) <= 10
    assert all(at <= length + 1e-6 for at in found)
