# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policies' test is strict: a call without its tags, or on what it must not touch, is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from iam_policy import Policy, compare

ROOT = Path(__file__).resolve().parents[3]
IAM = ROOT / "docs" / "iam"
BUILDER = Policy.read(IAM / "builder.json")
BUILDER_VPC = Policy.read(IAM / "builder.json", IAM / "builder-vpc.json")
FINGERPRINT = "sha256:" + "a" * 64
# A managed policy holds this many characters beside white space, IAM and AWS STS quotas.
LIMIT = 6144
READS = ("ec2:Describe", "ec2:Get", "pricing:Get", "ssm:Describe")


def call(action: str, service: str = "ec2", **parameters: str) -> dict[str, Any]:
    given = {name.replace("__", "."): value for name, value in parameters.items()}
    return {"service": service, "action": action, "region": "us-east-1", "account": "111122223333", "parameters": given}


def made(action: str, *kinds: str, **parameters: str) -> dict[str, Any]:
    """A call that creates something with the tags of a build."""
    found = call(action, **parameters)
    for number, kind in enumerate(kinds, start=1):
        place = f"TagSpecification.{number}"
        found["parameters"] |= {
            f"{place}.ResourceType": kind,
            f"{place}.Tag.1.Key": "petal:fingerprint",
            f"{place}.Tag.1.Value": FINGERPRINT,
        }
    return found


def launch(*kinds: str, **different: str) -> dict[str, Any]:
    parameters = {
        "KeyName": "petal-a",
        "MetadataOptions__HttpTokens": "required",
        "BlockDeviceMapping__1__Ebs__Encrypted": "true",
        "InstanceMarketOptions__MarketType": "spot",
        **different,
    }
    return made("RunInstances", *kinds, **parameters)


LAUNCHED = ("instance", "network-interface", "spot-instances-request", "volume")
BUILD = [
    call("DescribeSnapshots"),
    call("GetCallerIdentity", "sts"),
    made("ImportKeyPair", "key-pair", KeyName="petal-a"),
    made("CreateSecurityGroup", "security-group", VpcId="vpc-1"),
    call("AuthorizeSecurityGroupIngress", GroupId="sg-1"),
    launch(*LAUNCHED),
    made("CreateVolume", "volume", Encrypted="true"),
    call("AttachVolume", VolumeId="vol-1", InstanceId="i-1"),
    call("CreateTags", ResourceId__1="key-1", Tag__1__Key="petal:renewed", Tag__1__Value="2026-01-31T12:00:00Z"),
    made("CreateSnapshot", "snapshot", VolumeId="vol-1"),
    call("TerminateInstances", InstanceId__1="i-1"),
    call("DeleteTags", ResourceId__1="snap-1", Tag__1__Key="petal:cleanup"),
    call("DeleteKeyPair", KeyPairId="key-1"),
]


def denied(*calls: dict[str, Any], policy: Policy = BUILDER) -> list[str]:
    return compare(policy, calls).denied


def test_a_build_is_allowed() -> None:
    assert denied(*BUILD) == []


def test_what_was_never_made_is_told() -> None:
    unused = compare(BUILDER, BUILD).unused
    assert "ec2:DeleteVolume" in unused
    assert "ec2:DescribeSnapshots" not in unused
    assert "pricing:GetProducts" not in unused
    assert "pricing:GetProducts" in compare(BUILDER, BUILD, optional=()).unused


@pytest.mark.parametrize(
    ("wrong", "need"),
    [
        (call("CreateVolume"), "ec2:CreateVolume on arn:aws:ec2:us-east-1:111122223333:volume/x"),
        (call("ImportKeyPair", KeyName="x"), "ec2:ImportKeyPair on "),
        (made("CreateSnapshot"), "ec2:CreateSnapshot on arn:aws:ec2:us-east-1::snapshot/x"),
        (launch("instance", "network-interface", "spot-instances-request"), ":volume/x"),
        (launch("instance", "network-interface", "volume"), ":spot-instances-request/x"),
        (launch(*LAUNCHED, MetadataOptions__HttpTokens="optional"), ":instance/x"),
        (launch(*LAUNCHED, BlockDeviceMapping__1__Ebs__Encrypted="false"), ":volume/x"),
        (launch(*LAUNCHED, IamInstanceProfile__Name="admin"), "iam:PassRole on "),
        (call("CreateTags", ResourceId__1="i-1", Tag__1__Key="petal:renewed", Tag__1__Value="x"), "ec2:CreateTags on "),
        (call("CreateTags", ResourceId__1="key-1", Tag__1__Key="petal:build-id", Tag__1__Value="x"), ":key-pair/x"),
        (call("DeleteTags", ResourceId__1="snap-1", Tag__1__Key="petal:fingerprint"), "ec2:DeleteTags on "),
        (made("CreateVpc", "vpc"), "ec2:CreateVpc on "),
        (
            call("StopInstances", InstanceId__1="i-1"),
            "ec2:StopInstances on ",
        ),
        (call("ListBuckets", "s3"), "s3:ListBuckets on *"),
    ],
)
def test_what_a_builder_must_not_do(wrong: dict[str, Any], need: str) -> None:
    assert any(need in found for found in denied(wrong)), denied(wrong)


