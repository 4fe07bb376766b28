"""The EC2 lab keeps its promises: real hosts and bytes behind AWS's own API, other accounts, faults, and no leaks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from botocore.config import Config
from botocore.exceptions import ClientError
from ec2lab import roots, sandbox
from ec2lab.client import Client
from ec2lab.data.linux import network_of
from ec2lab.settings import OTHER_ACCOUNT, OTHER_ADDRESS, Delays, Settings, delays, shares
from ec2lab.testing import Cloud, error_of, inside, loops, wait_for, why_not

DELAYS = Delays(
    instance_pending=0.2,
    instance_stopping=0.2,
    volume_creating=0.4,
    volume_attaching=0.2,
    volume_detaching=0.2,
    snapshot_pending=1.0,
)


def make_wheel(directory: Path) -> None:
    """A wheel of a package that no index has, so that installing it proves where it came from."""
    info = "petal_lab_demo-1.0.dist-info"
    files = {
        "petal_lab_demo.py": "VALUE = 42\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: petal-lab-demo\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(directory / "petal_lab_demo-1.0-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def settings_for(tmp: Path) -> Settings:
    """Settings of a lab with short delays. Skips where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    make_wheel(tmp)
    return Settings(DELAYS, root=str(roots.root()), wheels=str(tmp), shares=shares([str(tmp)]))


@pytest.fixture(scope="module")
def lab_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the lab's wheels, which it shares too."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def lab(lab_files: Path) -> Iterator[Client]:
    """A lab, and this process in its network and with its credentials."""
    with inside(settings_for(lab_files)) as client:
        yield client


