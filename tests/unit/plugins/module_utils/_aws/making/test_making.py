"""Volumes and security groups: made once, and followed by the id that AWS gave."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._aws.making.api import Made
from ansible_collections.petal.hpc.plugins.module_utils._aws.making.kinds import (
    FAILED,
    GONE,
    KINDS,
    READY,
    WAIT,
    filters_of,
    oldest,
    parameters,
    progress_of,
)
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

FILTERS = {"tag:petal:build-id": "b1"}
TAGS = {"petal:build-id": "b1"}


class Cloud:
    """EC2 whose resources are seen ``late`` seconds after they are made, on a clock of its own."""

    def __init__(self, late: float = 0.0, state: str = "available") -> None:
        self.now = 0.0
        self.late = late
        self.state = state
        self.made: list[dict[str, Any]] = []
        self.tokens: dict[str, dict[str, Any]] = {}
        self.asked = 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def create_volume(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        token = asked.pop("ClientToken")
        if token not in self.tokens:
            one = {
                "VolumeId": f"vol-{len(self.made)}",
                "AvailabilityZone": asked["AvailabilityZone"],
                "Size": asked["Size"],
                "State": self.state,
                "seen": self.now + self.late,
            }
            self.made.append(one)
            self.tokens[token] = {"asked": asked, "one": one}
        if self.tokens[token]["asked"] != asked:
            raise ClientError({"Error": {"Code": "IdempotentParameterMismatch", "Message": "no"}}, "CreateVolume")
        known: dict[str, Any] = self.tokens[token]["one"]
        return known

    def describe_volumes(self, **asked: Any) -> dict[str, Any]:
        seen = [one for one in self.made if self.now >= one["seen"] and one["State"] != "gone"]
        if ids := asked.get("VolumeIds"):
            seen = [one for one in seen if one["VolumeId"] in ids]
            if not seen:
                raise ClientError({"Error": {"Code": "InvalidVolume.NotFound", "Message": "no"}}, "DescribeVolumes")
        return {"Volumes": seen}

    def create_security_group(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        if self.made:
            raise ClientError({"Error": {"Code": "InvalidGroup.Duplicate", "Message": "no"}}, "CreateSecurityGroup")
        self.made.append({"GroupId": "sg-0", "VpcId": asked["VpcId"], "seen": self.now + self.late})
        return {"GroupId": "sg-0"}

    def create_subnet(self, **asked: Any) -> dict[str, Any]:
        if self.made:
            raise ClientError({"Error": {"Code": "InvalidSubnet.Conflict", "Message": "no"}}, "CreateSubnet")
        self.made.append({"SubnetId": "subnet-0", "VpcId": asked["VpcId"], "State": "pending", "seen": self.now})
        return {"Subnet": {**self.made[0]}}

    def describe_subnets(self, **_: Any) -> dict[str, Any]:
        seen = [one for one in self.made if self.now >= one["seen"] + self.late]
        return {"Subnets": [{**one, "State": "available"} for one in seen]}

    def describe_security_groups(self, **_: Any) -> dict[str, Any]:
        return {"SecurityGroups": [one for one in self.made if self.now >= one["seen"]]}


class Client:
    """Takes amazon.aws's ``aws_retry`` away, as its wrapper does."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._cloud, name)
        return lambda **wanted: method(**{name: value for name, value in wanted.items() if name != "aws_retry"})


def volume(cloud: Cloud, zone: str = "us-east-1a", *, check: bool = False, patience: float = 300) -> dict[str, Any]:
    made = Made(Client(cloud), "volume", patience, sleep=cloud.sleep, clock=lambda: cloud.now)
    return made.present(FILTERS, {"AvailabilityZone": zone, "Size": 2, "Iops": ""}, TAGS, "b1", check)


def group(cloud: Cloud) -> dict[str, Any]:
    made = Made(Client(cloud), "security_group", 300, sleep=cloud.sleep, clock=lambda: cloud.now)
    return made.present({"group-name": "petal-x"}, {"GroupName": "petal-x", "VpcId": "vpc-1"}, TAGS, "b1")