def test_a_small_vpc_takes_its_own_policy() -> None:
    calls = [
        made("CreateVpc", "vpc"),
        made("CreateSubnet", "subnet", VpcId="vpc-1"),
        made("CreateInternetGateway", "internet-gateway"),
        made("CreateRouteTable", "route-table", VpcId="vpc-1"),
        call("DeleteVpc", VpcId="vpc-1"),
    ]
    assert len(denied(*calls)) >= len(calls)
    assert denied(*calls, policy=BUILDER_VPC) == []
    tag = call("CreateTags", ResourceId__1="igw-1", Tag__1__Key="petal:fingerprint", Tag__1__Value=FINGERPRINT)
    assert denied(call("CreateInternetGateway"), policy=BUILDER_VPC)
    assert denied(tag, policy=BUILDER_VPC)


def test_private_keys_that_are_kept_take_their_own_policy() -> None:
    name = "/petal/build-keys/20260131T120000Z-0123abcd"
    tags = {"Tag__1__Key": "petal:fingerprint", "Tag__1__Value": FINGERPRINT}
    calls = [
        call("PutParameter", "ssm", Name=name, **tags),
        *(call(action, "ssm", Name=name) for action in ("GetParameter", "DeleteParameter")),
        call("DescribeParameters", "ssm"),
        call("ListTagsForResource", "ssm", ResourceId=name),
    ]
    policy = Policy.read(IAM / "builder.json", IAM / "builder-keys.json")
    assert len(denied(*calls)) > len(calls)
    assert denied(*calls, policy=policy) == []
    for foreign in (
        call("PutParameter", "ssm", Name=name),
        call("PutParameter", "ssm", Name="/site/password", **tags),
        call("GetParameter", "ssm", Name="/petal/buildcache-key"),
    ):
        assert denied(foreign, policy=policy), foreign


def test_session_manager_takes_its_own_policy() -> None:
    started = call("StartSession", "ssm", Target="i-1")
    kept = {"Bucket": "petal-ssm-x", "Key": "i-1//home/ssm-user/a"}
    calls = [
        launch(*LAUNCHED, IamInstanceProfile__Name="petal-ssm-x"),
        started,
        call("TerminateSession", "ssm", SessionId="lab-0123"),
        call("HeadBucket", "s3", Bucket="petal-ssm-x"),
        *(call(action, "s3", **kept) for action in ("PutObject", "HeadObject", "GetObject", "DeleteObject")),
    ]
    policy = Policy.read(IAM / "builder.json", IAM / "builder-ssm.json")
    assert len(denied(*calls)) >= len(calls)
    assert denied(*calls, policy=policy) == []
    for foreign in (
        launch(*LAUNCHED, IamInstanceProfile__Name="admin"),
        call("TerminateSession", "ssm", SessionId="somebody-0123"),
        call("StartSession", "ssm", Target="i-1", DocumentName="AWS-StartPortForwardingSession"),
        call("GetObject", "s3", Bucket="petal-ssm-x", Key="other/file"),
        call("GetObject", "s3", Bucket="data", Key="i-1/file"),
    ):
        assert denied(foreign, policy=policy), foreign


def test_a_deployer_reads_and_restores() -> None:
    deployer = Policy.read(IAM / "deployer.json")
    restored = made("CreateVolume", "volume", SnapshotId="snap-1")
    assert compare(deployer, [call("DescribeSnapshots"), call("DescribeImages"), restored]).denied == []
    assert denied(call("DeleteSnapshot", SnapshotId="snap-1"), policy=deployer)
    hook = {"Bucket": "lab-hooks", "Key": "petal/bio-cluster/petal-node-bootstrap"}
    uploaded = [
        call("HeadBucket", "s3", Bucket="lab-hooks"),
        call("HeadObject", "s3", **hook),
        call("PutObject", "s3", **hook),
    ]
    assert compare(deployer, [call("DescribeSubnets"), call("DescribeVolumes"), *uploaded]).denied == []
    assert denied(call("PutObject", "s3", Bucket="lab-hooks", Key="petal/other"), policy=deployer)


@pytest.mark.parametrize("path", sorted(IAM.glob("*.json")), ids=lambda path: path.name)
def test_the_documents_can_be_policies(path: Path) -> None:
    document = json.loads(path.read_text())
    assert document["Version"] == "2012-10-17"
    assert len("".join(path.read_text().split())) <= LIMIT
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids)
    for statement in document["Statement"]:
        reads = all(action.startswith(READS) for action in statement["Action"])
        assert statement["Resource"] != "*" or reads, statement["Sid"]
        assert not any("*" in action for action in statement["Action"]), statement["Sid"]


def test_what_is_not_understood_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="only Allow"):
        Policy([{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}])
    odd = {
        "Effect": "Allow",
        "Action": "ec2:X",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:CurrentTime": "x"}},
    }
    with pytest.raises(ValueError, match="DateLessThan"):
        compare(Policy([{"Statement": [odd]}]), [call("X")])