@pytest.fixture(scope="module")
def cloud(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """The main account."""
    assert lab.instances() == []
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    cloud.set_up()
    return cloud


@pytest.fixture(scope="module")
def other(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """Another account."""
    assert lab is not None
    return Cloud(tmp_path_factory.mktemp("other"), OTHER_ACCOUNT)


@pytest.fixture(scope="module")
def host(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """An instance for the tests that do it no harm."""
    instance = cloud.launch(
        MetadataOptions={"HttpTokens": "required"}, UserData="#!/bin/sh\necho from user data >/run/user-data\n"
    )
    yield instance
    cloud.terminate(instance["InstanceId"])


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test inherits another one's faults."""
    yield
    if "lab" in request.fixturenames or "cloud" in request.fixturenames:
        Client().clear_faults()


def test_a_shared_directory_is_there_and_cannot_be_changed(cloud: Cloud, host: dict[str, Any], lab_files: Path) -> None:
    assert cloud.ssh(host, f"sudo ls {lab_files}") == "petal_lab_demo-1.0-py3-none-any.whl"
    assert cloud.ssh(host, f"sudo touch {lab_files}/x 2>&1 || true").endswith("Read-only file system")


@pytest.mark.parametrize("path", ["/", "/etc/ssh", "/nonexistent"])
def test_what_an_instance_has_of_its_own_is_not_shared(path: str) -> None:
    with pytest.raises(ValueError, match="cannot share"):
        shares([path])


def test_login_and_metadata(cloud: Cloud, host: dict[str, Any]) -> None:
    assert cloud.ssh(host, "sudo id -u") == "0"
    assert cloud.ssh(host, "hostname") == host["PrivateDnsName"].partition(".")[0]
    assert 'ID="amzn"' in cloud.ssh(host, "cat /etc/os-release").splitlines()
    where = "http://169.254.169.254/latest"
    token = f'$(curl -s -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" {where}/api/token)'
    ask = f'curl -s -H "X-aws-ec2-metadata-token: {token}" {where}'
    assert cloud.ssh(host, f"{ask}/meta-data/instance-id") == host["InstanceId"]
    assert cloud.ssh(host, f"{ask}/meta-data/placement/region") == "us-east-1"
    assert cloud.ssh(host, f"{ask}/meta-data/public-keys/0/openssh-key").startswith("ssh-ed25519 ")
    assert json.loads(cloud.ssh(host, f"{ask}/dynamic/instance-identity/document"))["instanceId"] == host["InstanceId"]
    assert cloud.ssh(host, f"curl -s -o /dev/null -w '%{{http_code}}' {where}/meta-data/") == "401"
    assert wait_for(lambda: cloud.ssh(host, "cat /run/user-data || true")) == "from user data"


def test_host_key_is_on_the_console(cloud: Cloud, host: dict[str, Any], tmp_path: Path) -> None:
    console = cloud.ec2.get_console_output(InstanceId=host["InstanceId"])["Output"]
    key = console.partition("-----BEGIN SSH HOST KEY KEYS-----")[2].split("-----")[0].strip()
    known = tmp_path / "known_hosts"
    known.write_text(f"{host['PublicIpAddress']} {key}\n")
    assert (
        cloud.ssh(host, "echo known", "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}") == "known"
    )


def test_security_groups_are_enforced(cloud: Cloud, host: dict[str, Any]) -> None:
    other = ("-b", OTHER_ADDRESS, "-o", "ConnectTimeout=1")
    with pytest.raises(AssertionError, match="timed out"):
        cloud.ssh(host, "true", *other, tries=1)
    cloud.allow(OTHER_ADDRESS)
    cloud.ssh(host, "true", *other)
    cloud.allow(OTHER_ADDRESS, revoke=True)
    with pytest.raises(AssertionError, match="timed out"):
        cloud.ssh(host, "true", *other, tries=1)


def test_other_groups_for_an_instance(cloud: Cloud) -> None:
    instance = cloud.launch()
    cloud.ssh(instance, "true")
    closed = cloud.ec2.create_security_group(GroupName="closed", Description="closed")["GroupId"]
    cloud.ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=[closed])
    with pytest.raises(AssertionError, match="timed out"):
        cloud.ssh(instance, "true", "-o", "ConnectTimeout=1", tries=1)
    cloud.terminate(instance["InstanceId"])
    cloud.ec2.delete_security_group(GroupId=closed)


def test_nothing_gets_out(cloud: Cloud, host: dict[str, Any]) -> None:
    # An address for documentation: only a route decides, no name and no service.
    connect = "timeout 3 bash -c '</dev/tcp/198.51.100.7/443' 2>/dev/null"
    assert subprocess.run(["bash", "-c", connect], check=False).returncode != 0
    assert cloud.ssh(host, f"{connect} || echo closed") == "closed"


def test_packages_come_from_the_labs_index(cloud: Cloud, host: dict[str, Any]) -> None:
    cloud.ssh(host, "python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -q petal-lab-demo")
    assert cloud.ssh(host, "/tmp/venv/bin/python -c 'import petal_lab_demo; print(petal_lab_demo.VALUE)'") == "42"


def test_bytes_travel_through_a_snapshot(cloud: Cloud, host: dict[str, Any]) -> None:
    volume = cloud.volume(Size=2, Encrypted=True)
    device = cloud.attach(volume, host)
    cloud.ssh(
        host,
        f"sudo mkfs.ext4 -q {device} && sudo mkdir -p /shared && sudo mount {device} /shared"
        " && echo first | sudo tee /shared/file",
    )
    cloud.ec2.detach_volume(VolumeId=volume)
    wait_for(lambda: cloud.attachment(volume) == "busy")
    assert cloud.volume_now(volume)["State"] == "in-use"
    cloud.ssh(host, "sudo umount /shared")
    wait_for(lambda: cloud.volume_now(volume)["State"] == "available")
    cloud.ssh(host, f"test ! -e {device} && ! ls /dev/nvme1n1")

    made = cloud.ec2.create_snapshot(
        VolumeId=volume,
        Description="sha256:test",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "petal:name", "Value": "x"}]}],
    )
    snapshot = made["SnapshotId"]
    assert (made["State"], made["VolumeSize"], made["Encrypted"]) == ("pending", 2, True)
    assert error_of(cloud.ec2.create_volume, SnapshotId=snapshot, AvailabilityZone="us-east-1a") == "IncorrectState"
    # What is written after the request is not in it.
    cloud.attach(volume, host)
    cloud.ssh(
        host, f"sudo mount {device} /shared && echo second | sudo tee /shared/file && sync && sudo umount /shared"
    )
    assert 0 <= int(cloud.snapshot_now(snapshot)["Progress"].rstrip("%")) <= 100
    wait_for(lambda: cloud.snapshot_now(snapshot)["State"] == "completed")

    assert (
        error_of(cloud.ec2.create_volume, SnapshotId=snapshot, Size=1, AvailabilityZone="us-east-1a")
        == "InvalidParameterValue"
    )
    second = cloud.launch()
    restored = cloud.volume(SnapshotId=snapshot, Size=3)
    path = cloud.attach(restored, second)
    assert cloud.ssh(second, f"sudo mkdir /shared && sudo mount {path} /shared && cat /shared/file") == "first"
    assert cloud.ssh(second, f"sudo blockdev --getsize64 {path}") == str(3 << 30)
    assert cloud.volume_now(restored)["Encrypted"] is True
    cloud.terminate(second["InstanceId"])
    assert cloud.volume_now(restored)["State"] == "available"
    for one in (volume, restored):
        if cloud.attachment(one):
            cloud.detach(one)
        cloud.ec2.delete_volume(VolumeId=one)
    cloud.ec2.delete_snapshot(SnapshotId=snapshot)


