"""For tests that use a lab: one account with a key pair and a security group, and words for what they do with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ec2lab import sandbox
from ec2lab.client import Client
from ec2lab.data.linux import network_of
from ec2lab.settings import Settings, access_key

# The official images of one release for one system.
IMAGES = "aws-parallelcluster-3.16.1-amzn2023-hvm-x86_64-*"


def why_not() -> str:
    """Why there can be no lab here, in one line; empty if there can."""
    if os.geteuid() != 0:
        return "a lab is made of namespaces, mounts and loop devices, which need root"
    known = Path("/proc/filesystems").read_text().split()
    if not Path("/dev/loop-control").exists() or "xfs" not in known or "overlay" not in known:
        return "this kernel has no loop devices, XFS or overlay file systems"
    return ""


@contextlib.contextmanager
def inside(settings: Settings) -> Iterator[Client]:
    """A fresh lab, and this process in its network and with its credentials."""
    running = sandbox.start(settings, tied=True)
    before = dict(os.environ)
    try:
        given = running.settings.environment(before)
        os.environ.clear()
        os.environ.update(given)
        # boto3's own session keeps the credentials that it saw first.
        boto3.setup_default_session()
        with network_of(running.inner):
            yield Client()
    finally:
        os.environ.clear()
        os.environ.update(before)
        running.stop()


def wait_for(what: Callable[[], Any], seconds: float = 30, pause: float = 0.1) -> Any:
    """The first true answer; fails after so many seconds. ``pause``: seconds between two questions."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(pause)
    return answer


def loops() -> set[str]:
    """The files behind the machine's loop devices, as far as they can be a lab's."""
    found = set()
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found.add(path.read_text().strip())
    return {name for name in found if "/vol-" in name or "(deleted)" in name}


class Cloud:
    """One account as a user has it, with a key pair and a security group that lets this machine in."""

    def __init__(self, directory: Path, account: str = "", region: str = "us-east-1") -> None:
        self.session = boto3.Session(
            aws_access_key_id=access_key(account) if account else None,
            aws_secret_access_key="lab" if account else None,
            region_name=region,
        )
        # Without the client's own retries a test sees what the lab says.
        self.ec2 = self.session.client("ec2", config=Config(retries={"total_max_attempts": 1}))
        self.directory = directory

    def set_up(self) -> None:
        """Make the key pair and the security group."""
        key = self.ec2.create_key_pair(KeyName="test", KeyType="ed25519")
        self.key = self.directory / "key"
        self.key.touch(0o600)
        self.key.write_text(key["KeyMaterial"])
        self.group = self.ec2.create_security_group(GroupName="test", Description="test")["GroupId"]
        self.allow(Client().address())

    def allow(self, address: str, *, revoke: bool = False) -> None:
        """Open SSH to an address, or close it again."""
        rules = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": f"{address}/32"}]}]
        change = self.ec2.revoke_security_group_ingress if revoke else self.ec2.authorize_security_group_ingress
        change(GroupId=self.group, IpPermissions=rules)

    def image(self) -> str:
        """The newest official image."""
        found = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": [IMAGES]}])["Images"]
        return str(max(found, key=lambda image: image["CreationDate"])["ImageId"])

    def request(self, **more: Any) -> str:
        """Ask for an instance; its id."""
        wanted = {
            "ImageId": self.image(),
            "InstanceType": "c6a.4xlarge",
            "MinCount": 1,
            "MaxCount": 1,
            "KeyName": "test",
            "SecurityGroupIds": [self.group],
            **more,
        }
        return str(self.ec2.run_instances(**wanted)["Instances"][0]["InstanceId"])

    def launch(self, **more: Any) -> dict[str, Any]:
        """A running instance."""
        return self.until(self.request(**more), "running")

    def instance(self, instance_id: str) -> dict[str, Any]:
        """How an instance is now."""
        found: dict[str, Any] = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][
            0
        ]
        return found

    def until(self, instance_id: str, state: str) -> dict[str, Any]:
        """Wait for a state of an instance."""
        wait_for(lambda: self.instance(instance_id)["State"]["Name"] == state)
        return self.instance(instance_id)

    def volume(self, **wanted: Any) -> str:
        """An available volume."""
        volume_id = str(
            self.ec2.create_volume(**{"AvailabilityZone": "us-east-1a", "VolumeType": "gp3", **wanted})["VolumeId"]
        )
        wait_for(lambda: self.volume_now(volume_id)["State"] == "available")
        return volume_id

    def volume_now(self, volume_id: str) -> dict[str, Any]:
        """How a volume is now."""
        found: dict[str, Any] = self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]
        return found

    def attachment(self, volume_id: str) -> str:
        """The state of a volume's attachment; empty where it has none."""
        return next((str(one["State"]) for one in self.volume_now(volume_id)["Attachments"]), "")

    def attach(self, volume_id: str, instance: dict[str, Any]) -> str:
        """Attach a volume; its path in the instance, found through its id."""
        self.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance["InstanceId"], Device="/dev/sdf")
        wait_for(lambda: self.attachment(volume_id) == "attached")
        return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"

    def detach(self, volume_id: str) -> None:
        """Detach a volume, and wait until it is."""
        self.ec2.detach_volume(VolumeId=volume_id)
        wait_for(lambda: not self.attachment(volume_id))

    def terminate(self, instance_id: str) -> None:
        """Terminate an instance, and wait until it is."""
        self.ec2.terminate_instances(InstanceIds=[instance_id])
        self.until(instance_id, "terminated")

    def snapshot(self, volume_id: str, **more: Any) -> str:
        """A completed snapshot."""
        snapshot_id = str(self.ec2.create_snapshot(VolumeId=volume_id, Description="test", **more)["SnapshotId"])
        wait_for(lambda: self.snapshot_now(snapshot_id)["State"] == "completed")
        return snapshot_id

    def snapshot_now(self, snapshot_id: str) -> dict[str, Any]:
        """How a snapshot is now."""
        found: dict[str, Any] = self.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
        return found

    def ssh(
        self, instance: dict[str, Any], command: str, *options: str, tries: int = 20, user: str = "ec2-user"
    ) -> str:
        """Run a command in an instance; its output. Fails if it fails."""
        argv = [
            "ssh",
            "-F",
            "none",
            "-i",
            str(self.key),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "ConnectTimeout=2",
            "-o",
            "BatchMode=yes",
            *options,
            f"{user}@{instance['PublicIpAddress']}",
            command,
        ]
        for _attempt in range(tries):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 255:
                break
            time.sleep(0.2)
        if done.returncode != 0:
            raise AssertionError(
                f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}\n"
                f"{Client().console(instance['InstanceId'])}"
            )
        return done.stdout.strip()


def error_of(call: Callable[..., Any], **arguments: Any) -> str:
    """The code with which a call is refused; fails if it is not."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    raise AssertionError(f"{call.__name__} was not refused: {arguments}")
