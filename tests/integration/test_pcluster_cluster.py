# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters through the real library of ParallelCluster, in a lab whose stacks are played and not made.

The library validates, makes its template with Node.js, uploads it and asks CloudFormation, as it does on AWS. Resources
of the stack are records; the head node that its update looks for is an instance that a test launches in its place.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

import pcluster_check
import yaml
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import ACCOUNT, OTHER_ACCOUNT, Delays, Settings
from ec2lab.testing import Cloud, inside, wait_for, why_not
from iam_policy import Policy, compare
from pcluster_samples import HOST, plain
from playing import ROOT, Run, play

from ansible_collections.petal.hpc.plugins.module_utils._image.record import described
from ansible_collections.petal.hpc.plugins.module_utils._seed import hybrid, pins
from ansible_collections.petal.hpc.plugins.module_utils._seed.fingerprint import fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

BUCKET = "lab-hooks"


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab with short delays, and the library of ParallelCluster at hand."""
    if reason := why_not() or pcluster_check.provide():
        pytest.skip(reason)
    if shutil.which("node") is None:
        pytest.skip("ParallelCluster makes its templates with Node.js, and there is none")
    delays = Delays(0.3, 0.2, 0.1, 0.1, 0.1, 0.3, 0.3)
    with inside(Settings(delays, root=str(roots.root()))) as client:
        yield client


class Site:
    """A controller with a seed whose software is in a snapshot of its account."""

    def __init__(
        self,
        directory: Path,
        name: str = "quickstart",
        cloud: Cloud | None = None,
        refs: dict[str, str] | None = None,
        **software: Any,
    ) -> None:
        self.directory = directory
        self.name = name
        self.cloud = cloud or Cloud(directory)
        if cloud is None:
            self.cloud.set_up()
        data = plain("quickstart.yaml")
        data["cluster"]["name"] = name
        data["software"].update(software)
        self.seed = directory / f"{name}.yaml"
        self.seed.write_text(yaml.safe_dump(data))
        seed = Seed.from_mapping(data, HOST)
        tags = {
            "petal:fingerprint": fingerprint(seed, refs),
            **pins.to_tags(refs or {}),
            "petal:name": name,
            "petal:os": "alinux2023",
            "petal:architecture": "x86_64",
            "petal:build-id": "20261122T000000Z-01234567",
        }
        volume = self.cloud.volume(Size=1)
        specification = {"ResourceType": "snapshot", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        self.snapshot_id = self.cloud.snapshot(volume, TagSpecifications=[specification])
        zone = {"Name": "availability-zone", "Values": ["us-east-1a"]}
        self.subnet = self.cloud.ec2.describe_subnets(Filters=[zone])["Subnets"][0]["SubnetId"]
        if BUCKET not in str(self.cloud.session.client("s3").list_buckets()["Buckets"]):
            self.cloud.session.client("s3").create_bucket(Bucket=BUCKET)

    def play(self, playbook: str, *arguments: str, **more: Any) -> Run:
        """Run a playbook with all that a site says."""
        given = {
            "seed": str(self.seed),
            "subnet_id": self.subnet,
            "key_name": "test",
            "hook_bucket": BUCKET,
            "cluster_config": str(self.directory / "cluster.yaml"),
            "ssh_key_dir": str(self.directory / "keys"),
            "pcluster_python": str(pcluster_check.PYTHON),
            "pcluster_config_poll_interval": 1,
            "pcluster_config_wait_timeout": 120,
            **more,
        }
        variables = self.directory / "variables.json"
        variables.write_text(json.dumps(given))
        return play(playbook, "-e", f"@{variables}", *arguments)

    def head_node(self) -> dict[str, Any]:
        """Launch what stands in for the head node."""
        tags = {"parallelcluster:cluster-name": self.name, "parallelcluster:node-type": "HeadNode"}
        specification = {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        return self.cloud.launch(InstanceType="t3.large", SubnetId=self.subnet, TagSpecifications=[specification])


@pytest.fixture(scope="module")
def site(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One for all tests here."""
    assert lab.instances() == []
    return Site(tmp_path_factory.mktemp("site"))


