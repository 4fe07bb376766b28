"""One Region of a copy against an EC2 that loses answers and shows late what it has done, as the real one may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

botocore = pytest.importorskip("botocore", reason="copies are made with botocore")

from ansible_collections.amazon.aws.plugins.module_utils import cloud
from ansible_collections.petal.hpc.plugins.module_utils._sharing import copying_api as api
from ansible_collections.petal.hpc.plugins.module_utils._sharing.copies import Original, Target
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

HOME, NEAR = "us-east-1", "us-west-2"
ORIGINAL = Snapshot(
    snapshot_id=f"snap-{0:017x}",
    fingerprint="sha256:" + "0123456789abcdef" * 4,
    name="bio",
    os="alinux2023",
    architecture="x86_64",
    size_gb=10,
    created="2026-01-31T12:00:00Z",
    provider="aws",
)
SOURCE, TARGET = Original(ORIGINAL, HOME), Target(NEAR)


class Cloud:
    """EC2 in one Region. lag: how many looks it takes until something is listed. lost: answers to lose."""

    def __init__(self, lag: int = 0, lost: int = 0) -> None:
        self.lag, self.lost = lag, lost
        self.made: list[tuple[int, Snapshot]] = []
        self.looks = 0
        self.deleted: list[str] = []
        self.before_answer: Callable[[], object] = lambda: None

    def scan(self, _criteria: Any) -> tuple[list[Snapshot], list[Any]]:
        self.looks += 1
        return [snapshot for shown, snapshot in self.made if self.looks > shown], []

    def add(self, number: int, state: str = "pending", late: bool = True) -> str:
        # A time of the past: what AWS lists began when AWS says.
        copied = SOURCE.begun(f"snap-{number:017x}", TARGET, f"2026-02-01T00:00:{number:02d}Z")
        self.made.append((self.looks + self.lag * late, replace(copied, state=state)))
        return copied.snapshot_id

    def copy_snapshot(self, **parameters: Any) -> dict[str, str]:
        assert parameters["SourceSnapshotId"] == ORIGINAL.snapshot_id
        made = self.add(len(self.made) + 1)
        self.before_answer()
        if self.lost:
            self.lost -= 1
            response = {"Error": {"Code": "InternalError", "Message": "lost"}}
            raise botocore.exceptions.ClientError(response, "CopySnapshot")
        return {"SnapshotId": made}

    def delete(self, _client: Any, snapshot_id: str) -> bool:
        self.deleted.append(snapshot_id)
        self.made = [(shown, one) for shown, one in self.made if one.snapshot_id != snapshot_id]
        return True

    @property
    def ids(self) -> list[str]:
        return [one.snapshot_id for _shown, one in self.made]


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cloud], Any]:
    """What makes the worker of a Region over such an EC2."""

    def worker(there: Cloud) -> Any:
        monkeypatch.setattr(
            api, "EbsSnapshots", lambda _module, _region: SimpleNamespace(scan=there.scan, client=there)
        )
        monkeypatch.setattr(api, "ec2_client", lambda *_args, **_config: there)
        monkeypatch.setattr(api, "delete_snapshot", there.delete)
        monkeypatch.setattr(cloud.time, "sleep", lambda _seconds: None)
        return api.RegionOf(None, SOURCE, TARGET)

    return worker


@pytest.mark.parametrize("lag", [0, 1, 5, 1000])
def test_what_shows_late_is_not_begun_again(region: Callable[[Cloud], Any], lag: int) -> None:
    there = Cloud(lag=lag)
    worker = region(there)
    worker.settle()
    for _again in range(3):
        worker.settle_duplicates()
    assert (len(there.made), there.deleted) == (1, [])
    assert (worker.outcome.begun, worker.outcome.snapshot.state) == (True, "pending")
    assert worker.outcome.snapshot.snapshot_id == there.ids[0]


@pytest.mark.parametrize("lost", [1, 3])
def test_an_answer_that_was_lost(region: Callable[[Cloud], Any], lost: int) -> None:
    there = Cloud(lost=lost)
    worker = region(there)
    worker.settle()
    worker.settle_duplicates()
    assert (len(there.made), there.deleted, worker.outcome.begun) == (1, [], True)


def test_an_answer_that_was_lost_and_shows_late(region: Callable[[Cloud], Any]) -> None:
    """Then there are two for a moment; the later one goes when both are seen."""
    there = Cloud(lag=2, lost=1)
    worker = region(there)
    worker.settle()
    for _again in range(4):
        worker.settle_duplicates()
    assert len(there.made) == 1
    assert there.deleted == [f"snap-{2:017x}"]
    assert worker.outcome.snapshot.snapshot_id == there.ids[0]


def test_somebody_else_began_one_at_the_same_moment(region: Callable[[Cloud], Any]) -> None:
    there = Cloud()
    worker = region(there)

    def another() -> None:
        theirs = replace(there.made[-1][1], snapshot_id="snap-e", created="2026-01-31T23:00:00Z")
        there.made.insert(0, (0, theirs))

    there.before_answer = another
    worker.settle()
    worker.settle_duplicates()
    assert there.deleted == [f"snap-{1:017x}"]
    assert there.ids == ["snap-e"]
    assert worker.outcome.snapshot.snapshot_id == "snap-e"


def test_two_that_are_pending_from_before(region: Callable[[Cloud], Any]) -> None:
    there = Cloud()
    there.add(2)
    there.add(1)
    worker = region(there)
    worker.settle()
    assert (there.deleted, worker.outcome.begun) == ([f"snap-{2:017x}"], False)
    assert worker.outcome.snapshot.snapshot_id == f"snap-{1:017x}"


def test_one_that_failed_is_made_again(region: Callable[[Cloud], Any]) -> None:
    there = Cloud()
    failed = there.add(1, "error")
    worker = region(there)
    worker.settle()
    assert there.deleted == worker.outcome.deleted == [failed]
    assert (len(there.made), worker.outcome.begun) == (1, True)