def test_forced_detach_and_growing(cloud: Cloud, host: dict[str, Any]) -> None:
    volume = cloud.volume(Size=1)
    device = cloud.attach(volume, host)
    cloud.ec2.modify_volume(VolumeId=volume, Size=2)
    assert cloud.ssh(host, f"sudo blockdev --getsize64 {device}") == str(2 << 30)
    cloud.ssh(
        host,
        f"sudo mkfs.ext4 -q {device} && sudo mkdir -p /forced && sudo mount {device} /forced"
        " && sudo touch /forced/kept && sync",
    )
    cloud.ec2.detach_volume(VolumeId=volume, Force=True)
    wait_for(lambda: not cloud.attachment(volume))
    cloud.ssh(host, "sudo umount -l /forced")
    device = cloud.attach(volume, host)
    cloud.ssh(host, f"sudo mount {device} /forced && test -e /forced/kept && sudo umount /forced")
    cloud.detach(volume)
    cloud.ec2.delete_volume(VolumeId=volume)


def test_attaching_has_awss_errors(cloud: Cloud, host: dict[str, Any]) -> None:
    attach = {"InstanceId": host["InstanceId"], "Device": "/dev/sdf"}
    fresh = cloud.ec2.create_volume(Size=1, AvailabilityZone="us-east-1a")["VolumeId"]
    assert error_of(cloud.ec2.attach_volume, VolumeId=fresh, **attach) == "IncorrectState"
    elsewhere = cloud.volume(Size=1, AvailabilityZone="us-east-1b")
    assert error_of(cloud.ec2.attach_volume, VolumeId=elsewhere, **attach) == "InvalidVolume.ZoneMismatch"
    wait_for(lambda: cloud.volume_now(fresh)["State"] == "available")
    cloud.attach(fresh, host)
    assert error_of(cloud.ec2.attach_volume, VolumeId=fresh, **attach) == "VolumeInUse"
    assert error_of(cloud.ec2.delete_volume, VolumeId=fresh) == "VolumeInUse"
    cloud.detach(fresh)
    for volume in (fresh, elsewhere):
        cloud.ec2.delete_volume(VolumeId=volume)


def test_stop_and_start_keep_the_disk(cloud: Cloud) -> None:
    instance = cloud.launch()
    volume = cloud.volume(Size=1)
    device = cloud.attach(volume, instance)
    cloud.ssh(instance, "touch kept")
    cloud.ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
    cloud.until(instance["InstanceId"], "stopped")
    cloud.ec2.start_instances(InstanceIds=[instance["InstanceId"]])
    again = cloud.until(instance["InstanceId"], "running")
    assert again["PublicIpAddress"] != instance["PublicIpAddress"]
    cloud.ssh(again, f"test -e kept && test -b {device}")
    cloud.terminate(instance["InstanceId"])
    cloud.ec2.delete_volume(VolumeId=volume)