def calls(client: Client, *actions: str) -> int:
    """How often these were asked for until now."""
    return sum(call["action"] in actions for call in client.calls())


CHANGES = ("CreateStack", "UpdateStack", "DeleteStack")


def test_without_a_cluster(lab: Client, site: Site) -> None:
    """Check mode is ParallelCluster's dry run; deleting and asking are content with nothing."""
    done = site.play("deploy_cluster", "--check")
    assert done.rc == 0, done.output
    assert "quickstart: ParallelCluster accepts the configuration; the cluster would be created." in done.output
    done = site.play("delete_cluster")
    assert done.rc == 0, done.output
    assert "There is no cluster quickstart in us-east-1." in done.output
    done = site.play("cluster_status")
    assert done.rc == 0, done.output
    assert "There is no cluster quickstart in us-east-1." in done.output
    done = site.play("verify_cluster")
    assert done.rc != 0
    assert "Cluster quickstart cannot be verified: it is not there." in done.output
    done = site.play("deploy_cluster", rollback=True)
    assert done.rc != 0
    assert "there is nothing to go back to" in done.output
    # What has a snapshot is deployed, whatever was to be built; what has none needs a way to the head.
    done = site.play("deploy_cluster", "--check", tier="source")
    assert done.rc == 0, done.output
    assert f"{site.snapshot_id} has this fingerprint already: nothing is built, and it is deployed" in done.output
    assert "the cluster would be created." in done.output
    done = site.play("deploy_cluster", tier="source", os="ubuntu2404")
    assert done.rc != 0
    assert "No snapshot has the fingerprint of quickstart, and tier=source builds it on the head node" in done.output
    assert "-e head_node_key_file=FILE (none is named)" in " ".join(done.output.split())
    assert calls(lab, *CHANGES) == 0


def test_all_that_parallelcluster_refuses_is_said_at_once(lab: Client, site: Site) -> None:
    wrong = {
        "HeadNode": {"Ssh": {"KeyName": "nobodys"}},
        "SharedStorage": [{"Name": "software", "EbsSettings": {"SnapshotId": "snap-0123456789abcdef0"}}],
    }
    done = site.play("deploy_cluster", "--check", pcluster_config_overrides=wrong)
    assert done.rc != 0
    assert "KeyPairValidator: The keypair" in done.output
    assert "EbsVolumeSizeSnapshotValidator: The snapshot snap-0123456789abcdef0 does not appear to exist" in done.output
    assert "Traceback" not in done.output
    assert calls(lab, *CHANGES) == 0


def test_a_failure_says_what_failed_first(lab: Client, site: Site) -> None:
    said = "Failed to execute OnNodeConfigured script, return code: 1"
    lab.fault("stack-resource", resource="HeadNodeWaitCondition[0-9]*", action="CREATE", message=said)
    done = site.play("deploy_cluster")
    assert done.rc != 0
    assert "Cluster quickstart is CREATE_FAILED." in done.output
    assert f"(AWS::CloudFormation::WaitCondition) CREATE_FAILED: {said}" in done.output
    done = site.play("cluster_status")
    assert done.rc == 0, done.output
    assert said in done.output
    # What failed is not mended by an update.
    done = site.play("deploy_cluster")
    assert done.rc != 0
    assert "delete it (state: absent) and create it anew" in done.output
    done = site.play("delete_cluster")
    assert done.rc == 0, done.output
    assert "Deleted: quickstart." in done.output


