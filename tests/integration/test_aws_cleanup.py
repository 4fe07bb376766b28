"""cleanup on AWS, in a lab: it takes what nobody comes back for, spares what runs on its own, and forgets nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import Site, allowed_by
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import Delays, Settings
from ec2lab.testing import inside, why_not
from playing import Run

from ansible_collections.petal.hpc.plugins.module_utils._core.names import resource_name
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import (
    DEADLINE,
    HOLDER,
    KEEP_UNTIL,
    RENEWED,
    STARTED,
    build_tags,
    stamp,
    tag_specifications,
    to_aws,
)
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_pair import DETACHED, KEPT, holder_tag
from ansible_collections.petal.hpc.plugins.module_utils._lock.model import Holder

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl left"


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab with short delays."""
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(0.3, 0.2, 0.1, 0.1, 0.1, 1.0), root=str(roots.root()))) as client:
        yield client


def clean_up(site: Site, *documents: str, **variables: str) -> Run:
    """Run cleanup to its end, with what the builder's policy allows, and other documents."""
    with allowed_by(site.client, "builder", *documents):
        done = site.play("cleanup", region=site.region, **variables)
    assert done.rc == 0, done.output
    return done


# A controller that is not this host.
ELSEWHERE = holder_tag(Holder("elsewhere", "b", "4026531836", 100, "5000"))


def leave(
    site: Site,
    digit: str,
    holder: str,
    remaining: float,
    kept: float = 0,
    renewed: float = 0,
    more: dict[str, str] | None = None,
) -> str:
    """A volume (with ``more`` tags) and the lock of a build that nobody looks after; the volume's id."""
    now, fingerprint = time.time(), f"sha256:{digit * 64}"
    tags = build_tags(fingerprint, f"20260131T120000Z-{digit * 8}", "left", resource_name(fingerprint))
    lock = {HOLDER: holder, RENEWED: stamp(now - renewed), STARTED: stamp(now - 3600), DEADLINE: stamp(now + remaining)}
    if kept:
        lock[KEEP_UNTIL] = stamp(now + kept)
    site.cloud.ec2.import_key_pair(
        KeyName=resource_name(fingerprint),
        PublicKeyMaterial=KEY.encode(),
        TagSpecifications=tag_specifications(["key-pair"], {**tags, **lock}),
    )
    zone = f"{site.region}a"
    return site.cloud.volume(
        Size=1, AvailabilityZone=zone, TagSpecifications=tag_specifications(["volume"], {**tags, **(more or {})})
    )


def test_what_may_run_is_spared_until_its_deadline(lab: Client, tmp_path: Path) -> None:
    site = Site(tmp_path)
    running = leave(site, "a", DETACHED, 3600)
    leave(site, "b", DETACHED, -60)
    leave(site, "c", KEPT, 3600)
    kept = leave(site, "d", KEPT, -60, kept=86400)
    # A controller whose token has expired renews nothing, and builds on.
    silent = leave(site, "e", ELSEWHERE, 3600, renewed=3000, more={KEEP_UNTIL: stamp(time.time() + 7200)})
    leave(site, "f", ELSEWHERE, -60, renewed=3000)
    shown = site.play("cleanup", "--check", region="us-east-1")
    assert shown.rc == 0, shown.output
    assert "unless it is being built, may run on its own (-e detached=true) or is kept (-e kept=true)" in shown.output
    done = clean_up(site)
    for said in (
        "aaaaaaaa: passed over: it runs on its own, until ",
        "bbbbbbbb: removed",
        "cccccccc: removed",
        "dddddddd: passed over: what the build 20260131T120000Z-dddddddd has finished is kept until",
        "eeeeeeee: passed over: pid 100 on elsewhere has not renewed it for",
        "ffffffff: removed",
        "(-e detached=true removes it)",
        "(-e kept=true removes it)",
        # What it has finished is kept, too.
        "(-e detached=true -e kept=true removes it)",
    ):
        assert said in done.output, done.output
    assert {kind: [one["id"] for one in found] for kind, found in lab.leaks().items() if kind != "key_pairs"} == {
        "volumes": [running, kept, silent]
    }
    assert [one["name"] for one in lab.leaks()["key_pairs"]] == [
        "petal-aaaaaaaaaaaaaaaa",
        "petal-dddddddddddddddd",
        "petal-eeeeeeeeeeeeeeee",
    ]
    clean_up(site, detached="true", kept="true")
    assert lab.leaks() == {}


