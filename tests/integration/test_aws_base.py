# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a volume on AWS begins with: the nearest of the own snapshots, or nothing where AWS does not give it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import allowed_by
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import OTHER_ACCOUNT, Delays, Settings
from ec2lab.testing import Cloud, inside, why_not
from modules import fail_module, run_module
from playing import Run, play

from ansible_collections.petal.hpc.plugins.module_utils._base.choice import sought

REGION = "us-east-1"
FINGERPRINT, OWN = "sha256:" + "a" * 64, "sha256:" + "f" * 64
PLAY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        volume_base_choice: {reason: it is near, base: {snapshot_id: "{{ snapshot }}"}}
    - ansible.builtin.include_role: {name: petal.hpc.build_host, tasks_from: aws/volume}
      vars:
        build_host_launched: {instance: {availability_zone: us-east-1a}}
        build_host_ebs: "{{ plan.ebs }}"
        build_host_plan: "{{ plan }}"
        build_host_patience: 20
        volume_base_from: "{{ asked }}"
    - ansible.builtin.debug:
        msg: "made from ({{ build_host_made.resource.snapshot_id }})"
"""


def plan(*specs: str, encrypted: bool = True, mount_dir: str = "/shared") -> dict[str, Any]:
    software = {"spack": {"version": "v1.2.0", "target": None}, "spack_packages": list(specs), "build_from_source": []}
    return {
        "seed": {"cluster": {"os": "alinux2023", "architecture": "x86_64"}, "software": software},
        "mount_dir": mount_dir,
        "size_gb": 2,
        "resolved_refs": {},
        "fingerprints": [OWN],
        "ebs": {"encrypted": encrypted, "volume_type": "gp3"},
    }


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(volume_creating=0, snapshot_pending=0.2), root=str(roots.root()))) as client:
        yield client


@pytest.fixture(scope="module")
def cloud(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    assert lab.instances() == []
    return Cloud(tmp_path_factory.mktemp("cloud"))


@pytest.fixture(autouse=True)
def no_faults(cloud: Cloud) -> Iterator[None]:
    yield
    Client().clear_faults()
    for one in cloud.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        cloud.ec2.delete_snapshot(SnapshotId=one["SnapshotId"])


def snap(cloud: Cloud, of: dict[str, Any] | None, *, encrypted: bool = True, tags: dict[str, str] | None = None) -> str:
    """A snapshot as a build makes it of a seed; its id."""
    told = {
        "petal:fingerprint": FINGERPRINT,
        "petal:name": "bio",
        "petal:os": "alinux2023",
        "petal:architecture": "x86_64",
        **(sought(of).tags if of else {}),
        **(tags or {}),
    }
    volume = cloud.volume(Size=1, Encrypted=encrypted)
    made = cloud.ec2.create_snapshot(
        VolumeId=volume,
        Description=f"petal.hpc bio {told['petal:fingerprint']}",
        TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": [{"Key": key, "Value": value} for key, value in told.items()]}
        ],
    )
    cloud.ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made["SnapshotId"]])
    return str(made["SnapshotId"])


def asked(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return run_module("aws_volume_base_info", region=REGION, plan=of, **more)


def test_the_nearest_of_the_own_snapshots_is_found_by_its_tags(lab: Client, cloud: Cloud) -> None:
    snap(cloud, None)
    snap(cloud, plan("zlib", "hdf5", mount_dir="/other"))
    snap(cloud, plan("zlib", "hdf5", "bwa"), tags={"petal:cleanup": "pending"})
    snap(cloud, plan("zlib", "hdf5"), tags={"petal:fingerprint": OWN})
    near, less = snap(cloud, plan("zlib", "hdf5", "bwa")), snap(cloud, plan("zlib"))
    with allowed_by(lab, "builder"):
        found = asked(plan("zlib", "hdf5", "samtools"))
    assert found["base"]["snapshot_id"] == near
    assert found["reason"] == f"2 of the 3 specs of {near} (bio) may be wanted"
    assert found["tags"] == sought(plan("zlib", "hdf5", "samtools")).tags
    assert len(found["passed_over"]) == 3
    assert asked(plan("zlib"))["base"]["snapshot_id"] == less
    assert asked(plan("zlib", "hdf5"), base=less)["base"]["snapshot_id"] == less
    assert asked(plan("zlib"), base="none")["base"] is None


def test_what_is_of_others_not_signed_or_encrypted_is_no_base(cloud: Cloud) -> None:
    own = snap(cloud, plan("zlib"))
    demanded = asked(plan("zlib"), trust={"required": True, "signers": []})
    assert (demanded["base"], len(demanded["passed_over"])) == (None, 1)
    told = fail_module("aws_volume_base_info", region=REGION, plan=plan("zlib"), base=own, trust={"required": True})
    assert f"a volume cannot begin with {own}: " in told
    assert asked(plan("zlib", encrypted=False))["base"] is None
    stranger = Cloud(cloud.directory / "other", account=OTHER_ACCOUNT)
    theirs = snap(stranger, plan("zlib"), encrypted=False)
    told = fail_module("aws_volume_base_info", region=REGION, plan=plan("zlib"), base=theirs)
    assert f"it is not in the own account in {REGION}" in told


def made(directory: Path, snapshot: str, base: str) -> Run:
    """Let the role make the volume of a build from a snapshot."""
    path = directory / "play.yml"
    path.write_text(PLAY)
    names = {"fingerprint": FINGERPRINT, "build_id": f"build-{directory.name}", "name": "bio", "resource": "petal-a"}
    build = {**plan("zlib"), **names, "provider": "aws", "region": REGION}
    return play(str(path), "-e", json.dumps({"plan": build, "asked": base, "snapshot": snapshot}))


def test_a_volume_is_made_from_the_snapshot_or_with_nothing_where_that_is_gone(
    lab: Client, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> None:
    there = snap(cloud, plan("zlib"))
    with allowed_by(lab, "builder"):
        done = made(tmp_path_factory.mktemp("there"), there, "auto")
    assert done.rc == 0, done.output
    assert f"made from ({there})" in done.output
    gone = "snap-0123456789abcdef0"
    done = made(tmp_path_factory.mktemp("gone"), gone, "auto")
    assert done.rc == 0, done.output
    assert f"{gone} could not be made the beginning of the volume, which begins with nothing:" in done.output
    assert "made from ()" in done.output
    done = made(tmp_path_factory.mktemp("named"), gone, gone)
    assert done.rc != 0
    assert f"The volume cannot begin with {gone}, which -e base names:" in done.output


def test_where_no_volume_can_be_made_at_all_that_is_said(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    lab.fault("error", action="CreateVolume", code="VolumeLimitExceeded", status=400, times=9)
    done = made(tmp_path_factory.mktemp("never"), "snap-0123456789abcdef0", "auto")
    assert done.rc != 0
    assert "VolumeLimitExceeded" in done.output
