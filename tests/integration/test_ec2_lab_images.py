"""The EC2 lab makes images: what the root of an instance has is on instances that are launched from its image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from botocore.exceptions import ClientError
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import OTHER_ACCOUNT, Delays, Settings
from ec2lab.testing import Cloud, error_of, inside, wait_for, why_not


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab with short delays."""
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(0.2, 0.2, 0.2, 0.2, 0.2, 1.0), root=str(roots.root()))) as client:
        yield client


def image_now(cloud: Cloud, image_id: str) -> dict[str, Any]:
    """How an image is now."""
    found: dict[str, Any] = cloud.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    return found


def test_an_image_has_what_its_instance_had(lab: Client, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    cloud, other = Cloud(tmp_path), Cloud(tmp_path, OTHER_ACCOUNT)
    cloud.set_up()
    host = cloud.launch(UserData="#!/bin/sh\necho once >>/var/log/user-data\n")
    wait_for(lambda: cloud.ssh(host, "cat /var/log/user-data || true"))
    cloud.ssh(host, "sudo sh -c 'echo kept >/srv/file; rm /usr/bin/jq; mkfifo /srv/pipe; chown 7:9 /srv/pipe'")
    volume = cloud.volume(Size=1)
    cloud.attach(volume, host)
    machine, keys = cloud.ssh(host, "cat /etc/machine-id"), cloud.ssh(host, "cat /etc/ssh/ssh_host_ed25519_key.pub")
    wanted = {"InstanceId": host["InstanceId"], "Name": "mine 1", "Description": "of a test"}
    assert error_of(cloud.ec2.create_image, **wanted) == "Unsupported"
    cloud.ec2.stop_instances(InstanceIds=[host["InstanceId"]])
    cloud.until(host["InstanceId"], "stopped")
    tags = [{"ResourceType": kind, "Tags": [{"Key": "a", "Value": kind}]} for kind in ("image", "snapshot")]
    image_id = cloud.ec2.create_image(**wanted, TagSpecifications=tags)["ImageId"]
    assert image_now(cloud, image_id)["State"] == "pending"
    assert error_of(cloud.ec2.create_image, **wanted) == "InvalidAMIName.Duplicate"
    wait_for(lambda: image_now(cloud, image_id)["State"] == "available")
    image = image_now(cloud, image_id)
    assert image["Tags"] == [{"Key": "a", "Value": "image"}]
    disks = [one["Ebs"]["SnapshotId"] for one in image["BlockDeviceMappings"]]
    assert [cloud.snapshot_now(one)["Tags"][0]["Value"] for one in disks] == ["snapshot", "snapshot"]
    assert error_of(cloud.ec2.delete_snapshot, SnapshotId=disks[0]) == "InvalidSnapshot.InUse"
    left_out = [{"DeviceName": image["BlockDeviceMappings"][1]["DeviceName"], "NoDevice": ""}]
    small = cloud.ec2.create_image(**{**wanted, "Name": "mine 2"}, BlockDeviceMappings=left_out)["ImageId"]
    assert len(image_now(cloud, small)["BlockDeviceMappings"]) == 1
    wait_for(lambda: image_now(cloud, small)["State"] == "available")
    cloud.terminate(host["InstanceId"])

    born = cloud.launch(ImageId=small)
    assert cloud.ssh(born, "cat /srv/file; stat -c '%F %u %g' /srv/pipe; ls /usr/bin/jq 2>&1 || true").splitlines() == [
        "kept",
        "fifo 7 9",
        "ls: cannot access '/usr/bin/jq': No such file or directory",
    ]
    assert cloud.ssh(born, "cat /etc/machine-id") == machine  # as on AWS, unless it was taken out
    assert cloud.ssh(born, "cat /etc/ssh/ssh_host_ed25519_key.pub") != keys
    assert cloud.ssh(born, "cat /var/log/user-data") == "once"
    assert cloud.ssh(born, "wc -l <~/.ssh/authorized_keys") == "2"
    cloud.terminate(born["InstanceId"])

    assert error_of(other.ec2.describe_images, ImageIds=[small]) == "InvalidAMIID.NotFound"
    cloud.ec2.modify_image_attribute(ImageId=small, LaunchPermission={"Add": [{"UserId": OTHER_ACCOUNT}]})
    seen = image_now(other, small)
    assert seen["Description"] == "of a test" and not seen.get("Tags")
    far = Cloud(tmp_path / "far", region="eu-west-1")
    far.set_up()
    copied = far.ec2.copy_image(SourceImageId=small, SourceRegion="us-east-1", Name="mine")["ImageId"]
    wait_for(lambda: image_now(far, copied)["State"] == "available")
    there = far.launch(ImageId=copied)
    assert far.ssh(there, "cat /srv/file") == "kept"
    far.terminate(there["InstanceId"])
    for where, one in ((cloud, image_id), (cloud, small), (far, copied)):
        disks = [disk["Ebs"]["SnapshotId"] for disk in image_now(where, one)["BlockDeviceMappings"]]
        where.ec2.deregister_image(ImageId=one)
        with pytest.raises((ClientError, IndexError)):
            image_now(where, one)
        for disk in disks:
            where.ec2.delete_snapshot(SnapshotId=disk)
    cloud.ec2.delete_volume(VolumeId=volume)
    assert set(lab.leaks()) == {"key_pairs", "security_groups"}