def test_what_a_dead_controller_finished_is_spared_without_its_host(lab: Client, tmp_path: Path) -> None:
    """Unless its snapshot is there: then nobody needs the volume any more."""
    site, until = Site(tmp_path, region="us-west-1"), {KEEP_UNTIL: stamp(time.time() + 3600)}
    finished = leave(site, "1", ELSEWHERE, -60, renewed=3000, more=until)
    # As after a take-over that died between its two calls.
    unlocked = leave(site, "3", ELSEWHERE, -60, renewed=3000, more=until)
    site.cloud.ec2.delete_key_pair(KeyName=resource_name("sha256:" + "3" * 64))
    snapped = leave(site, "2", ELSEWHERE, -60, renewed=3000, more=until)
    tags = site.cloud.ec2.describe_volumes(VolumeIds=[snapped])["Volumes"][0]["Tags"]
    tags += [{"Key": "petal:os", "Value": "ubuntu2204"}, {"Key": "petal:architecture", "Value": "x86_64"}]
    snapshot = site.cloud.ec2.create_snapshot(
        VolumeId=snapped, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}]
    )["SnapshotId"]
    site.cloud.ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})
    image = site.cloud.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    for volume in site.cloud.ec2.describe_volumes(VolumeIds=[finished, unlocked])["Volumes"]:
        own = {tag["Key"]: tag["Value"] for tag in volume["Tags"]}
        site.cloud.ec2.run_instances(
            ImageId=image,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=tag_specifications(["instance"], own),
        )
    for again in range(2):
        done = clean_up(site)
        for digit in "13":
            build = f"20260131T120000Z-{digit * 8}"
            assert f"{build}: passed over: what the build {build} has finished is kept until" in done.output
        assert ("22222222: removed" in done.output) == (again == 0)
        assert {one["id"] for one in lab.leaks()["volumes"]} == {finished, unlocked}
        assert sorted(lab.leaks()) == ["key_pairs", "snapshots", "volumes"], "its host is ended"
    other = clean_up(site, kept="true", build_id="20260131T120000Z-99999999")
    assert "The build 20260131T120000Z-99999999 left nothing behind." in other.output
    for digit in "13":
        build = f"20260131T120000Z-{digit * 8}"
        assert f"{build}: removed" in clean_up(site, kept="true", build_id=build).output
    site.cloud.ec2.delete_snapshot(SnapshotId=snapshot)
    assert lab.leaks() == {}


def test_a_private_key_whose_build_is_gone_is_found_where_it_is_looked_for(lab: Client, tmp_path: Path) -> None:
    site = Site(tmp_path)
    fingerprint, build_id = f"sha256:{'a' * 64}", "20260131T120000Z-aaaaaaaa"
    left = f"/petal/build-keys/{build_id}"
    tags = to_aws(build_tags(fingerprint, build_id, "left"))
    ssm = site.cloud.session.client("ssm")
    ssm.put_parameter(Name=left, Value="x", Type="SecureString", Tags=tags)
    # What is no build's is somebody else's.
    ssm.put_parameter(Name="/petal/build-keys/foreign", Value="x", Type="SecureString")
    clean_up(site)
    assert {one["id"] for one in lab.leaks()["build_keys"]} == {left, "/petal/build-keys/foreign"}
    done = clean_up(site, "builder-keys", build_key_store="ssm")
    assert f"{build_id}: removed" in done.output
    assert [one["id"] for one in lab.leaks()["build_keys"]] == ["/petal/build-keys/foreign"]
    ssm.delete_parameter(Name="/petal/build-keys/foreign")
    assert lab.leaks() == {}