@pytest.mark.parametrize("late", [0.0, 4.0, 40.0, 250.0])
def test_a_volume_that_is_seen_late_is_made_once(late: float) -> None:
    cloud = Cloud(late)
    assert volume(cloud)["resource_id"] == "vol-0"
    again = volume(cloud)
    assert (again["changed"], again["resource_id"], len(cloud.made)) == (False, "vol-0", 1)
    assert again["resource"] == {"availability_zone": "us-east-1a", "vpc_id": "", "size_gb": 2, "snapshot_id": ""}


@pytest.mark.parametrize("zone", ["us-east-1a", "us-east-1b"])
def test_who_goes_on_before_it_is_seen_gets_the_same(zone: str) -> None:
    """The token brings it back; with another zone AWS only says that there is one."""
    cloud = Cloud(late=100.0)
    cloud.create_volume(**parameters(KINDS["volume"], {"AvailabilityZone": "us-east-1a", "Size": 2}, TAGS, "b1", 0))
    assert volume(cloud, zone)["resource_id"] == "vol-0"
    assert len(cloud.made) == 1


def test_one_that_is_gone_is_made_anew() -> None:
    """Its token would give it back for ever."""
    cloud = Cloud()
    volume(cloud)
    cloud.made[0]["State"] = "gone"
    assert volume(cloud)["resource_id"] == "vol-1"


@pytest.mark.parametrize("late", [0.0, 4.0, 40.0])
def test_a_security_group_that_is_seen_late(late: float) -> None:
    cloud = Cloud(late)
    assert group(cloud) == {
        "changed": True,
        "resource_id": "sg-0",
        "resource": {"availability_zone": "", "vpc_id": "vpc-1", "size_gb": None, "snapshot_id": ""},
    }
    cloud.made[0]["seen"] = cloud.now + late
    # Refused as a duplicate, and found a little later.
    assert group(cloud)["changed"] is False


@pytest.mark.parametrize("late", [0.0, 4.0, 40.0])
def test_a_subnet_that_is_seen_late(late: float) -> None:
    cloud = Cloud(late)
    for changed in (True, False):
        made = Made(Client(cloud), "subnet", 300, sleep=cloud.sleep, clock=lambda: cloud.now)
        given = {"VpcId": "vpc-1", "CidrBlock": "10.73.0.0/24"}
        result = made.present({"vpc-id": "vpc-1", "cidr-block": "10.73.0.0/24"}, given, TAGS, "b1")
        assert (result["changed"], result["resource_id"]) == (changed, "subnet-0")
        assert result["resource"]["vpc_id"] == "vpc-1"
        cloud.made[0]["seen"] = cloud.now


def test_what_does_not_become_ready() -> None:
    with pytest.raises(AwsError, match="the volume vol-0 is in the state error"):
        volume(Cloud(state="error"))
    with pytest.raises(AwsError, match="the volume vol-0 is still creating after 300 s"):
        volume(Cloud(state="creating"))


def test_what_is_never_shown() -> None:
    with pytest.raises(AwsError, match="AWS does not show what it has made for 10 s"):
        volume(Cloud(late=1e9), patience=10)


def test_check_mode_makes_nothing() -> None:
    cloud = Cloud()
    assert volume(cloud, check=True) == {"changed": True, "resource_id": "", "resource": {}}
    assert cloud.asked == 0


def test_parts() -> None:
    assert [progress_of(one) for one in (None, {}, {"State": "creating"}, {"State": "deleting"}, {"State": "x"})] == [
        WAIT,
        READY,
        WAIT,
        GONE,
        FAILED,
    ]
    old, new, dead = ({"State": s, "CreateTime": t} for s, t in (("available", 1), ("in-use", 2), ("deleting", 0)))
    assert oldest([new, dead, old]) is old
    assert filters_of({"status": ["a", "b"], "tag:x": 1}) == [
        {"Name": "status", "Values": ["a", "b"]},
        {"Name": "tag:x", "Values": ["1"]},
    ]
    with pytest.raises(PetalError, match="filters are missing"):
        filters_of({})
    assert "ClientToken" not in parameters(KINDS["security_group"], {}, TAGS, "b1", 0)