def test_an_instance_can_end_itself(cloud: Cloud) -> None:
    instance = cloud.launch(InstanceInitiatedShutdownBehavior="terminate")
    with contextlib.suppress(AssertionError):
        cloud.ssh(instance, "sudo shutdown -h now")
    ended = cloud.until(instance["InstanceId"], "terminated")
    assert ended["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_launches_are_checked(cloud: Cloud) -> None:
    assert error_of(cloud.request, ImageId="ami-00000000000000000") == "InvalidAMIID.NotFound"
    assert error_of(cloud.request, InstanceType="c7g.xlarge") == "InvalidParameterValue"
    assert error_of(cloud.request, InstanceType="c6a.huge") == "InvalidParameterValue"
    assert error_of(cloud.request, KeyName="nobodys") == "InvalidKeyPair.NotFound"


def test_official_images(cloud: Cloud) -> None:
    def names(**wanted: Any) -> list[str]:
        pattern = [{"Name": "name", "Values": [wanted.pop("pattern", "aws-parallelcluster-*-amzn2023-hvm-x86_64-*")]}]
        return [image["Name"] for image in cloud.ec2.describe_images(Filters=pattern, **wanted)["Images"]]

    assert [name[:26] for name in sorted(names(Owners=["amazon"]))] == [
        "aws-parallelcluster-3.15.0",
        "aws-parallelcluster-3.16.1",
        "aws-parallelcluster-3.16.1",
    ]
    assert len(names(Owners=["amazon"], IncludeDeprecated=True)) == 4
    assert len(names()) == 4  # somebody else's image with such a name
    assert names(Owners=["amazon"], pattern="aws-parallelcluster-3.16.1-ubuntu-2404-lts-hvm-arm64-*") != []
    root = cloud.ec2.describe_images(ImageIds=[cloud.image()])["Images"][0]["BlockDeviceMappings"][0]["Ebs"]
    assert (root["VolumeSize"], root["DeleteOnTermination"]) == (45, True)


def test_owners_sharing_and_tags(cloud: Cloud, other: Cloud) -> None:
    snapshot = cloud.snapshot(
        cloud.volume(Size=1),
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "petal:name", "Value": "x"}]}],
    )

    def seen(**wanted: Any) -> list[str]:
        return [one["SnapshotId"] for one in other.ec2.describe_snapshots(**wanted)["Snapshots"]]

    assert error_of(other.ec2.describe_snapshots, SnapshotIds=[snapshot]) == "InvalidSnapshot.NotFound"
    cloud.ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", UserIds=[OTHER_ACCOUNT]
    )
    assert snapshot in seen()
    assert snapshot in seen(OwnerIds=[cloud.session.client("sts").get_caller_identity()["Account"]])
    assert snapshot in seen(RestorableByUserIds=["self"])
    assert seen(OwnerIds=["self"]) == []
    assert snapshot not in seen(Filters=[{"Name": "tag:petal:name", "Values": ["x"]}])
    assert "Tags" not in other.snapshot_now(snapshot)
    assert other.snapshot_now(snapshot)["Description"] == "test"
    volume = other.volume(SnapshotId=snapshot)
    assert error_of(other.ec2.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.NotFound"
    cloud.ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, CreateVolumePermission={"Remove": [{"UserId": OTHER_ACCOUNT}]}
    )
    assert snapshot not in seen()
    other.ec2.delete_volume(VolumeId=volume)
    cloud.ec2.delete_snapshot(SnapshotId=snapshot)


