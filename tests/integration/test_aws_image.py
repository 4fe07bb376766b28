"""build_ami on AWS in a lab: one image with the software, nothing of its host in it, and nothing left beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import WHEELS, Site
from aws_image import an_image, forget, images, left, look
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import Delays, Settings
from ec2lab.testing import inside, wait_for, why_not
from iam_policy import Policy, compare
from playing import ROOT, Run, command, environment


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab with short delays."""
    if reason := why_not():
        pytest.skip(reason)
    root = roots.root()
    delays = Delays(0.3, 0.2, 0.1, 0.1, 0.1, 2.0)
    with inside(Settings(delays, root=str(root), wheels=str(roots.wheels(WHEELS, root)))) as client:
        yield client


@dataclass(frozen=True)
class Made:
    """An image that was made of nothing, signed."""

    site: Site
    planned: Run
    run: Run
    calls: list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Software and image, by one run of the playbook on a site that takes only what is signed."""
    directory = tmp_path_factory.mktemp("site")
    key = directory / "maker"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout
    signer = {"name": "software group", "key": shown.split()[1]}
    more = {"petal_signing_key": str(key), "petal_trusted_signers": [signer], "petal_require_signatures": True}
    site = Site(directory, more=more)
    planned = site.play("build_ami", "--check")
    assert site.leaks() == {}
    lab.clear_calls()
    run = site.play("build_ami", on_demand="true", build_instance="c5.2xlarge")
    return Made(site, planned, run, lab.calls())


def test_an_image_is_made_once_and_a_node_of_it_has_the_software_and_nothing_of_its_host(
    lab: Client, made: Made
) -> None:
    assert made.planned.rc == 0, made.planned.output
    assert "An image of lab-build" in made.planned.output
    assert "from a snapshot of the software, which would be built" in made.planned.output.replace("made of", "from")
    assert re.search(r"at most \d+\.\d\d USD for 1\.0 h, the time-out", made.planned.output), made.planned.output
    assert "the image at most 2.55 USD a month" in made.planned.output
    assert made.run.rc == 0, made.run.output
    assert "Built: ami-" in made.run.output
    (image,) = images(made.site)
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert (tags["parallelcluster:version"], tags["parallelcluster:os"]) == ("3.16.1", "ubuntu2204")
    assert "petal:signature" in tags
    assert left(made.site) == {}
    assert look(made.site) == ""
    launched = [call["parameters"] for call in made.calls if call["action"] == "RunInstances" and not call["error"]]
    assert [one["InstanceType"] for one in launched] == ["c5.2xlarge", "t3.xlarge"]
    assert not [one for one in launched if any("MarketType" in name for name in one)]
    lab.clear_calls()
    before = made.site.seed.read_text()
    again = made.site.play("build_ami", save_to_seed="true")
    assert again.rc == 0, again.output
    assert f"Found: {image['ImageId']}" in again.output
    assert {call["action"] for call in lab.calls()} <= {"DescribeImages", "DescribeSnapshots"}
    named = f"compute: {{custom_ami: {image['ImageId']}, head_node"
    assert made.site.seed.read_text() == before.replace("compute: {head_node", named).replace(
        "software:\n", "software:\n  use_custom_ami: true\n"
    )
    made.site.seed.write_text(before)
    refused = made.site.play("build_ami", save_to_seed="true", region="us-west-2")
    assert refused.rc != 0
    assert "makes it one of another system or Region" in refused.output
    stranger = Site(made.site.directory, more={**made.site.more, "petal_trusted_signers": []})
    refused = stranger.play("build_ami", "--check")
    assert "Found: ami-" not in refused.output


def test_the_policies_allow_what_is_called_and_no_more(made: Made) -> None:
    policy = Policy.read(*(ROOT / "docs" / "iam" / f"{name}.json" for name in ("builder", "builder-image", "signer")))
    findings = compare(policy, made.calls)
    assert findings.denied == []
    assert findings.unused == []


def test_images_are_listed_with_their_price_and_deleted_with_their_snapshots(lab: Client, tmp_path: Path) -> None:
    site = Site(tmp_path, region="us-west-2")
    where = {"region": "us-west-2", "seed": ""}
    asked = site.play("validate_seed")
    found = re.search(r"sha256:[0-9a-f]{64}", asked.output)
    assert found, asked.output
    site.cloud.set_up()
    older, newer = (an_image(site, name, found[0])["ImageId"] for name in ("one", "two"))
    listed = site.play("images", **where)
    assert listed.rc == 0, listed.output
    row = rf"{newer} +lab-build +ubuntu2204 +x86_64 +3\.16\.1 +45 +2\.25 "
    assert re.search(row, listed.output), listed.output
    assert "2 in us-west-2. A month costs at most so much" in listed.output
    for wrong, said in (
        ({"action": "delete"}, "Nothing says which image to delete"),
        ({"action": "retire"}, "Nothing says which images stay"),
        (
            {"action": "burn"},
            'action is "burn". Expected list, copy, share, unshare, deprecate, undeprecate, delete or retire',
        ),
        ({"region": ""}, "Nothing says where the images are"),
    ):
        refused = site.play("images", **{**where, **wrong})
        assert refused.rc != 0
        assert said in refused.output
    retired = site.play("images", action="retire", keep_last="1", **where)
    assert retired.rc == 0, retired.output
    assert f"Deleted {older}" in retired.output
    assert [one["ImageId"] for one in images(site)] == [newer]
    host = site.cloud.launch(ImageId=newer)
    refused = site.play("images", action="delete", **where, ami=newer)
    site.cloud.terminate(host["InstanceId"])
    site.cloud.ec2.delete_security_group(GroupId=site.cloud.group)
    site.cloud.ec2.delete_key_pair(KeyName="test")
    assert refused.rc != 0
    assert f"in use or still being made, so nothing was deleted: {newer}" in refused.output
    shown = site.play("images", "--check", action="delete")
    assert f"Would delete {newer}" in shown.output
    assert len(images(site)) == 1
    lab.clear_calls()
    deleted = site.play("images", action="delete")
    assert deleted.rc == 0, deleted.output
    assert f"Deleted {newer}" in deleted.output
    policy = Policy.read(*(ROOT / "docs" / "iam" / f"{name}.json" for name in ("builder", "builder-image")))
    assert compare(policy, [call for call in lab.calls() if call["region"] == "us-west-2"]).denied == []
    assert (images(site), site.snapshots()) == ([], [])


def an_own_parent(site: Site) -> str:
    """An image that is ParallelCluster's by its tag, as `pcluster build-image` makes one of the official one."""
    name = "aws-parallelcluster-3.16.1-ubuntu-2204-lts-hvm-x86_64-*"
    wanted = [{"Name": "name", "Values": [name]}]
    official = site.cloud.ec2.describe_images(Owners=["amazon"], Filters=wanted)["Images"][0]
    site.cloud.set_up()
    host = site.cloud.launch(ImageId=official["ImageId"])
    site.cloud.ec2.stop_instances(InstanceIds=[host["InstanceId"]])
    site.cloud.until(host["InstanceId"], "stopped")
    made = str(site.cloud.ec2.create_image(InstanceId=host["InstanceId"], Name="mine")["ImageId"])
    wait_for(lambda: site.cloud.ec2.describe_images(ImageIds=[made])["Images"][0]["State"] == "available")
    site.cloud.terminate(host["InstanceId"])
    site.cloud.ec2.delete_security_group(GroupId=site.cloud.group)
    site.cloud.ec2.delete_key_pair(KeyName="test")
    site.cloud.key.unlink()
    return made


