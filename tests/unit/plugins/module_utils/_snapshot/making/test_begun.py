"""What a volume's tag says of its snapshot, and which of several snapshots is the build's."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._snapshot.making.begun import (
    AGAIN,
    FAIL,
    UNKNOWN,
    Begun,
    begun,
    choose,
    meaning,
    tag,
)

ID = "snap-0123456789abcdef0"


@pytest.mark.parametrize("state", [Begun(), Begun("", 60.0), Begun(ID, 60.0), Begun(ID)])
def test_there_and_back(state: Begun) -> None:
    assert begun({"Tags": [{"Key": key, "Value": value} for key, value in tag(state).items()]}) == state


@pytest.mark.parametrize("value", ["yes", "snap-1", "1970", " "])
def test_what_says_nothing(value: str) -> None:
    assert begun({"Tags": [{"Key": "petal:snapshot", "Value": value}]}) == Begun()
    assert begun(None) == begun({}) == Begun()


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("RequestLimitExceeded", AGAIN),
        ("SnapshotCreationPerVolumeRateExceeded", AGAIN),
        ("", UNKNOWN),
        ("InternalError", UNKNOWN),
        ("UnauthorizedOperation", FAIL),
        ("InvalidVolume.NotFound", FAIL),
    ],
)
def test_refusals(code: str, what: str) -> None:
    assert meaning(code) == what


def test_the_one_of_several() -> None:
    first = {"SnapshotId": "snap-a", "State": "pending", "StartTime": "2026-01-01"}
    second = {"SnapshotId": "snap-b", "State": "completed", "StartTime": "2026-01-02"}
    failed = {"SnapshotId": "snap-c", "State": "error", "StartTime": "2025-01-01"}
    assert choose([]) == ("", [])
    assert choose([failed]) == ("", ["snap-c"])
    assert choose([second, failed, first]) == ("snap-a", ["snap-b", "snap-c"])
    assert choose([second, first], "snap-b") == ("snap-b", ["snap-a"])