def test_sharing_has_awss_rules(cloud: Cloud, other: Cloud) -> None:
    def share(snapshot: str, **whom: Any) -> str:
        try:
            cloud.ec2.modify_snapshot_attribute(
                SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", **whom
            )
        except ClientError as error:
            return str(error.response["Error"]["Message"])
        return ""

    key = cloud.session.client("kms").create_key()["KeyMetadata"]["Arn"]
    by_default, by_own, plain = (
        cloud.snapshot(cloud.volume(Size=1, **more))
        for more in ({"Encrypted": True}, {"Encrypted": True, "KmsKeyId": key}, {})
    )
    assert "default key" in share(by_default, UserIds=[OTHER_ACCOUNT])
    assert share(by_own, UserIds=[OTHER_ACCOUNT]) == ""
    assert other.snapshot_now(by_own)["KmsKeyId"] == key
    assert "publicly" in share(by_own, GroupNames=["all"])
    cloud.ec2.enable_snapshot_block_public_access(State="block-new-sharing")
    assert "block public access" in share(plain, GroupNames=["all"])
    cloud.ec2.disable_snapshot_block_public_access()
    assert share(plain, GroupNames=["all"]) == ""
    assert plain in [
        one["SnapshotId"] for one in other.ec2.describe_snapshots(RestorableByUserIds=["all"])["Snapshots"]
    ]
    for one in (by_default, by_own, plain):
        cloud.ec2.delete_snapshot(SnapshotId=one)


def test_copies_to_other_regions(cloud: Cloud, tmp_path: Path) -> None:
    far = Cloud(tmp_path, region="eu-west-1")
    source = cloud.snapshot(
        cloud.volume(Size=1), TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
    )
    copied = far.ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source, Description="copy")["SnapshotId"]
    assert far.snapshot_now(copied)["State"] == "pending"
    wait_for(lambda: far.snapshot_now(copied)["State"] == "completed")
    assert "Tags" not in far.snapshot_now(copied)
    # A missing key is no error of the call.
    lost = far.ec2.copy_snapshot(
        SourceRegion="us-east-1", SourceSnapshotId=source, Encrypted=True, KmsKeyId="alias/none"
    )["SnapshotId"]
    wait_for(lambda: far.snapshot_now(lost)["State"] == "error")
    assert far.volume_now(far.volume(SnapshotId=copied, AvailabilityZone="eu-west-1a"))["Size"] == 1
    assert far.image() != cloud.image()


def test_encryption_by_default(cloud: Cloud) -> None:
    cloud.ec2.enable_ebs_encryption_by_default()
    try:
        assert cloud.volume_now(cloud.volume(Size=1))["Encrypted"] is True
    finally:
        cloud.ec2.disable_ebs_encryption_by_default()


def test_client_tokens_and_pages(cloud: Cloud) -> None:
    wanted = {
        "Size": 1,
        "AvailabilityZone": "us-east-1a",
        "ClientToken": "one",
        "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "page", "Value": "x"}]}],
    }
    first = cloud.ec2.create_volume(**wanted)["VolumeId"]
    assert cloud.ec2.create_volume(**wanted)["VolumeId"] == first
    assert error_of(cloud.ec2.create_volume, **{**wanted, "Size": 2}) == "IdempotentParameterMismatch"
    ids = {
        first,
        *(cloud.ec2.create_volume(**{**wanted, "ClientToken": str(number)})["VolumeId"] for number in range(6)),
    }
    pages = list(
        cloud.ec2.get_paginator("describe_volumes").paginate(
            Filters=[{"Name": "tag:page", "Values": ["x"]}], PaginationConfig={"PageSize": 5}
        )
    )
    assert [len(page["Volumes"]) for page in pages] == [5, 2]
    assert {volume["VolumeId"] for page in pages for volume in page["Volumes"]} == ids
    instances = {cloud.request(ClientToken="launch") for _request in range(3)}
    assert len(instances) == 1
    cloud.ec2.terminate_instances(InstanceIds=list(instances))
    cloud.until(instances.pop(), "terminated")


def test_a_group_in_use_stays(cloud: Cloud, host: dict[str, Any]) -> None:
    assert host["SecurityGroups"][0]["GroupId"] == cloud.group
    assert error_of(cloud.ec2.delete_security_group, GroupId=cloud.group) == "DependencyViolation"


