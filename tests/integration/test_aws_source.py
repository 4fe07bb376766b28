"""deploy_cluster -e tier=source on AWS: ParallelCluster's head builds on the volume that its cluster keeps."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

import pcluster_check
import yaml
from aws_build import SEED, SETTINGS, WHEELS
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import Delays, Settings
from ec2lab.testing import Cloud, inside, wait_for, why_not
from iam_policy import Policy, compare
from playing import ROOT, Run, command, environment, play

NAME = "source-test"
#: What a build asks of AWS beside looking, on a volume that is there.
CHANGES = ("CreateSnapshot", "CreateTags", "DeleteKeyPair", "DeleteTags", "ImportKeyPair")
MARK = f"/etc/motd.d/petal-{NAME}"


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab with short delays, the packages of the seed, and the library of ParallelCluster at hand."""
    if reason := why_not() or pcluster_check.provide():
        pytest.skip(reason)
    if shutil.which("node") is None:
        pytest.skip("ParallelCluster makes its templates with Node.js, and there is none")
    root = roots.root()
    delays = Delays(0.3, 0.2, 0.1, 0.1, 0.1, 0.3, 1.0)
    with inside(Settings(delays, root=str(root), wheels=str(roots.wheels(WHEELS, root)))) as client:
        yield client


