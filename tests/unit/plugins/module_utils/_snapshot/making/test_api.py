"""One snapshot of one build, whatever AWS shows and when, and whatever becomes of its answers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.making.api import BuildSnapshot, BuildSnapshotRequest

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
TAGS = {
    "petal:fingerprint": FINGERPRINT,
    "petal:build-id": "b1",
    "petal:name": "bio",
    "petal:os": "debian12",
    "petal:architecture": "x86_64",
}
WANTED = BuildSnapshotRequest(
    FINGERPRINT, "b1", "bio", "petal-0123456789abcdef", TAGS, "vol-1", f"petal.hpc bio {FINGERPRINT}"
)


def refusal(code: str, action: str = "CreateSnapshot") -> ClientError:
    """An error as boto3 raises it."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, action)


class Cloud:
    """EC2 with one volume, where new snapshots are seen ``late`` seconds after they are made, on a clock of its own."""

    def __init__(self, late: float = 0.0, states: tuple[str, ...] = ()) -> None:
        self.now = 1_790_000_000.0
        self.late = late
        self.states = list(states)
        self.made: list[dict[str, Any]] = []
        self.volume: dict[str, str] = {}
        self.asked = 0
        #: What happens to CreateSnapshot, one for each call: an exception before or after it was carried out.
        self.before: list[BaseException | None] = []
        self.after: list[BaseException | None] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def create_snapshot(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        if self.before and (problem := self.before.pop(0)):
            raise problem
        number = len(self.made)
        snapshot = {
            "SnapshotId": f"snap-{number:017x}",
            "VolumeSize": 2,
            "OwnerId": "111122223333",
            "StartTime": datetime(2026, 11, 26, 1, number, tzinfo=timezone.utc),
            "Description": asked["Description"],
            "Tags": asked["TagSpecifications"][0]["Tags"],
            "seen": self.now + self.late,
            "done": self.now + 30,
            "State": "pending",
            "end": self.states.pop(0) if self.states else "completed",
        }
        self.made.append(snapshot)
        if self.after and (problem := self.after.pop(0)):
            raise problem
        return {"SnapshotId": snapshot["SnapshotId"]}

    def describe_snapshots(self, **asked: Any) -> dict[str, Any]:
        shown = [
            {**one, "State": one["end"] if self.now >= one["done"] else "pending"}
            for one in self.made
            if self.now >= one["seen"] and one["SnapshotId"] in asked.get("SnapshotIds", [one["SnapshotId"]])
        ]
        if asked.get("SnapshotIds") and not shown:
            raise refusal("InvalidSnapshot.NotFound", "DescribeSnapshots")
        return {"Snapshots": shown}

    def delete_snapshot(self, **asked: Any) -> None:
        self.made = [one for one in self.made if one["SnapshotId"] != asked["SnapshotId"]]

    def create_tags(self, **asked: Any) -> None:
        assert asked["Resources"] == ["vol-1"]
        self.volume.update({one["Key"]: one["Value"] for one in asked["Tags"]})

    def get_paginator(self, name: str) -> Any:
        assert name == "describe_volumes"
        return self

    def paginate(self, **_: Any) -> Any:
        return self

    def build_full_result(self) -> dict[str, Any]:
        tags = [{"Key": key, "Value": value} for key, value in self.volume.items()]
        return {"Volumes": [{"VolumeId": "vol-1", "Tags": tags}]}


def snapshots(cloud: Cloud) -> BuildSnapshot:
    return BuildSnapshot(cloud, cloud, "us-east-1", sleep=cloud.sleep, clock=lambda: cloud.now)


@pytest.mark.parametrize("late", [0.0, 8.0, 40.0, 250.0])
def test_a_snapshot_that_is_seen_late_is_made_once(late: float) -> None:
    cloud = Cloud(late)
    made = snapshots(cloud).present(WANTED)
    assert cloud.asked == len(cloud.made) == 1
    assert (made["snapshot_id"], made["snapshot"]["state"]) == (cloud.made[0]["SnapshotId"], "completed")
    assert cloud.volume["petal:snapshot"].startswith(made["snapshot_id"])


class Died(BaseException):
    """A controller that was killed."""


def died_behind(cloud: Cloud, *, noted: bool) -> None:
    """A controller died behind CreateSnapshot, with the id written down or without."""

    def die(_seconds: float) -> None:
        raise Died

    cloud.after = [] if noted else [Died()]
    with pytest.raises(Died):
        BuildSnapshot(cloud, cloud, "us-east-1", sleep=die, clock=lambda: cloud.now).present(WANTED)
    assert cloud.asked == 1


@pytest.mark.parametrize("late", [0.0, 8.0, 250.0])
@pytest.mark.parametrize("noted", [True, False])
def test_who_goes_on_follows_what_was_begun(late: float, noted: bool) -> None:
    cloud = Cloud(late)
    died_behind(cloud, noted=noted)
    assert snapshots(cloud).found(WANTED)["snapshot_id"] == cloud.made[0]["SnapshotId"]
    assert snapshots(cloud).present(WANTED)["snapshot"]["state"] == "completed"
    assert cloud.asked == len(cloud.made) == 1


@pytest.mark.parametrize("code", ["InternalError", "Unavailable"])
def test_an_answer_that_was_lost_is_looked_for(code: str) -> None:
    cloud = Cloud(late=100.0)
    cloud.after = [refusal(code)]
    assert snapshots(cloud).present(WANTED)["snapshot"]["state"] == "completed"
    assert cloud.asked == len(cloud.made) == 1


def test_one_that_was_not_made_is_asked_for_again() -> None:
    cloud = Cloud()
    cloud.before = [refusal("RequestLimitExceeded"), refusal("InternalError"), None]
    assert snapshots(cloud).present(WANTED)["snapshot"]["state"] == "completed"
    assert (cloud.asked, len(cloud.made)) == (3, 1)


def test_one_that_aws_gives_up_is_made_once_more() -> None:
    cloud = Cloud(states=("error", "completed"))
    assert snapshots(cloud).present(WANTED)["snapshot"]["state"] == "completed"
    assert (cloud.asked, len(cloud.made)) == (2, 1)


def test_two_that_aws_gives_up() -> None:
    cloud = Cloud(states=("error", "error"))
    with pytest.raises(AwsError, match=r"of bio in state error\. With a key of your own"):
        snapshots(cloud).present(WANTED)
    assert (cloud.made, cloud.volume["petal:snapshot"]) == ([], "")


def test_refused_and_nothing_noted() -> None:
    cloud = Cloud()
    cloud.before = [refusal("UnauthorizedOperation")]
    with pytest.raises(AwsError, match="making a snapshot of vol-1: UnauthorizedOperation: no"):
        snapshots(cloud).present(WANTED)
    assert (cloud.asked, cloud.volume["petal:snapshot"]) == (1, "")


def test_one_that_is_never_shown() -> None:
    cloud = Cloud(late=10_000.0)
    with pytest.raises(AwsError, match=r"is not shown by AWS for 30\d s\. Run again"):
        snapshots(cloud).present(WANTED)


def test_one_that_takes_too_long() -> None:
    cloud = Cloud()
    with pytest.raises(AwsError, match="is still pending after 1"):
        snapshots(cloud).present(BuildSnapshotRequest(**{**vars(WANTED), "timeout": 10}))


def test_nothing_begun_and_no_volume() -> None:
    with pytest.raises(AwsError, match="no volume to make one of"):
        snapshots(Cloud()).present(BuildSnapshotRequest(**{**vars(WANTED), "volume_id": None}))
