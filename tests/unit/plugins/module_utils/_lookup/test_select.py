# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choice: exact architecture and OS, smallest sufficient size, newest; and a reason for everything."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import select
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

FINGERPRINTS = ["sha256:" + letter * 64 for letter in "ab"]


def snapshot(number: int = 1, **different: Any) -> Snapshot:
    base = Snapshot(
        snapshot_id=f"snap-{number:017x}",
        fingerprint=FINGERPRINTS[0],
        name="quickstart",
        os="debian12",
        architecture="x86_64",
        size_gb=2,
        created=f"2026-01-01T00:00:{number:02d}Z",
    )
    return replace(base, **different)


SNAPSHOTS = st.lists(
    st.builds(
        lambda number, fingerprint, system, arch, size, state: snapshot(
            number, fingerprint=fingerprint, os=system, architecture=arch, size_gb=size, state=state
        ),
        st.integers(0, 59),
        st.sampled_from(FINGERPRINTS),
        st.sampled_from(["debian12", "rocky9"]),
        st.sampled_from(["x86_64", "arm64"]),
        st.integers(1, 4),
        st.sampled_from(["completed", "completed", "pending"]),
    ),
    max_size=8,
    unique_by=lambda item: item.snapshot_id,
)
CRITERIA = st.builds(
    Criteria,
    fingerprint=st.sampled_from([None, *FINGERPRINTS]),
    os=st.sampled_from([None, "debian12"]),
    architecture=st.sampled_from([None, "arm64"]),
    size_gb=st.none() | st.integers(1, 4),
)


@given(SNAPSHOTS, CRITERIA, st.randoms())
def test_the_choice_is_right_and_does_not_depend_on_the_order(
    snapshots: list[Snapshot], criteria: Criteria, random: Random
) -> None:
    found = select(snapshots, criteria)
    shuffled = list(snapshots)
    random.shuffle(shuffled)
    assert select(shuffled, criteria) == found

    asked = [item for item in snapshots if criteria.means(item)]
    assert len(found.snapshots) + len(found.passed_over) == len(asked), "nothing is lost in silence"
    assert [item.created for item in found.snapshots] == sorted((i.created for i in found.snapshots), reverse=True)
    for item in found.snapshots:
        assert item.state == "completed"
        assert criteria.os in (None, item.os)
        assert criteria.architecture in (None, item.architecture)
        assert criteria.size_gb is None or item.size_gb <= criteria.size_gb
    if found.best is None:
        assert not found.snapshots or len({item.fingerprint for item in found.snapshots}) > 1
    else:
        best = found.best
        assert best in found.snapshots
        assert all((item.size_gb, item.created) >= (best.size_gb, "") for item in found.snapshots)
        assert all(item.created <= best.created for item in found.snapshots if item.size_gb == best.size_gb)
        assert best.snapshot_id in found.reason
    assert found.reason


def test_reasons() -> None:
    criteria = Criteria(fingerprint=FINGERPRINTS[0], os="debian12", architecture="x86_64", size_gb=2)
    found = select(
        [
            snapshot(1, os="rocky9"),
            snapshot(2, architecture="arm64"),
            snapshot(3, size_gb=3),
            snapshot(4, state="pending"),
            snapshot(5, fingerprint=FINGERPRINTS[1]),
        ],
        criteria,
        [Refusal("junk", "its entry is damaged")],
    )
    assert found.best is None
    assert "5 passed over" in found.reason
    assert {item.snapshot_id[-1]: item.reason for item in found.passed_over} == {
        "1": "it was built for rocky9, not debian12",
        "2": "it was built for arm64, not x86_64",
        "3": "it needs 3 GiB, the volume has 2",
        "4": "its state is pending, not completed",
        "k": "its entry is damaged",
    }


def test_one_of_several() -> None:
    by_size = select([snapshot(1, size_gb=1), snapshot(2, size_gb=2)], Criteria(fingerprint=FINGERPRINTS[0]))
    assert by_size.best == snapshot(1, size_gb=1)
    assert "smallest" in by_size.reason
    by_time = select([snapshot(1), snapshot(2)], Criteria(name="quickstart"))
    assert by_time.best == snapshot(2)
    assert "newest" in by_time.reason
    both = select([snapshot(1), snapshot(2), snapshot(3, size_gb=9)], Criteria())
    assert both.best == snapshot(2)
    assert "newest" in both.reason
    assert "smallest" in both.reason


def test_several_fingerprints_are_no_choice() -> None:
    found = select([snapshot(1), snapshot(2, fingerprint=FINGERPRINTS[1])], Criteria(name="quickstart"))
    assert found.best is None
    assert len(found.snapshots) == 2
    assert "2 fingerprints" in found.reason
    assert found.to_dict()["snapshot"] is None


def test_nothing() -> None:
    assert "no snapshot matches id snap-1" in select([], Criteria(snapshot_ids=("snap-1",))).reason