class Site:
    """A controller, and a cluster whose head a lab's instance stands for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cloud = Cloud(directory)
        self.cloud.set_up()
        self.seed = directory / "seed.yaml"
        self.seed.write_text(SEED.replace("NAME", NAME))
        zone = {"Name": "availability-zone", "Values": ["us-east-1a"]}
        self.subnet = self.cloud.ec2.describe_subnets(Filters=[zone])["Subnets"][0]["SubnetId"]
        self.head: dict[str, Any] = {}

    def variables(self, **more: Any) -> str:
        """All that a site says, as an argument."""
        given = {
            "seed": str(self.seed),
            "subnet_id": self.subnet,
            "key_name": "test",
            "head_node_key_file": str(self.cloud.key),
            "cluster_config": str(self.directory / "cluster.yaml"),
            "ssh_key_dir": str(self.directory / "keys"),
            "logs_dir": str(self.directory / "logs"),
            "ansible_control_path_dir": str(self.directory / "cp"),
            "pcluster_python": str(pcluster_check.PYTHON),
            "pcluster_config_poll_interval": 1,
            "pcluster_config_wait_timeout": 120,
            **SETTINGS,
            **more,
        }
        variables = self.directory / "variables.json"
        variables.write_text(json.dumps(given))
        return f"@{variables}"

    def play(self, playbook: str, *arguments: str, **more: Any) -> Run:
        """Run a playbook to its end."""
        return play(playbook, "-e", self.variables(**more), *arguments)

    def deploy_and_kill(self, when: Callable[[], Any]) -> None:
        """SIGKILL for a deployment that builds, and for all that it started, as soon as something is true."""
        argv = command("deploy_cluster", "-e", self.variables(tier="source"))
        with (self.directory / "killed.log").open("w") as output:
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                wait_for(lambda: process.poll() is not None or when(), 300, 0.5)
                assert process.poll() is None, (self.directory / "killed.log").read_text()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def volumes(self) -> list[dict[str, Any]]:
        """The volumes of the cluster."""
        mine = [{"Name": "tag:petal:cluster", "Values": [NAME]}]
        found: list[dict[str, Any]] = self.cloud.ec2.describe_volumes(Filters=mine)["Volumes"]
        return found

    def snapshots(self) -> list[dict[str, Any]]:
        """All snapshots of this account."""
        found: list[dict[str, Any]] = self.cloud.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        return found

    def bring_up(self) -> None:
        """What ParallelCluster does at the head's boot: attach, format where nothing is on it, mount."""
        tags = {"parallelcluster:cluster-name": NAME, "parallelcluster:node-type": "HeadNode"}
        specification = {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        images = [{"Name": "name", "Values": ["aws-parallelcluster-3.16.1-ubuntu-2204-*"]}]
        image = self.cloud.ec2.describe_images(Owners=["amazon"], Filters=images)["Images"][0]["ImageId"]
        self.head = self.cloud.launch(
            ImageId=image, InstanceType="t3.xlarge", SubnetId=self.subnet, TagSpecifications=[specification]
        )
        stacks = self.cloud.session.client("cloudformation")
        wait_for(lambda: stacks.describe_stacks()["Stacks"], 180, 0.3)
        (volume,) = self.volumes()
        device = self.cloud.attach(volume["VolumeId"], self.head)
        self.ssh(f"blkid {device} || mkfs.ext4 -q {device}; mkdir -p /shared; mount {device} /shared")

    def ssh(self, command: str) -> str:
        """Run something on the head, as root."""
        return self.cloud.ssh(self.head, f"sudo sh -c '{command}'", user="ubuntu")


@pytest.fixture(scope="module")
def site(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One for all tests here."""
    assert lab.instances() == []
    return Site(tmp_path_factory.mktemp("site"))


def test_what_cannot_end_is_refused_before_anything_is_made(lab: Client, site: Site) -> None:
    done = site.play("deploy_cluster", tier="source", head_node_key_file="")
    assert done.rc != 0
    assert "name the private key of its key pair with -e head_node_key_file=FILE (none is named)" in " ".join(
        done.output.split()
    )
    done = site.play("deploy_cluster", tier="source", pcluster_config_volume={"volume_id": "vol-0123456789abcdef0"})
    assert done.rc != 0
    assert "leave pcluster_config_volume out" in " ".join(done.output.split())
    done = site.play("deploy_cluster", tier="source", key_name="nobodys")
    assert done.rc != 0
    assert "KeyPairValidator: The keypair" in done.output
    done = site.play("deploy_cluster", "--check", tier="source")
    assert done.rc == 0, done.output
    assert "would be built on the head node of the cluster" in done.output
    assert site.volumes() == []
    assert locks(lab) == []


def locks(lab: Client) -> list[str]:
    """The locks of builds that are there; each is a key pair."""
    return [one["name"] for one in lab.leaks()["key_pairs"] if one["name"] != "test"]


def deployed(done: Run) -> bool:
    """Whether all went well until the verification, which the head in a lab cannot make: it has no Slurm, nor nodes."""
    return done.rc == 0 or "0 of 2 checks passed for ubuntu, in Slurm jobs on compute-dy-compute-1" in done.output


def test_a_controller_that_dies_leaves_a_cluster_that_says_so(site: Site) -> None:
    up = threading.Thread(target=site.bring_up)
    up.start()
    site.deploy_and_kill(lambda: not up.is_alive() and site.ssh(f"cat {MARK} 2>/dev/null || true"))
    up.join()
    assert "is being built" in site.ssh(f"cat {MARK}")
    done = site.play("cluster_status")
    assert done.rc == 0, done.output
    (volume,) = site.volumes()
    assert f"is not complete on its volume {volume['VolumeId']}" in " ".join(done.output.split())
    # The one command that the head names knows of it.
    assert "petal.hpc.cluster_status -e seed=" in site.ssh(f"cat {MARK}")
    assert f"-e head_node_key_file={site.cloud.key}" in site.ssh(f"cat {MARK}")


def test_a_volume_that_was_too_small_grows(site: Site) -> None:
    if not int(re.findall(r"CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text())[0], 16) >> 24 & 1:
        pytest.skip("a file system that is mounted grows with CAP_SYS_RESOURCE, which root has not on this machine")
    site.seed.write_text(site.seed.read_text().replace("size: 2", "size: 3"))
    done = site.play("deploy_cluster", tier="source", python_environments_cache_dir="/proc/none")
    assert done.rc != 0
    (volume,) = site.volumes()
    assert volume["Size"] == 3
    assert int(site.ssh("df --output=size -B1M /shared | tail -1")) > 2500


def test_a_failed_build_stays_and_says_so_and_is_gone_on_with(lab: Client, site: Site) -> None:
    done = site.play("deploy_cluster", tier="source", python_environments_cache_dir="/proc/none")
    assert done.rc != 0
    assert "stays, without complete software" in " ".join(done.output.split())
    assert "failed." in site.ssh(f"cat {MARK}")
    (volume,) = site.volumes()
    assert volume["State"] == "in-use"
    assert site.snapshots() == []
    cleaned = site.play("cleanup", region="us-east-1")
    assert cleaned.rc == 0, cleaned.output
    assert [one["VolumeId"] for one in site.volumes()] == [volume["VolumeId"]]
    assert site.cloud.instance(site.head["InstanceId"])["State"]["Name"] == "running"

    lab.clear_calls()
    done = site.play("deploy_cluster", tier="source")
    (snapshot,) = site.snapshots()
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert snapshot["State"] == "completed"
    assert snapshot["VolumeId"] == volume["VolumeId"]
    assert "petal:cleanup" not in tags
    assert deployed(done), done.output
    assert site.ssh(f"test -e {MARK} || echo gone") == "gone"
    assert site.ssh("echo yes >/shared/written && cat /shared/written && rm /shared/written") == "yes"
    assert [one["VolumeId"] for one in site.volumes()] == [volume["VolumeId"]]
    # What ParallelCluster's own policies allow, it asks for itself.
    policy = Policy.read(*(ROOT / "docs" / "iam" / f"{name}.json" for name in ("builder", "deployer")))
    changes = [call for call in lab.calls() if call["action"] in CHANGES]
    assert {call["action"] for call in changes} == set(CHANGES)
    assert compare(policy, changes).denied == []
    assert locks(lab) == []


def test_the_next_deployment_finds_it(lab: Client, site: Site) -> None:
    lab.clear_calls()
    done = site.play("deploy_cluster")
    assert deployed(done), done.output
    assert "CREATE_COMPLETE, as it was" in done.output or "UPDATE_COMPLETE, as it was" in done.output
    config = yaml.safe_load((site.directory / "cluster.yaml").read_text())
    assert config["SharedStorage"][0]["EbsSettings"] == {"VolumeId": site.volumes()[0]["VolumeId"]}
    assert not any(call["action"] in ("CreateVolume", "UpdateStack", "CreateSnapshot") for call in lab.calls())


def test_a_snapshot_of_something_else_is_not_said_to_be_deployed(lab: Client, site: Site) -> None:
    """As where another one was built of the seed since, or the volume was begun anew."""
    (volume,) = site.volumes()
    (mine,) = (tag for tag in volume["Tags"] if tag["Key"] == "petal:source")
    assert mine["Value"].startswith("sha256:")
    site.cloud.ec2.create_tags(Resources=[volume["VolumeId"]], Tags=[{"Key": "petal:source", "Value": "begun"}])
    lab.clear_calls()
    done = site.play("deploy_cluster")
    site.cloud.ec2.create_tags(Resources=[volume["VolumeId"]], Tags=[mine])
    assert done.rc != 0
    assert f"{volume['VolumeId']}, the volume of the cluster {NAME}, has not the software of snap-" in " ".join(
        done.output.split()
    )
    assert not any(call["action"] in ("CreateVolume", "UpdateStack", "CreateSnapshot") for call in lab.calls())


def test_a_cluster_that_is_deleted_leaves_its_volume_and_says_so(site: Site) -> None:
    (volume,) = site.volumes()
    for arguments in (["--check"], []):
        done = site.play("delete_cluster", *arguments)
        assert done.rc == 0, done.output
        command_that_deletes = f"aws ec2 delete-volume --region us-east-1 --volume-id {volume['VolumeId']}"
        assert command_that_deletes in " ".join(done.output.split())
    assert [one["VolumeId"] for one in site.volumes()] == [volume["VolumeId"]]