def test_many_at_once(cloud: Cloud) -> None:
    with ThreadPoolExecutor(6) as pool:
        launched = list(pool.map(lambda _: cloud.launch(), range(4)))
        volumes = list(pool.map(lambda _: cloud.volume(Size=1), range(8)))
    ids = [instance["InstanceId"] for instance in launched]
    assert len({instance["PublicIpAddress"] for instance in launched}) == 4
    # In their VPC they reach each other by private addresses, as far as their groups allow it.
    cloud.ec2.authorize_security_group_ingress(
        GroupId=cloud.group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": cloud.group}]}
        ],
    )
    banner = f"timeout 5 bash -c 'head -c 7 </dev/tcp/{launched[1]['PrivateIpAddress']}/22'"
    assert cloud.ssh(launched[0], f"for n in 1 2 3 4 5; do {banner} && break; sleep 0.5; done") == "SSH-2.0"
    cloud.ec2.terminate_instances(InstanceIds=ids)
    for instance_id in ids:
        cloud.until(instance_id, "terminated")
    for volume in volumes:
        cloud.ec2.delete_volume(VolumeId=volume)


class TestFaults:
    def test_throttling_and_errors_of_the_server(self, lab: Client, cloud: Cloud) -> None:
        lab.fault("throttle", action="DescribeVolumes", times=2)
        assert error_of(cloud.ec2.describe_volumes) == "RequestLimitExceeded"
        assert error_of(cloud.ec2.describe_volumes) == "RequestLimitExceeded"
        cloud.ec2.describe_volumes()
        lab.fault("server-error", service="s3", times=1)
        s3 = cloud.session.client("s3", config=Config(retries={"total_max_attempts": 1}))
        assert error_of(s3.list_buckets) == "InternalError"
        lab.fault("throttle", action="DescribeVolumes", times=2)
        cloud.session.client("ec2").describe_volumes()  # with botocore's own retries
        assert [fault["hits"] for fault in lab.faults()] == [2, 1, 2]
        with pytest.raises(ValueError, match="one of: throttle"):
            lab.fault("flood")

    def test_a_lost_answer_is_found_by_its_token(self, lab: Client, cloud: Cloud) -> None:
        wanted = {"Size": 1, "AvailabilityZone": "us-east-1a", "ClientToken": "lost"}
        before = len(cloud.ec2.describe_volumes()["Volumes"])
        lab.fault("lost-answer", action="CreateVolume")
        assert error_of(cloud.ec2.create_volume, **wanted) == "InternalError"
        volume = cloud.ec2.create_volume(**wanted)["VolumeId"]
        assert len(cloud.ec2.describe_volumes()["Volumes"]) == before + 1
        cloud.ec2.delete_volume(VolumeId=volume)

    def test_capacity(self, lab: Client, cloud: Cloud) -> None:
        lab.fault("capacity", spot=True, times=2)
        spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
        assert error_of(cloud.request, **spot) == "InsufficientInstanceCapacity"
        instance = cloud.launch()  # on demand there is
        assert "InstanceLifecycle" not in instance
        request = cloud.ec2.request_spot_instances(
            LaunchSpecification={
                "ImageId": cloud.image(),
                "InstanceType": "c6a.4xlarge",
                "SecurityGroupIds": [cloud.group],
            }
        )["SpotInstanceRequests"][0]
        assert (request["State"], request["Status"]["Code"]) == ("open", "capacity-not-available")
        cloud.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request["SpotInstanceRequestId"]])
        cloud.terminate(instance["InstanceId"])

    def test_spot_interruption(self, lab: Client, cloud: Cloud) -> None:
        lab.fault("interrupt", spot=True, after=1.5, notice=1.0)
        instance = cloud.launch(InstanceMarketOptions={"MarketType": "spot"})
        assert instance["InstanceLifecycle"] == "spot"
        ended = cloud.until(instance["InstanceId"], "terminated")
        assert ended["StateReason"]["Code"] == "Server.SpotInstanceTermination"

    def test_spot_request(self, cloud: Cloud) -> None:
        spec = {
            "ImageId": cloud.image(),
            "InstanceType": "c6a.4xlarge",
            "KeyName": "test",
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [cloud.group]}],
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 60, "Encrypted": True}}],
        }
        request = cloud.ec2.request_spot_instances(LaunchSpecification=spec)["SpotInstanceRequests"][0]
        instance = cloud.until(request["InstanceId"], "running")
        assert [group["GroupId"] for group in instance["SecurityGroups"]] == [cloud.group]
        root = cloud.volume_now(instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])
        assert (root["Size"], root["Encrypted"]) == (60, True)
        cloud.ssh(instance, "true")
        cloud.terminate(instance["InstanceId"])

    def test_no_ssh(self, lab: Client, cloud: Cloud) -> None:
        lab.fault("no-ssh")
        instance = cloud.launch()
        with pytest.raises(AssertionError, match="timed out"):
            cloud.ssh(instance, "true", "-o", "ConnectTimeout=1", tries=1)
        cloud.terminate(instance["InstanceId"])

    def test_stuck_attaching(self, lab: Client, cloud: Cloud, host: dict[str, Any]) -> None:
        lab.fault("stuck-attaching")
        volume = cloud.volume(Size=1)
        cloud.ec2.attach_volume(VolumeId=volume, InstanceId=host["InstanceId"], Device="/dev/sdg")
        time.sleep(1)
        assert cloud.attachment(volume) == "attaching"
        cloud.detach(volume)
        cloud.ec2.delete_volume(VolumeId=volume)

    def test_what_is_made_is_seen_later(self, lab: Client, cloud: Cloud) -> None:
        lab.fault("late", action="CreateVolume", after=1.5)
        wanted = {"Size": 1, "AvailabilityZone": "us-east-1a"}
        volume = cloud.ec2.create_volume(**wanted)["VolumeId"]
        filters = [{"Name": "volume-id", "Values": [volume]}]
        assert error_of(cloud.ec2.describe_volumes, VolumeIds=[volume]) == "InvalidVolume.NotFound"
        assert cloud.ec2.describe_volumes(Filters=filters)["Volumes"] == []
        wait_for(lambda: cloud.ec2.describe_volumes(Filters=filters)["Volumes"])
        assert cloud.volume_now(volume)["VolumeId"] == volume
        cloud.ec2.delete_volume(VolumeId=volume)

    def test_a_host_that_has_ended_is_forgotten_and_its_token_spent(self, lab: Client, cloud: Cloud) -> None:
        lab.fault("forgotten", after=0.5)
        instance = cloud.launch(ClientToken="spent")
        cloud.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        wait_for(lambda: instance["InstanceId"] not in json.dumps(lab.instances()))
        asked = {"InstanceIds": [instance["InstanceId"]]}
        assert error_of(cloud.ec2.describe_instances, **asked) == "InvalidInstanceID.NotFound"
        assert error_of(cloud.request, ClientToken="spent") == "IdempotentInstanceTerminated"

    def test_snapshot_error(self, lab: Client, cloud: Cloud) -> None:
        lab.fault("snapshot-error")
        volume = cloud.volume(Size=1)
        snapshot = cloud.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        wait_for(lambda: cloud.snapshot_now(snapshot)["State"] == "error")
        assert error_of(cloud.ec2.create_volume, SnapshotId=snapshot, AvailabilityZone="us-east-1a") == "IncorrectState"
        cloud.ec2.delete_snapshot(SnapshotId=snapshot)
        cloud.ec2.delete_volume(VolumeId=volume)