def test_from_creation_to_deletion(lab: Client, site: Site) -> None:
    before = calls(lab, *CHANGES)
    done = site.play("deploy_cluster")
    assert done.rc == 0, done.output
    assert "quickstart in us-east-1: CREATE_COMPLETE after" in done.output
    assert site.snapshot_id in done.output
    assert "Not verified: -e head_node_key_file=FILE" in done.output
    (stack,) = site.cloud.session.client("cloudformation").describe_stacks()["Stacks"]
    tags = {tag["Key"]: tag["Value"] for tag in stack["Tags"]}
    assert (tags["petal:cluster"], tags["petal:snapshot"]) == ("quickstart", site.snapshot_id)
    assert calls(lab, *CHANGES) == before + 1

    site.head_node()
    done = site.play("deploy_cluster")
    assert done.rc == 0, done.output
    assert "CREATE_COMPLETE, as it was" in done.output
    assert calls(lab, *CHANGES) == before + 1

    more = {
        "Scheduling": {"SlurmQueues": [{"Name": "compute", "ComputeResources": [{"Name": "compute", "MaxCount": 20}]}]}
    }
    done = site.play("deploy_cluster", "--check", pcluster_config_overrides=more)
    assert done.rc == 0, done.output
    assert "Scheduling.SlurmQueues[compute].ComputeResources[compute].MaxCount: 10 to 20" in done.output
    assert calls(lab, *CHANGES) == before + 1
    # An update that AWS undoes leaves the cluster as it was, and can be tried again.
    lab.fault("stack-resource", action="UPDATE", message="Table is in use")
    done = site.play("deploy_cluster", pcluster_config_overrides=more)
    assert done.rc != 0
    assert "Cluster quickstart is UPDATE_FAILED." in done.output
    assert "UPDATE_FAILED: Table is in use" in done.output
    done = site.play("deploy_cluster", pcluster_config_overrides=more)
    assert done.rc == 0, done.output
    assert "quickstart in us-east-1: UPDATE_COMPLETE after" in done.output

    # Its head node is known and answers; what stands in for it has no software.
    # The head of a site's own cluster in the inventory is another one.
    inventory = site.directory / "site.ini"
    inventory.write_text("[head]\nonprem.invalid\n")
    done = site.play("verify_cluster", "-i", str(inventory), head_node_key_file=str(site.cloud.key))
    assert done.rc != 0
    assert "No software volume is mounted at /shared on quickstart-head" in done.output
    refused = site.play("verify_cluster", "-i", str(inventory))
    assert refused.rc != 0
    assert "name the private key of its key pair with -e head_node_key_file=FILE" in " ".join(refused.output.split())
    assert "onprem" not in refused.output
    assert "fatal: [quickstart-head]" in done.output or "FAILED on quickstart-head" in done.output

    done = site.play("delete_cluster", "--check")
    assert done.rc == 0, done.output
    assert "Would be deleted: quickstart" in done.output
    assert calls(lab, *CHANGES) == before + 3
    done = site.play("delete_cluster")
    assert done.rc == 0, done.output
    assert site.cloud.session.client("cloudformation").describe_stacks()["Stacks"] == []


