"""The lab's late answers: what was made is in no list and under no id until its time has come."""

from __future__ import annotations

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from ec2lab.control.faults import Fault
from ec2lab.control.late import Late

MADE = b'<CreateSnapshotResponse xmlns="http://e/"><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId></CreateSnapshotResponse>'
LISTED = (
    b'<R xmlns="http://e/"><snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId></item>'
    b"<item><snapshotId>snap-2</snapshotId></item></snapshotSet></R>"
)
INSTANCES = (
    b'<R xmlns="http://e/"><reservationSet><item><reservationId>r-1</reservationId><instancesSet><item>'
    b"<instanceId>i-1</instanceId></item></instancesSet></item></reservationSet></R>"
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_snapshot_is_seen_after_its_time() -> None:
    clock = Clock()
    late = Late(clock)
    late.made("CreateSnapshot", MADE, Fault("late", after=8.0))
    refused = late.refuses("DescribeSnapshots", {"SnapshotId.1": "snap-1"})
    assert refused is not None
    assert refused.code == "InvalidSnapshot.NotFound"
    assert b"snap-1" not in late.without("DescribeSnapshots", LISTED)
    assert b"snap-2" in late.without("DescribeSnapshots", LISTED)
    # Only the snapshot is late, not the volume, and no list of anything else is changed.
    assert late.refuses("DescribeVolumes", {"VolumeId.1": "vol-1"}) is None
    assert late.without("DescribeVolumes", LISTED) is LISTED
    # A filter finds nothing instead, and what is no question is answered.
    assert late.refuses("DescribeSnapshots", {"Filter.1.Value.1": "snap-1"}) is None
    assert late.refuses("DeleteSnapshot", {"SnapshotId": "snap-1"}) is None
    clock.now = 8.0
    assert late.refuses("DescribeSnapshots", {"SnapshotId.1": "snap-1"}) is None
    assert late.without("DescribeSnapshots", LISTED) is LISTED


def test_a_reservation_without_its_instance_is_not_shown() -> None:
    late = Late(Clock())
    late.made("RunInstances", INSTANCES, Fault("late", after=8.0))
    assert b"r-1" not in late.without("DescribeInstances", INSTANCES)


def test_a_key_pair_is_not_found_by_its_name_either() -> None:
    late = Late(Clock())
    body = b"<R><keyName>petal-x</keyName><keyPairId>key-1</keyPairId></R>"
    late.made("ImportKeyPair", body, Fault("late", after=8.0))
    assert late.refuses("DescribeKeyPairs", {"KeyName.1": "petal-x"}) is not None
    assert late.refuses("DescribeKeyPairs", {"KeyName.1": "other"}) is None
