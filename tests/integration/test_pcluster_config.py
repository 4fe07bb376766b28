"""The configuration of a cluster: read by the real ParallelCluster, written and uploaded by the role."""

from __future__ import annotations

import copy
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pcluster_check
import pcluster_samples
import pytest
import yaml
from moto.server import ThreadedMotoServer
from playing import play

from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

BUCKET = "lab-hooks"
KEY = "petal/bioinformatics/petal-node-bootstrap"
PLAYBOOK = """---
- hosts: localhost
  gather_facts: false
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - ansible.builtin.include_role: {name: petal.hpc.pcluster_config, tasks_from: volume}
      when: make_volume | default(false) | bool
    - ansible.builtin.include_role: {name: petal.hpc.pcluster_config}
"""


def test_parallelcluster_accepts_the_right_ones_and_the_wrong_ones_are_caught(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if reason := pcluster_check.provide():
        pytest.skip(reason)
    status = pcluster_check.main([])
    output = capsys.readouterr().out
    assert status == 0, output
    # One of a local seed, and one of all mixes undivided.
    groups = (pcluster_samples.OURS, pcluster_samples.OF_SEEDS, pcluster_samples.SCHEMAS)
    wrong = sum(map(len, groups)) + 2
    good = len(pcluster_samples.good()) + len(pcluster_check.mixed_clusters())
    assert output.splitlines()[-1] == f"accepted={good} rejected=0 wrong_cases={wrong} caught={wrong}"


def test_a_mistake_of_ours_would_be_seen() -> None:
    """The check is none if it cannot fail."""
    if reason := pcluster_check.provide():
        pytest.skip(reason)
    sample = pcluster_samples.Sample("x")
    config = sample.configure().config
    broken = copy.deepcopy(config)
    broken["HeadNode"]["CustomAction"] = broken["HeadNode"].pop("CustomActions")
    small = copy.deepcopy(config)
    small["SharedStorage"][0]["EbsSettings"]["Size"] = 4
    verdicts = pcluster_check.judge([("x", one, sample.snapshot_size) for one in (config, broken, small)])
    assert [verdict.accepted for verdict in verdicts] == [True, False, False]
    assert verdicts[1].schema == ["HeadNode.CustomAction: Unknown field."]
    assert "IOPS to volume size ratio" in verdicts[2].validators[0]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS of this test's own, with a bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield
    server.stop()


class Site:
    """A site that writes the configuration of a cluster again and again."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "clusters" / "bioinformatics.yaml"
        self.playbook = directory / "pcluster.yml"
        self.playbook.write_text(PLAYBOOK)
        self.variables = directory / "variables.json"

    def run(self, *arguments: str, seed: dict[str, Any] | None = None, **variables: Any) -> str:
        """Run the role; its output. The test fails with it where the role does."""
        data = {**pcluster_samples.plain("bioinformatics.yaml"), **(seed or {})}
        normal = Seed.from_mapping(data, pcluster_samples.HOST)
        given = {
            "pcluster_config_seed": normal.to_dict(),
            "pcluster_config_snapshot": pcluster_samples.snapshot(normal),
            "pcluster_config_dest": str(self.path),
            "pcluster_config_head_node_subnet_id": "subnet-0123456789abcdef0",
            "pcluster_config_hook_bucket": BUCKET,
            **variables,
        }
        self.variables.write_text(json.dumps(given))
        done = play(str(self.playbook), "-e", f"@{self.variables}", *arguments)
        assert done.rc == 0, done.output
        return done.output

    def state(self) -> tuple[int, str]:
        """When the configuration and the bootstrap were written last."""
        found = boto3.client("s3").head_object(Bucket=BUCKET, Key=KEY)
        return self.path.stat().st_mtime_ns, str(found["LastModified"])

    @property
    def config(self) -> Any:
        return yaml.safe_load(self.path.read_text())


def bootstrap() -> str:
    body: bytes = boto3.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    return body.decode()


@pytest.mark.usefixtures("aws")
def test_the_role_uploads_the_hook_and_writes_the_configuration(tmp_path: Path) -> None:
    site = Site(tmp_path)
    output = site.run("--check")
    assert not site.path.exists()
    assert "+Region: us-east-1" in output
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=BUCKET)

    output = site.run()
    # The difference is shown although nobody asked for --diff.
    assert "+    SnapshotId: snap-0123456789abcdef0" in output
    before = site.config
    assert before["HeadNode"]["CustomActions"]["OnNodeConfigured"]["Script"] == f"s3://{BUCKET}/{KEY}"
    first = bootstrap()
    assert 'set -- "$@" --user' not in first
    # The hook of this release, which knows what the software was built for; the one on the volume is not run.
    assert "systems=alinux2023\n" in first and "\nvolume=/shared\n" in first
    assert "/bin/petal-node-setup" not in first
    assert (tmp_path / "clusters" / "bioinformatics.petal-node-bootstrap").read_text() == first
    kept = site.state()
    assert "Region" not in site.run()
    assert site.state() == kept

    # Other users: another script at the same address, and of the configuration only what makes nodes run it again.
    users = {"users": [{"name": "researcher1", "uid": 5001}]}
    output = site.run(seed=users)
    assert 'set -- "$@" researcher1:5001:5001' in bootstrap()
    after = site.config
    assert after != before
    for actions in (before, after):
        del actions["HeadNode"]["CustomActions"]["OnNodeUpdated"]
    assert after == before
    assert subprocess.run(["sh", "-n"], input=bootstrap(), text=True, check=False).returncode == 0


@pytest.mark.usefixtures("aws")
def test_a_volume_is_made_ahead_once(tmp_path: Path) -> None:
    ec2 = boto3.client("ec2")
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1b"]}])["Subnets"][0]
    source = ec2.create_volume(AvailabilityZone="us-east-1a", Size=100)
    snapshot = ec2.create_snapshot(VolumeId=source["VolumeId"])
    given = {
        "make_volume": True,
        "pcluster_config_head_node_subnet_id": subnet["SubnetId"],
        "pcluster_config_snapshot": {
            "snapshot_id": snapshot["SnapshotId"],
            "size_gb": 100,
            "fingerprint": pcluster_samples.FINGERPRINT,
        },
    }
    site = Site(tmp_path)
    site.run(**given)
    (volume,) = ec2.describe_volumes(Filters=[{"Name": "tag:petal:cluster", "Values": ["bioinformatics"]}])["Volumes"]
    assert (volume["SnapshotId"], volume["AvailabilityZone"]) == (snapshot["SnapshotId"], "us-east-1b")
    assert site.config["SharedStorage"][0]["EbsSettings"] == {"VolumeId": volume["VolumeId"]}
    kept = site.state()
    site.run(**given)
    assert site.state() == kept
    assert len(ec2.describe_volumes(Filters=[{"Name": "tag:petal:cluster", "Values": ["*"]}])["Volumes"]) == 1