def test_calls_and_leaks(lab: Client, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, "777788889999", "eu-central-1")
    lab.clear_calls()
    assert "777788889999" not in json.dumps(lab.leaks())
    cloud.ec2.create_key_pair(KeyName="left")
    volume = cloud.volume(Size=1, AvailabilityZone="eu-central-1a")
    cloud.session.client("s3").create_bucket(
        Bucket="left", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    cloud.session.client("s3").put_object(Bucket="left", Key="a/b", Body=b"x")
    cloud.session.client("ssm").put_parameter(Name="left", Value="x", Type="String")
    found = {f"{call['service']}:{call['action']}" for call in lab.calls(account="777788889999")}
    assert {
        "ec2:CreateKeyPair",
        "ec2:CreateVolume",
        "ec2:DescribeVolumes",
        "s3:CreateBucket",
        "s3:PutObject",
        "ssm:PutParameter",
    } == found
    left = {
        kind: [one["id"] for one in items if one["account"] == "777788889999"] for kind, items in lab.leaks().items()
    }
    assert left["volumes"] == [volume]
    assert left["buckets"] == ["left"]
    assert len(left["key_pairs"]) == 1


def test_nothing_is_left_by_all_these(lab: Client, cloud: Cloud) -> None:
    """Hosts end with their instances: no process of a terminated one lives on."""
    alive = [one for one in lab.instances() if one["state"] not in ("terminated", "running")]
    assert alive == []
    running = [one["id"] for one in lab.instances() if one["state"] == "running"]
    assert len(running) <= 1, "only the shared host"
    assert cloud.ec2.describe_instances()["Reservations"] != []


def test_a_killed_lab_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle: processes, mounts, loop devices and disk space go with it."""
    settings = settings_for(tmp_path)
    before = loops()
    running = sandbox.start(settings, tied=True)
    with network_of(running.inner):
        cloud = Cloud(tmp_path)
        cloud.set_up()
        instance = cloud.launch()
        volume = cloud.volume(Size=1)
        device = cloud.attach(volume, instance)
        cloud.ssh(
            instance, f"sudo mkfs.ext4 -q {device} && sudo mount {device} /mnt; setsid sleep 1000 >/dev/null 2>&1 &"
        )
        cloud.ec2.detach_volume(VolumeId=volume)
        wait_for(lambda: cloud.attachment(volume) == "busy")
    inner = running.inner
    assert loops() - before != set()
    os.kill(running.pid, signal.SIGKILL)
    running.stop()
    wait_for(lambda: not Path(f"/proc/{inner}").exists())
    wait_for(lambda: loops() - before == set())
    assert settings.root not in Path("/proc/self/mounts").read_text()
    assert not [path for path in Path(settings.root).parent.iterdir() if path.is_file() and path.name != "lock"]


def test_a_lab_ends_when_it_is_told_to(tmp_path: Path) -> None:
    settings_for(tmp_path)
    ready = tmp_path / "ready"
    argv = [sys.executable, "-m", "ec2lab", "run", "--", "sh", "-c", f"touch {ready}; exec sleep 1000"]
    environment = {**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[1])}
    with subprocess.Popen(argv, env=environment) as process:
        wait_for(lambda: ready.exists() or process.poll() is not None, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM


def test_delays_are_checked() -> None:
    assert delays(["all=0", "snapshot-pending=9"]).snapshot_pending == 9
    with pytest.raises(ValueError, match="instance_pending"):
        delays(["lunch=1"])


def test_walk_with_amazon_aws(tmp_path: Path) -> None:
    """One command starts the lab, runs a playbook of amazon.aws modules in it and stops it."""
    settings_for(tmp_path)
    playbook = Path(sys.executable).with_name("ansible-playbook")
    if not playbook.exists():
        pytest.skip("ansible-playbook is not in this environment")
    # amazon.aws polls every 15 s: what is done at once saves a minute.
    command = [
        sys.executable,
        "-m",
        "ec2lab",
        "run",
        "--delay=volume-creating=0",
        "--delay=volume-detaching=0",
        "--",
        "bash",
        "-ec",
        f"{playbook} {Path(__file__).with_name('ec2_lab.yml')} -e lab_dir={tmp_path}; {sys.executable} -m ec2lab leaks",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1] / "lab"),
        "ANSIBLE_COLLECTIONS_PATH": str(Path(__file__).parents[2] / ".collections"),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("{}\n")
