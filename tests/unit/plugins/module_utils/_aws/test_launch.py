"""Which host of a build is kept, and how one is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.launch import (
    FAIL,
    NEXT,
    ON_DEMAND,
    Attempt,
    Launch,
    attempts,
    check_tags,
    choose,
    ended_because,
    filters,
    instances_of,
    launch_of,
    meaning,
    parameters,
    record,
)
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import from_aws, to_aws

TAGS = {"petal:fingerprint": "sha256:0", "petal:build-id": "b1"}
LAUNCH = Launch("petal-x", "ami-1", "c6a.4xlarge", "petal-x", "key-1", TAGS, root_device="/dev/xvda")


def instance(number: int, state: str = "running", **tags: str) -> dict[str, Any]:
    """An instance as EC2 shows it."""
    whole = {**TAGS, "petal:key-pair-id": "key-1", **{f"petal:{key.replace('_', '-')}": tags[key] for key in tags}}
    return {
        "InstanceId": f"i-{number}",
        "State": {"Name": state},
        "LaunchTime": f"2026-01-01T00:00:{number:02}Z",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "Tags": to_aws(whole),
    }


@pytest.mark.parametrize(
    ("there", "kept", "replaced"),
    [
        ([], None, []),
        ([instance(1)], "i-1", []),
        ([instance(1, "pending")], "i-1", []),
        ([instance(1, key_pair_id="key-0")], None, ["i-1"]),
        ([instance(1, build_id="b0")], None, ["i-1"]),
        ([instance(1, "stopped")], None, ["i-1"]),
        ([instance(1, "stopping")], None, ["i-1"]),
        # The one that runs, and of two the older.
        ([instance(1, "pending"), instance(2)], "i-2", ["i-1"]),
        ([instance(2), instance(1)], "i-1", ["i-2"]),
        ([instance(1, "terminated"), instance(2, "shutting-down")], None, []),
    ],
)
def test_which_host_is_kept(there: list[dict[str, Any]], kept: str | None, replaced: list[str]) -> None:
    choice = choose(there, LAUNCH)
    assert (choice.keep or {}).get("InstanceId") == kept
    assert list(choice.replace) == replaced
    assert all(choice.replace.values())


def test_a_host_away_from_the_volume_is_replaced() -> None:
    choice = choose([instance(1)], replace(LAUNCH, availability_zone="us-east-1b"))
    assert choice.keep is None
    assert choice.replace == {"i-1": "it is in us-east-1a, the volume in us-east-1b"}


def test_a_host_without_the_instance_profile_is_replaced() -> None:
    wanted = replace(LAUNCH, iam_instance_profile="petal-ssm-host")
    assert choose([instance(1)], wanted).replace == {"i-1": "it has no instance profile"}
    there = {**instance(1), "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/petal-ssm-host"}}
    assert choose([there], wanted).keep == there


def test_those_that_end_are_waited_for_and_never_come_back() -> None:
    choice = choose([instance(1, "terminated"), instance(2, "shutting-down")], LAUNCH)
    assert choice.ending == ["i-2"]
    assert choice.gone == ["i-1", "i-2"]


def test_spot_everywhere_first() -> None:
    assert attempts(replace(LAUNCH, subnet_ids=("a", "b"))) == [
        Attempt(True, "a"),
        Attempt(True, "b"),
        Attempt(False, "a"),
        Attempt(False, "b"),
    ]
    assert attempts(replace(LAUNCH, spot=False)) == [Attempt(False)]


@pytest.mark.parametrize(
    ("code", "spot", "what"),
    [
        ("InsufficientInstanceCapacity", True, NEXT),
        ("InsufficientInstanceCapacity", False, NEXT),
        ("Unsupported", False, NEXT),
        ("MaxSpotInstanceCountExceeded", True, ON_DEMAND),
        ("VcpuLimitExceeded", True, ON_DEMAND),
        ("VcpuLimitExceeded", False, FAIL),
        ("UnauthorizedOperation", True, FAIL),
        ("", False, FAIL),
    ],
)
def test_what_a_refusal_means(code: str, spot: bool, what: str) -> None:
    assert meaning(code, spot) == what


def test_what_is_asked_for() -> None:
    wanted = parameters(
        replace(
            LAUNCH,
            subnet_ids=("s-1",),
            security_group_ids=("sg-1",),
            root_size_gb=60,
            user_data="#!/bin/sh\n",
            iam_instance_profile="builder",
        ),
        Attempt(True, "s-1"),
        (),
    )
    assert (wanted["MinCount"], wanted["MaxCount"]) == (1, 1)
    assert wanted["MetadataOptions"]["HttpTokens"] == "required"
    assert wanted["InstanceInitiatedShutdownBehavior"] == "terminate"
    ebs = {"DeleteOnTermination": True, "Encrypted": True, "VolumeType": "gp3", "VolumeSize": 60}
    assert wanted["BlockDeviceMappings"] == [{"DeviceName": "/dev/xvda", "Ebs": ebs}]
    assert wanted["SubnetId"] == "s-1"
    assert wanted["IamInstanceProfile"] == {"Name": "builder"}
    assert wanted["InstanceMarketOptions"]["MarketType"] == "spot"
    tags = {one["ResourceType"]: from_aws(one["Tags"]) for one in wanted["TagSpecifications"]}
    assert set(tags) == {"instance", "network-interface", "spot-instances-request", "volume"}
    assert tags["instance"] == {**TAGS, "Name": "petal-x", "petal:key-pair-id": "key-1"}
    # The volume with the software is found by its name.
    assert tags["volume"] == {**TAGS, "Name": "petal-x-root"}


def test_what_is_not_asked_for() -> None:
    wanted = parameters(
        replace(LAUNCH, availability_zone="us-east-1b", iam_instance_profile="arn:aws:iam::1:instance-profile/x"),
        Attempt(False),
        (),
    )
    assert wanted["Placement"] == {"AvailabilityZone": "us-east-1b"}
    assert wanted["IamInstanceProfile"] == {"Arn": "arn:aws:iam::1:instance-profile/x"}
    assert not {"InstanceMarketOptions", "SubnetId", "UserData", "SecurityGroupIds"} & set(wanted)


def test_client_tokens() -> None:
    token = parameters(LAUNCH, Attempt(True), ())["ClientToken"]
    assert len(token) == 64
    assert parameters(LAUNCH, Attempt(True), ())["ClientToken"] == token
    others = {
        parameters(LAUNCH, Attempt(False), ())["ClientToken"],
        parameters(LAUNCH, Attempt(True), ("i-1",))["ClientToken"],
        parameters(replace(LAUNCH, user_data="x"), Attempt(True), ())["ClientToken"],
        parameters(replace(LAUNCH, client_token_seed="x"), Attempt(True), ())["ClientToken"],
        parameters(replace(LAUNCH, tags={**TAGS, "petal:build-id": "b2"}), Attempt(True), ())["ClientToken"],
    }
    assert len({token, *others}) == 6


def test_how_hosts_are_found() -> None:
    assert filters("petal-x", TAGS, build=False) == [
        {"Name": "tag:Name", "Values": ["petal-x"]},
        {"Name": "tag:petal:fingerprint", "Values": ["sha256:0"]},
    ]
    assert len(filters("petal-x", TAGS, build=True)) == 3
    assert instances_of([{"Instances": [instance(1)]}, {"Instances": [instance(2)]}, {}]) == [instance(1), instance(2)]


def test_tags_are_needed() -> None:
    assert check_tags({**TAGS, "count": 1})["count"] == "1"
    assert check_tags({"petal:build-id": "b1"}, whole=False) == {"petal:build-id": "b1"}
    for tags, whole in (({"petal:build-id": "b1"}, True), ({}, False)):
        with pytest.raises(PetalError, match="petal:fingerprint"):
            check_tags(tags, whole=whole)


def test_from_parameters() -> None:
    empty = dict.fromkeys(
        ("key_name", "availability_zone", "root_size_gb", "root_device", "user_data", "iam_instance_profile"), None
    )
    given: dict[str, Any] = {
        **empty,
        "name": "petal-x",
        "image_id": "ami-1",
        "instance_type": "c6a.4xlarge",
        "key_pair_id": "key-1",
        "tags": TAGS,
        "spot": True,
        "subnet_ids": [],
        "security_group_ids": [],
        "client_token_seed": None,
    }
    assert launch_of(given) == replace(LAUNCH, root_device="")


def test_why_one_ended() -> None:
    ended = {"StateReason": {"Code": "Server.SpotInstanceTermination", "Message": "Spot"}}
    assert ended_because(ended) == ("Server.SpotInstanceTermination", "Spot")
    assert ended_because({"StateTransitionReason": "User initiated"}) == ("", "User initiated")
    assert ended_because({}) == ("", "no reason given")


def test_a_record_of_nothing() -> None:
    assert record({})["instance_id"] == ""
    assert record({**instance(1), "InstanceLifecycle": "spot"})["spot"] is True