def test_a_way_out_that_was_not_attached_is_not_forgotten(lab: Client, tmp_path: Path) -> None:
    """As after a kill between the call that makes an Internet gateway and the one that attaches it."""
    site = Site(tmp_path, region="eu-west-1")
    (vpc,) = site.cloud.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    for subnet in site.cloud.ec2.describe_subnets(Filters=mine)["Subnets"]:
        site.cloud.ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    site.cloud.ec2.delete_vpc(VpcId=vpc["VpcId"])
    lab.clear_calls()
    lab.fault("error", action="AttachInternetGateway", code="UnauthorizedOperation", status=403, message="no", times=9)
    done = site.build()
    assert done.rc != 0
    assert "UnauthorizedOperation" in done.output
    assert len(lab.calls(action="CreateInternetGateway")) == 1
    assert lab.leaks() == {}


REPLACE = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Ask who plays
      petal.hpc.controller_info:
      register: me
    - name: Note that this run made the volume
      set_fact:
        build_host_new: "{{ new | bool }}"
    - name: Go on where the host went away
      include_role: {name: petal.hpc.volume_build, tasks_from: replace}
      vars:
        volume_build_hosts: [i-0123456789abcdef0]
        snapshots_plan:
          provider: aws
          region: us-west-2
          resource: petal-4444444444444444
          fingerprint: "sha256:4444444444444444444444444444444444444444444444444444444444444444"
          name: left
          build_id: 20260131T120000Z-44444444
          controller: "{{ me.controller }}"
          timeout_s: 3600
          deadline: "2100-01-01T00:00:00Z"
          seed: {software: {spack_packages: [], build_from_source: []}}
          seed_arguments: -e seed=left.yaml
          size_gb: 1
          ebs: {volume_type: gp3}
"""


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("holder", "said"),
    [
        # Somebody went on with it and left it to itself.
        (DETACHED, "it is no longer this run that builds: the build 20260131T120000Z-44444444 was left to itself"),
        # Somebody went on with it and failed: nothing runs, and what there is stays for the next run.
        (KEPT, "it is no longer this run that builds: the build 20260131T120000Z-44444444 was left to itself"),
        # Somebody went on with it, and cannot be seen from here any more.
        (ELSEWHERE, "it is no longer this run that builds: pid 100 on elsewhere has not renewed it for "),
    ],
)
def test_a_controller_that_was_taken_for_dead_touches_nothing(
    lab: Client, tmp_path: Path, holder: str, said: str, new: bool
) -> None:
    site = Site(tmp_path, region="us-west-2")
    volume = leave(site, "4", holder, 3600, renewed=3000, more={KEEP_UNTIL: stamp(time.time() + 3600)})
    before = lab.leaks()
    book = tmp_path / "replace.yml"
    book.write_text(REPLACE)
    lab.clear_calls()
    done = site.play(str(book), "-e", f"new={new}")
    assert done.rc != 0
    assert "This run was taken for dead, and lost its lock (" in done.output, done.output
    assert said in done.output, done.output
    assert {call["action"] for call in lab.calls() if not call["action"].startswith("Describe")} == set()
    assert lab.leaks() == before
    assert [one["id"] for one in before["volumes"]] == [volume]
    clean_up(site, detached="true", kept="true")
    assert lab.leaks() == {}


@pytest.mark.parametrize("new", [True, False])
def test_a_controller_whose_lock_is_gone_builds_nothing_and_keeps_what_there_is(
    lab: Client, tmp_path: Path, new: bool
) -> None:
    """Whoever gave it back may have finished the build: another run finds that."""
    site = Site(tmp_path, region="us-west-2")
    volume = leave(site, "4", ELSEWHERE, 3600, more={KEEP_UNTIL: stamp(time.time() + 3600)})
    site.cloud.ec2.delete_key_pair(KeyName=resource_name("sha256:" + "4" * 64))
    book = tmp_path / "replace.yml"
    book.write_text(REPLACE)
    lab.clear_calls()
    done = site.play(str(book), "-e", f"new={new}")
    assert done.rc != 0
    assert "This run was taken for dead, and lost its lock (it is free)" in done.output, done.output
    assert lab.calls(action="RunInstances") == []
    (lock,) = lab.leaks()["key_pairs"]
    assert lock["tags"][HOLDER] == KEPT, done.output
    assert [one["id"] for one in lab.leaks()["volumes"]] == [volume]
    clean_up(site, kept="true")
    assert lab.leaks() == {}