def image(site: Site, cloud: Cloud, name: str, release: str) -> str:
    """An image in an account as build_ami makes one; what is in it does not matter here."""
    seed = Seed.from_mapping(yaml.safe_load(site.seed.read_text()), HOST)
    seed = hybrid.image_part(seed) if hybrid.is_one(seed) else seed
    host = cloud.launch(InstanceType="t3.large")
    cloud.ec2.stop_instances(InstanceIds=[host["InstanceId"]])
    cloud.until(host["InstanceId"], "stopped")
    tags = {
        "petal:fingerprint": fingerprint(seed),
        "petal:name": site.name,
        "petal:os": "alinux2023",
        "petal:build-id": "20261122T000000Z-01234567-ami",
        "parallelcluster:version": release,
        "parallelcluster:os": "alinux2023",
        "parallelcluster:build_status": "available",
    }
    image_id = str(
        cloud.ec2.create_image(
            InstanceId=host["InstanceId"],
            Name=name,
            Description=described(site.name, fingerprint(seed), release),
            TagSpecifications=[
                {"ResourceType": "image", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            ],
        )["ImageId"]
    )
    cloud.terminate(host["InstanceId"])
    wait_for(lambda: cloud.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available")
    return image_id


def test_a_cluster_whose_nodes_have_the_software_in_their_image(lab: Client, site: Site, tmp_path: Path) -> None:
    lab.clear_faults()
    refused = site.play("deploy_cluster", tier="ami")
    assert refused.rc != 0
    assert "can be used in us-east-1: there is none to use; local: no image matches fingerprint" in refused.output
    assert "petal.hpc.build_ami -e seed=" in refused.output
    older = image(site, site.cloud, "older", "3.15.0")
    refused = site.play("deploy_cluster", ami=older)
    assert refused.rc != 0
    assert "made from an image of ParallelCluster 3.15.0, and clusters are made with 3.16.1" in refused.output
    assert "-e tier=volume" in refused.output

    # Of an account of the organization, once the site trusts it.
    other = Cloud(tmp_path, OTHER_ACCOUNT)
    other.set_up()
    shared = image(site, other, "shared", "3.16.1")
    other.ec2.modify_image_attribute(ImageId=shared, LaunchPermission={"Add": [{"UserId": ACCOUNT}]})
    sources = [{"type": "local", "priority": 1}, {"type": "organization", "priority": 2, "account": OTHER_ACCOUNT}]
    refused = site.play("deploy_cluster", "--check", tier="ami", snapshot_sources=sources, ami="ami-0123456789abcdef0")
    assert refused.rc != 0
    assert "No image ami-0123456789abcdef0 with the software of quickstart" in refused.output
    assert "ami-0123456789abcdef0 has no software of petal.hpc that is known here." in refused.output
    done = site.play("deploy_cluster", "--check", tier="ami", snapshot_sources=sources)
    assert done.rc == 0, done.output
    assert "ParallelCluster accepts the configuration" in done.output

    mine = image(site, site.cloud, "mine", "3.16.1")
    done = site.play("deploy_cluster", tier="ami")
    assert done.rc == 0, done.output
    assert "quickstart in us-east-1: CREATE_COMPLETE after" in done.output
    assert "software  of the image sha256:" in done.output
    config = yaml.safe_load((site.directory / "cluster.yaml").read_text())
    assert config["Image"] == {"Os": "alinux2023", "CustomAmi": mine}
    assert "SharedStorage" not in config
    assert config["HeadNode"]["CustomActions"]["OnNodeConfigured"]["Script"].startswith("s3://")
    assert {"Key": "petal:image", "Value": mine} in config["Tags"]
    again = site.play("deploy_cluster", ami=mine)
    assert again.rc == 0, again.output
    deleted = site.play("delete_cluster")
    assert deleted.rc == 0, deleted.output


def test_a_snapshot_that_is_named_needs_no_git(site: Site, tmp_path: Path) -> None:
    """Its tags say where the branches stood when it was built; what is not there is not there, whatever Git says."""
    commits = {"spack": "1" * 40, "packages": "2" * 40}
    branches = {"version": "develop", "packages": "releases/v2026"}
    named = Site(tmp_path, "named", site.cloud, commits, spack_packages=["zlib"], spack=branches)
    nowhere = f"file://{tmp_path}/nowhere"
    away = {"spack_git_url": nowhere, "spack_packages_git_url": nowhere}
    try:
        done = named.play("deploy_cluster", "--check", snapshot_id=named.snapshot_id, **away)
        assert done.rc == 0, done.output
        assert f"{named.snapshot_id} is compared with the seed by what it stood for" in done.output, done.output
        assert "named: ParallelCluster accepts the configuration; the cluster would be created." in done.output
        done = named.play("deploy_cluster", "--check", snapshot_id="snap-00000000000000000", **away)
        assert done.rc != 0 and "no snapshot matches id snap-00000000000000000" in done.output, done.output
        done = named.play("deploy_cluster", "--check", **away)
        assert done.rc != 0 and "nowhere" in done.output, done.output
    finally:
        named.cloud.ec2.delete_snapshot(SnapshotId=named.snapshot_id)


def test_without_a_snapshot_it_is_the_image_and_without_both_it_is_said_what_each_tier_takes(
    lab: Client, site: Site
) -> None:
    """Behind the test of images, whose newest one is still there; alone it makes one."""
    if not site.cloud.ec2.describe_images(Owners=["self"])["Images"]:
        image(site, site.cloud, "alone", "3.16.1")
    lab.clear_calls()
    done = site.play("deploy_cluster", "--check")
    assert done.rc == 0, done.output
    assert f"Tier volume: {site.snapshot_id} has the software" in done.output
    # ParallelCluster itself looks at images; for one with the software nobody does.
    assert not [call for call in lab.calls(action="DescribeImages") if "petal:" in str(call["parameters"])]
    site.cloud.ec2.delete_snapshot(SnapshotId=site.snapshot_id)
    done = site.play("deploy_cluster", "--check")
    assert done.rc == 0, done.output
    assert [call for call in lab.calls(action="DescribeImages") if "petal:" in str(call["parameters"])]
    assert "has the software, and no snapshot has it" in done.output
    for one in site.cloud.ec2.describe_images(Owners=["self"])["Images"]:
        site.cloud.ec2.deregister_image(ImageId=one["ImageId"])
    lab.clear_calls()
    refused = site.play("deploy_cluster", "--check")
    assert refused.rc != 0
    for said in (
        "Nothing is built of quickstart (sha256:",
        "No image either: ",
        r"/volume +takes +.*at most 12h \(software.build.timeout\); no earlier build of quickstart tells how long",
        r"/costs +at most [0-9.]+ USD for 12.0 h, the time-out.*; the snapshot at most [0-9.]+ USD a month \(",
        r"/start +ansible-playbook petal.hpc.build_volume -e seed=",
        r"/ami +takes +",
        r"/; the image at most [0-9.]+ USD a month beside it",
        r"/then +ansible-playbook petal.hpc.deploy_cluster -e seed=.* -e tier=ami",
        r"/containers +no +the seed has no images in software.containers",
    ):
        found = re.search(said[1:], refused.output) if said.startswith("/") else said in refused.output
        assert found, (said, refused.output)
    assert compare(Policy.read(ROOT / "docs" / "iam" / "deployer.json"), lab.calls()).denied == []
    # Who may not ask for images has the table all the same.
    lab.fault("error", action="DescribeImages", code="UnauthorizedOperation", status=403, message="no", times=50)
    refused = site.play("deploy_cluster", "--check")
    lab.clear_faults()
    assert "No image either: nobody could look for one: " in refused.output
    assert re.search(r"volume +takes +", refused.output), refused.output
    assert "the image at most an unknown number of USD a month" in refused.output


def test_a_cluster_of_a_hybrid_seed_has_image_and_volume(lab: Client, site: Site, tmp_path: Path) -> None:
    lab.clear_faults()
    site = Site(tmp_path, "hybrid", site.cloud, in_ami=["cmake@3.24"])
    refused = site.play("deploy_cluster")
    assert refused.rc != 0
    said = " ".join(refused.output.split())
    assert "hybrid uses packages of an image (cmake@3.24), and none with them (sha256:" in said, said[:1500]
    assert "Build it first: ansible-playbook petal.hpc.build_ami -e seed=" in said
    mine = image(site, site.cloud, "hybrid", "3.16.1")
    refused = site.play("deploy_cluster", tier="volume")
    assert refused.rc != 0
    assert "which is the tier hybrid" in refused.output
    other = Site(tmp_path, "other", site.cloud, in_ami=["cmake@3.26"])
    borne = fingerprint(hybrid.image_part(Seed.from_mapping(yaml.safe_load(other.seed.read_text()), HOST)))
    wrong = image(other, site.cloud, "other", "3.16.1")
    refused = site.play("deploy_cluster", ami=wrong)
    assert refused.rc != 0
    said = " ".join(refused.output.split())
    assert f"ami={wrong} has {borne}, and the volume of hybrid is built against an image with sha256:" in said, said
    assert "Build it first" not in said
    refused = site.play("deploy_cluster", ami="ami-0123456789abcdef0")
    assert refused.rc != 0
    assert "ami=ami-0123456789abcdef0 has no software of petal.hpc that is known here" in refused.output
    done = site.play("deploy_cluster")
    assert done.rc == 0, done.output
    assert "Tier hybrid: the seed has packages of the nodes' image, software.in_ami" in done.output
    config = yaml.safe_load((site.directory / "cluster.yaml").read_text())
    assert config["Image"] == {"Os": "alinux2023", "CustomAmi": mine}
    assert config["SharedStorage"][0]["EbsSettings"]["SnapshotId"] == site.snapshot_id
    assert "deprecated" not in done.output
    deleted = site.play("delete_cluster")
    assert deleted.rc == 0, deleted.output