def test_what_is_not_complete_is_listed_and_never_the_one_to_use() -> None:
    states = ("pending", "completed", "error")
    pending = snapshot(9, state="pending", progress=43)
    both = select([snapshot(1), pending], Criteria(states=states))
    assert both.best == snapshot(1)
    assert both.snapshots == [pending, snapshot(1)]
    alone = select([pending], Criteria(states=states))
    assert alone.best is None
    assert alone.snapshots == [pending]
    assert alone.reason.endswith("its state is pending (43 % done)")
    failed = select([snapshot(1, state="error", message="no such key")], Criteria(states=states))
    assert failed.reason.endswith("its state is error (no such key)")
    several = select([pending, snapshot(8, state="error")], Criteria(states=states))
    assert several.reason == "2 snapshots match any fingerprint; none is completed"
    assert select([pending], Criteria()).passed_over == [
        Refusal(pending.snapshot_id, "its state is pending, not completed")
    ]


def test_progress_is_told_of_the_one_that_is_waited_for() -> None:
    pending = snapshot(1, state="pending", progress=43)
    waiting = Criteria(snapshot_ids=(pending.snapshot_id,), states=("pending", "completed", "error"))
    assert select([pending], waiting).progress(waiting) == {"done": 43, "total": 100, "item": pending.snapshot_id}
    assert select([snapshot(1)], waiting).progress(waiting) == {"done": 100, "total": 100, "item": pending.snapshot_id}
    assert select([snapshot(1, state="error")], waiting).progress(waiting) is None
    assert select([], waiting).progress(waiting) is None
    finished = replace(waiting, states=("completed",))
    assert select([snapshot(1)], finished).progress(finished) is None
    everything = Criteria(states=("pending",))
    assert select([pending], everything).progress(everything) is None


def test_only_one_build() -> None:
    mine = snapshot(1, tags={"petal:build-id": "b1"})
    theirs = snapshot(2, tags={"petal:build-id": "b2"})
    found = select([mine, theirs, snapshot(3)], Criteria(build_id="b1"))
    assert found.snapshots == [mine]
    assert "no snapshot matches build b3" in select([mine], Criteria(build_id="b3")).reason


def test_an_older_fingerprint_counts_where_there_is_no_other() -> None:
    criteria = Criteria(fingerprint=FINGERPRINTS[0], older_fingerprints=(FINGERPRINTS[1],))
    older = snapshot(9, fingerprint=FINGERPRINTS[1], size_gb=1)
    alone = select([older], criteria)
    assert alone.best == older
    assert alone.reason.endswith("is the only one that matches, and bears the seed's fingerprint of an older version")
    both = select([older, snapshot(1, size_gb=2)], criteria)
    assert both.best == snapshot(1, size_gb=2)
    assert "older" not in both.reason
    assert len(both.snapshots) == 2
    assert select([older], Criteria(fingerprint=FINGERPRINTS[0])).best is None
    assert f"fingerprint {FINGERPRINTS[0]} or fingerprint {FINGERPRINTS[1]}" in select([], criteria).reason


def test_a_date_that_cannot_be_is_never_the_newest() -> None:
    """Whoever forges a record would be the newest of all; and a clock may stand at 2001."""
    genuine = snapshot(1)
    forged = snapshot(2, created="2040-01-01T00:00:00Z")
    ancient = snapshot(3, created="2001-01-01T00:00:00Z")
    chosen = select([forged, ancient, genuine], Criteria(fingerprint=FINGERPRINTS[0]))
    assert chosen.best == genuine
    assert [one.snapshot_id for one in chosen.snapshots] == [one.snapshot_id for one in (genuine, forged, ancient)]
    # With nothing better, it is still a snapshot.
    assert select([forged], Criteria(fingerprint=FINGERPRINTS[0])).best == forged


def test_what_was_built_here_comes_before_what_was_brought() -> None:
    """A forged one may be newer, and smaller."""
    own, brought = snapshot(1), snapshot(2, size_gb=1, imported="store /net/x")
    chosen = select([brought, own], Criteria(fingerprint=FINGERPRINTS[0]))
    assert chosen.best == own
    assert chosen.reason.endswith("and was built here, as 1 other was not")
    assert select([brought], Criteria(fingerprint=FINGERPRINTS[0])).best == brought


def test_what_was_built_here_goes_by_its_number_and_no_clock_decides() -> None:
    """A build of 2001 is newer than one of 2040 that came before it, and than all that was brought in."""
    of_2040 = snapshot(1, created="2040-01-01T00:00:00Z", sequence=1)
    of_today = snapshot(2, sequence=2)
    of_2001 = snapshot(3, created="2001-01-01T00:00:00Z", sequence=3)
    brought = snapshot(4, created="2026-06-01T00:00:00Z")
    assert select([brought, of_today, of_2001, of_2040], Criteria(fingerprint=FINGERPRINTS[0])).best == of_2001
