"""A hybrid seed on AWS in a lab: packages in the nodes' image, and a volume with what uses them, by the real Spack."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import package_graph
import pytest
import spack_at_hand
import yaml
from playing import ROOT, Run, why_not_mount

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import WHEELS, Site
from aws_image import USER, images, on_node
from ec2lab import roots
from ec2lab.settings import Delays, Settings, shares
from ec2lab.testing import inside, wait_for, why_not
from iam_policy import Policy, compare

#: A library and an MPI in the image; a program that is linked with the one, and one that runs by the other.
IN_AMI = ["lab-b1@1.0", "lab-mpi@1.0"]
ON_VOLUME = ["lab-r5@1.0", "lab-r7@1.0 ^lab-mpi"]
#: What an ordinary user of a node does.
USE = """set -eu
user() { runuser -u nobody -- env -i HOME=/tmp bash -lc "$1"; }
user 'module load lab-r5 && lab-r5 && ldd $(command -v lab-r5) && module load lab-b1 && echo $LAB_B1_ROOT'
user 'module load lab-mpi && module load lab-r7 && mpiexec -n 1 lab-r7'
"""
#: A program of a site's own in its image, which is of another version than the system's.
SITE_CMAKE = """set -eu
mkdir -p /opt/site/bin
cat >/opt/site/bin/cmake <<'END'
#!/bin/sh
case $1 in --version) echo cmake version 3.24.9 ;; *) exec /usr/bin/cmake "$@" ;; esac
END
chmod 755 /opt/site/bin/cmake
"""


def seed(volume: list[str], **software: Any) -> str:
    return yaml.safe_dump(
        {
            "cluster": {"name": "hybrid-lab", "region": "us-east-1", "os": "ubuntu2204"},
            "compute": {"head_node": "t3.xlarge", "queues": [{"name": "compute", "instance_types": ["c5.xlarge"]}]},
            "shared_storage": [{"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 4}}],
            "software": {
                "in_ami": IN_AMI,
                "spack_packages": volume,
                "build": {"spot": False, "timeout": "1h"},
                **software,
                **spack_at_hand.software(),
            },
        }
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := why_not_mount() or why_not():
        pytest.skip(reason)
    mirror = spack_at_hand.mirror_dir()
    if mirror is None:
        pytest.skip(spack_at_hand.no_mirror())
    directory = tmp_path_factory.mktemp("aws")
    # What is below a home is taken away from an image.
    shutil.copytree(mirror, directory / "mirror", symlinks=True, copy_function=os.link)
    repository = package_graph.write(directory / "graph")
    more = {
        "spack_repositories": {package_graph.NAMESPACE: str(repository)},
        "spack_host_config": True,
        **spack_at_hand.variables(),
        "spack_mirror_dir": str(directory / "mirror"),
    }
    root = roots.root()
    settings = Settings(
        Delays(0.5, 0.2, 0.1, 0.2, 0.2, 1.0),
        root=str(root),
        wheels=str(roots.wheels([*WHEELS, str(ROOT / "roles/spack/files/python.txt")], root)),
        shares=shares([str(directory / "mirror"), str(directory / "graph")]),
    )
    with inside(settings):
        yield Site(directory, "hybrid-lab", seed(ON_VOLUME), more=more)


@dataclass(frozen=True)
class Built:
    refused: Run
    image: Run
    volume: Run
    calls: list[dict[str, Any]]


@pytest.fixture(scope="module")
def built(site: Site) -> Built:
    """Image and volume, in the only order that there is."""
    refused = site.build()
    image = site.play("build_ami")
    assert image.rc == 0, image.output
    site.client.clear_calls()
    volume = site.build()
    assert volume.rc == 0, volume.output
    return Built(refused, image, volume, site.client.calls())


def snapshot_of(site: Site, name: str) -> dict[str, Any]:
    """The newest snapshot of a name, with its tags as ``tags``."""
    every = [{**one, "tags": {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}} for one in site.snapshots()]
    mine = [one for one in every if one["tags"].get("petal:name") == name and "petal:fingerprint" in one["tags"]]
    return max(mine, key=lambda one: one["StartTime"])


def official(site: Site) -> str:
    """ParallelCluster's own image of the seed's system."""
    named = [{"Name": "name", "Values": ["aws-parallelcluster-3.16.1-ubuntu-2204-*x86_64*"]}]
    return str(site.cloud.ec2.describe_images(Filters=named)["Images"][0]["ImageId"])


def test_without_its_image_a_volume_is_refused_with_what_to_do(built: Built) -> None:
    assert built.refused.rc != 0
    said = " ".join(built.refused.output.split())
    assert "hybrid-lab uses packages of an image (lab-b1@1.0, lab-mpi@1.0)" in said
    assert re.search(r"Build it first: ansible-playbook petal\.hpc\.build_ami -e seed=\S*hybrid-lab\.yaml", said)


def test_a_program_of_the_volume_runs_against_what_is_in_the_image(site: Site, built: Built) -> None:
    (image,) = images(site)
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    volume = snapshot_of(site, "hybrid-lab")
    assert tags["petal:name"] == "hybrid-lab-image"
    assert tags["petal:fingerprint"] != volume["tags"]["petal:fingerprint"]
    launched = [one["parameters"]["ImageId"] for one in built.calls if one["action"] == "RunInstances"]
    assert launched == [image["ImageId"]]
    policy = Policy.read(ROOT / "docs" / "iam" / "builder.json")
    assert compare(policy, built.calls).denied == []
    ready, used, manifest = on_node(
        site,
        image["ImageId"],
        "/shared/bin/petal-node-setup",
        USE,
        "cat /shared/.petal/manifest.json",
        snapshot_id=volume["SnapshotId"],
    )
    assert ready.splitlines()[-1] in ("changed", "unchanged")
    assert "/shared-image/spack/opt/lab-b1-1.0-" in used
    told = json.loads(manifest)
    assert {"lab-b1", "lab-mpi", "lab-r5", "lab-r7"} <= {one["name"].split("/")[0] for one in told["modules"]}
    assert not {"lab-b1", "lab-mpi"} & {one["name"] for one in told["packages"]}
    assert {kind for kind in site.leaks() if kind != "images"} == set()


@pytest.mark.usefixtures("built")
def test_a_node_of_another_image_says_what_it_lacks(site: Site) -> None:
    volume = snapshot_of(site, "hybrid-lab")["SnapshotId"]
    (said,) = on_node(site, official(site), "/shared/bin/petal-node-setup 2>&1 || echo refused", snapshot_id=volume)
    assert said.splitlines()[-1] == "refused"
    assert "the volume uses packages of the image with sha256:" in said


@pytest.mark.usefixtures("built")
def test_what_changes_on_the_volume_needs_no_other_image(site: Site) -> None:
    before = snapshot_of(site, "hybrid-lab")["SnapshotId"]
    site.seed.write_text(seed([*ON_VOLUME, "lab-r6@1.0"]))
    again = site.build()
    assert again.rc == 0, again.output
    assert snapshot_of(site, "hybrid-lab")["SnapshotId"] != before
    found = site.play("build_ami")
    assert f"Found: {images(site)[0]['ImageId']}" in found.output
    other_part = site.play("build_ami", part="volume")
    assert other_part.rc != 0
    assert "part=volume means what of hybrid-lab is on the volume" in other_part.output
    assert len(images(site)) == 1
    site.seed.write_text(seed(ON_VOLUME, in_ami=["lab-b1@1.0", "lab-b2@1.0", "lab-mpi@1.0"]))
    refused = site.build()
    assert refused.rc != 0
    assert "Build it first" in refused.output


def test_what_the_image_would_not_have_is_refused_before_it_is_made(site: Site) -> None:
    """A compiler of any version is the one of the operating system, of which no image gets a copy."""
    before = len(images(site))
    site.seed.write_text(seed(ON_VOLUME, in_ami=["gcc", "lab-b1@1.0"]))
    refused = site.play("build_ami")
    assert refused.rc != 0
    said = " ".join(refused.output.split())
    assert "hybrid-lab-image would not have all that software.in_ami names: gcc would be gcc@" in said
    assert "of /usr, which no image gets: ask for another version, or leave it out. Nothing was installed." in said
    assert len(images(site)) == before


def test_an_image_of_somebody_else_is_asked_what_it_has(site: Site) -> None:
    """Once with what it has, which the volume then uses, and once with what it has not."""
    site.cloud.set_up()
    host = site.cloud.launch(ImageId=official(site))
    site.cloud.ssh(host, f"sudo sh -c {shlex.quote(SITE_CMAKE)}", user=USER)
    site.cloud.ec2.stop_instances(InstanceIds=[host["InstanceId"]])
    site.cloud.until(host["InstanceId"], "stopped")
    tags = [{"Key": "parallelcluster:version", "Value": "3.16.1"}]
    made = site.cloud.ec2.create_image(
        InstanceId=host["InstanceId"], Name="site", TagSpecifications=[{"ResourceType": "image", "Tags": tags}]
    )["ImageId"]
    wait_for(lambda: site.cloud.ec2.describe_images(ImageIds=[made])["Images"][0]["State"] == "available")
    site.cloud.terminate(host["InstanceId"])
    site.cloud.ec2.delete_security_group(GroupId=site.cloud.group)
    site.cloud.ec2.delete_key_pair(KeyName="test")
    text = seed(["lab-r8@1.0"], in_ami=["cmake@3.24.9"])
    text = text.replace("head_node: t3.xlarge", f"custom_ami: {made}\n  head_node: t3.xlarge").replace(
        "hybrid-lab", "foreign"
    )
    site.seed.write_text(text.replace("cmake@3.24.9", "cmake@3.30.0"))
    refused = site.build()
    assert refused.rc != 0
    said = " ".join(refused.output.split())
    assert (
        f"The image {made} does not have cmake@3.30.0 (software.in_ami). Found of these packages: cmake@3.24.9" in said
    )
    site.seed.write_text(text)
    built = site.build()
    assert built.rc == 0, built.output
    snapshot = snapshot_of(site, "foreign")["SnapshotId"]
    use = "runuser -u nobody -- env -i HOME=/tmp bash -lc 'module load cmake lab-r8 && cmake --version && lab-r8'"
    ready, used = on_node(site, made, "/shared/bin/petal-node-setup", use, snapshot_id=snapshot)
    assert ready.splitlines()[-1] in ("changed", "unchanged")
    assert "cmake version 3.24.9" in used
    (said,) = on_node(site, official(site), "/shared/bin/petal-node-setup 2>&1 || echo refused", snapshot_id=snapshot)
    assert said.splitlines()[-1] == "refused" and "/opt/site/bin/cmake is missing on this node" in said
