"""A build that fails on a host which can still be reached: what it leaves on AWS, and what comes home.

The role alone, with an API in memory: nothing is launched, and the host is this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("moto.server", reason="the API in memory is moto, which is not in this environment")

import boto3
from moto.server import ThreadedMotoServer
from playing import Run, play

from ansible_collections.petal.hpc.plugins.module_utils._core.names import resource_name
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import HOLDER, build_tags, tag_specifications

REGION, FINGERPRINT, BUILD = "us-west-2", "sha256:" + "5" * 64, "20260131T120000Z-55555555"
PLAYS = """\
- name: Know the build
  hosts: localhost
  gather_facts: false
  tasks:
    - petal.hpc.controller_info:
      register: me
    - set_fact:
        build_host_new: true
        volume_build_hosts: ["{{ host }}"]
        volume_build_builders: ["{{ host }}"]
        snapshots_plan:
          provider: aws
          region: REGION
          resource: "RESOURCE"
          fingerprint: "FINGERPRINT"
          name: failing
          build_id: BUILD
          controller: "{{ me.controller }}"
          timeout_s: 3600
          deadline: "2100-01-01T00:00:00Z"
          mount_dir: "{{ mount_dir }}"
          seed: {software: {spack_packages: [], build_from_source: []}}
          seed_arguments: -e seed=failing.yaml
          size_gb: 1
          ebs: {volume_type: gp3}
    - add_host:
        name: "{{ host }}"
        ansible_connection: local
        ansible_become: false
        ansible_python_interpreter: "{{ ansible_playbook_python }}"

- name: Build on it
  hosts: "{{ ['localhost', host] }}"
  gather_facts: false
  tasks:
    - when: inventory_hostname in hostvars.localhost.volume_build_builders
      block:
        - set_fact: {build_host_python: "{{ ansible_playbook_python }}"}
        - set_fact: {software_volume_work_began: true}
          when: work | bool
        - name: Push to a cache
          fail: {msg: Connection reset by peer}
      rescue:
        - include_role: {name: petal.hpc.volume_build, tasks_from: abort}
    - debug: {msg: "{{ inventory_hostname }} is {{ (hostvars | petal.hpc.build_state).state }}"}
"""


@dataclass
class Account:
    """A host and a volume of a build, with an API that knows them."""

    directory: Path
    ec2: Any
    host: str
    volume: str

    def fail(self, **variables: Any) -> Run:
        """Play the build, which ends in a failure that is not the software's."""
        book, mounted = self.directory / "build.yml", self.directory / "mounted"
        names = {"REGION": REGION, "RESOURCE": resource_name(FINGERPRINT), "FINGERPRINT": FINGERPRINT, "BUILD": BUILD}
        text = PLAYS
        for name, value in names.items():
            text = text.replace(name, value)
        book.write_text(text)
        (mounted / ".petal" / "logs").mkdir(parents=True)
        (mounted / ".petal" / "logs" / "push.log").write_text("reset")
        variables |= {"build_host_logs_dir": self.directory / "logs", "volume_build_ssh_key_dir": self.directory}
        return play(str(book), host=self.host, mount_dir=mounted, **variables)

    def volumes(self) -> list[str]:
        """Those of the build."""
        mine = [{"Name": "tag:petal:build-id", "Values": [BUILD]}]
        return [one["VolumeId"] for one in self.ec2.describe_volumes(Filters=mine)["Volumes"]]

    def states(self) -> list[str]:
        """Of all hosts."""
        reservations = self.ec2.describe_instances()["Reservations"]
        return [one["State"]["Name"] for reservation in reservations for one in reservation["Instances"]]

    def holders(self) -> list[str]:
        """Who holds the lock of the build, if it is there."""
        tags = [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in self.ec2.describe_key_pairs()["KeyPairs"]]
        return [one[HOLDER] for one in tags]

    def logs(self) -> list[str]:
        """What came home."""
        return [path.name for path in (self.directory / "logs" / BUILD).rglob("*.log")]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account in which a build has its host and its volume."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    # What it knows is this process's, and outlives it.
    with urlopen(Request(f"{address}/moto-api/reset", method="POST")):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    ec2 = boto3.Session().client("ec2", region_name=REGION)
    tags = build_tags(FINGERPRINT, BUILD, "failing", resource_name(FINGERPRINT))
    zone = f"{REGION}a"
    # ec2_vol_info expects of each volume the snapshot that it is of, which moto leaves out where there is none.
    empty = ec2.create_snapshot(VolumeId=ec2.create_volume(Size=1, AvailabilityZone=zone)["VolumeId"])["SnapshotId"]
    volume = ec2.create_volume(
        SnapshotId=empty, Size=1, AvailabilityZone=zone, TagSpecifications=tag_specifications(["volume"], tags)
    )["VolumeId"]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    (instance,) = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=tag_specifications(["instance"], tags),
    )["Instances"]
    yield Account(tmp_path, ec2, instance["InstanceId"], volume)
    server.stop()


def test_what_was_finished_is_kept_and_the_logs_come_home(account: Account) -> None:
    """In the first run of a build, too: nothing of an earlier one is on the volume, but of this one there is."""
    done = account.fail(work=True)
    assert done.rc != 0
    assert f"what was finished is kept: the volume {account.volume} (1 GiB" in done.output, done.output
    assert "No host is left." in done.output
    assert "localhost is aborted" in done.output
    assert account.volumes() == [account.volume]
    assert (account.states(), account.holders()) == (["terminated"], ["kept"])
    # This host is the build host too, and may have logs of other builds.
    assert "push.log" in account.logs()
    assert f"Its logs are on the controller, in {account.directory}/logs/{BUILD}/" in done.output


def test_a_volume_without_work_on_it_is_not_paid_for(account: Account) -> None:
    done = account.fail(work=False)
    assert done.rc != 0
    assert "Nothing is left behind" in done.output, done.output
    assert (account.volumes(), account.states()) == ([], ["terminated"])


def test_a_host_that_aws_took_back_leaves_the_build_to_the_next(account: Account) -> None:
    account.ec2.terminate_instances(InstanceIds=[account.host])
    done = account.fail(work=True)
    assert done.rc == 0, done.output
    assert f"{account.host} is away" in done.output
    assert account.volumes() == [account.volume]
    assert (account.holders(), account.logs()) == ([], [])
