"""Which snapshots a site needs no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.retired import retired
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.retention import Retention

NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)


def snapshot(digit: str, created: str, **more: Any) -> dict[str, Any]:
    return {
        "snapshot_id": f"snap-{digit}",
        "name": "bio",
        "os": "debian12",
        "architecture": "x86_64",
        "created": f"{created}T00:00:00Z",
        "state": "completed",
        **more,
    }


BIO = (snapshot("3", "2026-11-29"), snapshot("1", "2026-01-01"), snapshot("2", "2026-06-01"))


def ids(given: dict[str, Any], snapshots: Sequence[dict[str, Any]] = BIO, **more: Any) -> list[str]:
    kept = Retention.of(given)
    assert kept is not None
    found = kept.retires(snapshots, more.get("uses", {}), more.get("shared"), NOW)
    return [str(one["snapshot_id"])[5:] for one in found]


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"keep_last": 1}, ["1", "2"]),
        ({"keep_last": "2", "unused_for": ""}, ["1"]),
        ({"keep_last": 5}, []),
        ({"unused_for": "90d"}, ["1", "2"]),
        ({"unused_for": "24h"}, ["1", "2", "3"]),
        # Both have to let it go.
        ({"keep_last": 1, "unused_for": "40w"}, ["1"]),
    ],
)
def test_the_oldest_go_first(given: dict[str, Any], gone: list[str]) -> None:
    assert ids(given) == gone


def test_what_is_in_use_or_shared_stays() -> None:
    assert ids({"keep_last": 1}, uses={"snap-1": ["mounted at /shared"], "snap-2": []}) == ["2"]
    shared = {"snap-1": {"accounts": ["123456789012"], "public": False}, "snap-2": {"accounts": [], "public": True}}
    assert ids({"keep_last": 1}, shared=shared) == []
    # Nobody was asked about the other one: only so many are.
    assert ids({"keep_last": 1}, shared={"snap-1": {"accounts": [], "public": False}}) == ["1"]


@pytest.mark.parametrize("other", [{"name": "chem"}, {"os": "rhel9"}, {"architecture": "arm64"}])
def test_each_stack_is_counted_by_itself(other: dict[str, Any]) -> None:
    assert ids({"keep_last": 1}, [*BIO, snapshot("0", "2020-01-01", **other)]) == ["1", "2"]


def test_one_that_is_not_complete_neither_goes_nor_counts() -> None:
    assert ids({"keep_last": 1}, [*BIO, snapshot("9", "2026-11-30", state="pending")]) == ["1", "2"]


def test_without_an_age_that_can_be_read_nothing_goes_by_it() -> None:
    assert ids({"unused_for": "1h"}, [snapshot("1", "once")]) == []


@pytest.mark.parametrize("given", [{}, {"keep_last": "", "unused_for": ""}, {"keep_last": None}])
def test_where_nothing_is_said_nothing_goes(given: dict[str, Any]) -> None:
    assert retired(BIO, given) == []


@pytest.mark.parametrize("wrong", [0, "0", "-1", "1.5", "all", "²", "9" * 30])
def test_a_number_is_asked_for(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"keep_last is .*: expected how many snapshots"):
        retired(BIO, {"keep_last": wrong})


def test_an_age_is_asked_for() -> None:
    with pytest.raises(AnsibleFilterError, match="unused_for is '90'; expected a number and its unit"):
        retired(BIO, {"unused_for": "90"})
    with pytest.raises(AnsibleFilterError, match="takes a mapping"):
        retired(BIO, "90d")


def test_what_the_module_says_of_sharing_is_read_and_a_skipped_task_says_nothing() -> None:
    private = {"accounts": [], "public": False}
    shared = {"shared": {"with": {"snap-1": {**private, "accounts": ["123456789012"]}, "snap-2": private}}}
    assert [one["snapshot_id"] for one in retired(BIO, {"keep_last": 1}, {}, shared)] == ["snap-2"]
    assert len(retired(BIO, {"keep_last": 1}, {}, {"skipped": True})) == 2