def test_an_image_can_begin_with_one_of_the_own_account(lab: Client, made: Made) -> None:
    site = made.site
    forget(site)
    own = an_own_parent(site)
    for release, said in (("", "is none of ParallelCluster"), ("3.12.0", "is of ParallelCluster 3.12.0")):
        if release:
            site.cloud.ec2.create_tags(Resources=[own], Tags=[{"Key": "parallelcluster:version", "Value": release}])
        refused = site.play("build_ami", ami_id=own)
        assert refused.rc != 0
        assert f"the image {own} {said}" in " ".join(refused.output.split())
    site.cloud.ec2.create_tags(Resources=[own], Tags=[{"Key": "parallelcluster:version", "Value": "3.16.1"}])
    lab.clear_calls()
    built = site.play("build_ami", ami_id=own)
    assert built.rc == 0, built.output
    (launched,) = (one["parameters"] for one in lab.calls(action="RunInstances") if not one["error"])
    assert launched["ImageId"] == own
    (image,) = (one for one in images(site) if one["ImageId"] != own)
    assert f"Built: {image['ImageId']}" in built.output
    (parent,) = site.cloud.ec2.describe_images(ImageIds=[own])["Images"]
    site.cloud.ec2.deregister_image(ImageId=own)
    site.cloud.ec2.delete_snapshot(SnapshotId=parent["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
    assert (left(site), look(site)) == ({}, "")


def killed_when(site: Site, what: Callable[[], Any]) -> None:
    """End the making of an image with SIGKILL as soon as something is true."""
    variables = json.dumps({**site.more, **site.variables()})
    process = subprocess.Popen(
        command("build_ami", "-e", variables),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: what() or process.poll() is not None, 300, 0.3)
        assert process.poll() is None, "it ended before"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_what_fails_leaves_nothing_and_what_is_killed_is_gone_on_with(lab: Client, made: Made) -> None:
    site = made.site
    forget(site)
    # AWS ends the image in error, twice.
    for _twice in range(2):
        lab.fault("snapshot-error")
    failed = site.play("build_ami")
    lab.clear_faults()
    assert failed.rc != 0
    assert "of lab-build in state failed" in failed.output
    assert (images(site), left(site), len(site.snapshots())) == ([], {}, 1)

    # Killed while the host is filled, then behind CreateImage.
    lab.clear_calls()
    killed_when(site, lambda: lab.calls(action="AttachVolume"))
    assert {"instances", "volumes", "key_pairs"} <= set(left(site))
    shown = site.play("cleanup", "--check", region="us-east-1")
    assert shown.rc == 0, shown.output
    assert "-ami lab-build" in shown.output
    killed_when(site, lambda: lab.calls(action="CreateImage"))
    done = site.play("build_ami")
    assert done.rc == 0, done.output
    assert len(lab.calls(action="CreateImage")) == 1
    assert left(site) == {}
    assert look(site) == ""

    # Killed, and cleaned up.
    forget(site)
    lab.clear_calls()
    killed_when(site, lambda: lab.calls(action="AttachVolume"))
    cleaned = site.play("cleanup", region="us-east-1")
    assert cleaned.rc == 0, cleaned.output
    assert (images(site), left(site), len(site.snapshots())) == ([], {}, 1)
