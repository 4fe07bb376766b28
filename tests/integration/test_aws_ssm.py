"""build_volume on AWS through Session Manager, in a lab: no open port, files by way of a bucket, nothing left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

import boto3
from aws_build import WHEELS, Site
from botocore.exceptions import ClientError
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import Delays, Settings
from ec2lab.testing import Cloud, error_of, inside, wait_for, why_not
from iam_policy import Policy, compare
from playing import ROOT

IAM = ROOT / "docs" / "iam"
NAME = "petal-ssm-lab"
SSM = {"build_connection": "ssm", "ssm_bucket": NAME, "iam_instance_profile": NAME}


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab with short delays, an instance profile and a bucket for files."""
    if reason := why_not():
        pytest.skip(reason)
    root = roots.root()
    delays = Delays(0.3, 0.2, 0.1, 0.1, 0.1, 1.0)
    with inside(Settings(delays, root=str(root), wheels=str(roots.wheels(WHEELS, root)))) as client:
        iam = boto3.client("iam")
        iam.create_role(RoleName=NAME, AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=NAME)
        iam.add_role_to_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
        boto3.client("s3").create_bucket(Bucket=NAME)
        yield client


def left(site: Site) -> dict[str, Any]:
    """What is left beside the role and the bucket."""
    return {kind: found for kind, found in site.leaks().items() if kind not in ("roles", "buckets")}


def talk(started: dict[str, Any], typed: str) -> subprocess.CompletedProcess[str]:
    """A session to its end, with Amazon's arguments for the program."""
    words = [json.dumps(started), "us-east-1", "StartSession", "", "{}", ""]
    return subprocess.run(
        ["session-manager-plugin", *words], input=typed, capture_output=True, text=True, timeout=60, check=False
    )


def test_sessions_of_the_lab(lab: Client, tmp_path: Path) -> None:
    """A shell of ssm-user on a terminal; only with the token, and only where there is a role for the agent."""
    cloud = Cloud(tmp_path)
    cloud.set_up()
    cloud.allow(lab.address(), revoke=True)
    ssm = boto3.client("ssm")
    host, bare = cloud.launch(IamInstanceProfile={"Name": NAME}), cloud.launch()
    wait_for(lambda: ssm.describe_instance_information()["InstanceInformationList"])
    assert error_of(ssm.start_session, Target=bare["InstanceId"]) == "TargetNotConnected"
    assert error_of(cloud.session.client("ssm", "eu-west-1").start_session, Target=host["InstanceId"])
    started = ssm.start_session(Target=host["InstanceId"])
    del started["ResponseMetadata"]
    refused = talk({**started, "TokenValue": "x"}, "exit\n")
    assert (refused.returncode, "another token" in refused.stderr) == (255, True)
    said = talk(started, "tty; hostname; sudo -n id -un </dev/null | tr a-z A-Z; sleep 0.2\nid -un; exit\n")
    assert said.returncode == 0
    for word in ("/dev/pts/", host["PrivateDnsName"].partition(".")[0], "ROOT", "ssm-user", "Exiting session"):
        assert word in said.stdout, said.stdout
    assert talk(started, "").returncode == 255
    other = ssm.start_session(Target=host["InstanceId"])["SessionId"]
    assert ssm.terminate_session(SessionId=other)["SessionId"] == other
    with pytest.raises(ClientError, match="DoesNotExist"):
        ssm.terminate_session(SessionId="lab-0")
    cloud.terminate(host["InstanceId"])
    cloud.terminate(bare["InstanceId"])
    assert ssm.describe_instance_information()["InstanceInformationList"] == []
    cloud.ec2.delete_security_group(GroupId=cloud.group)
    cloud.ec2.delete_key_pair(KeyName="test")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"build_connection": "telnet"}, "must be one of: ssh, ssm"),
        ({**SSM, "ssm_bucket": ""}, "needs ssm_bucket=NAME"),
        ({**SSM, "iam_instance_profile": ""}, "needs iam_instance_profile=NAME"),
        ({**SSM, "ssm_bucket": "petal-ssm-none"}, "petal-ssm-none does not exist"),
        (SSM, "session-manager-plugin on this controller"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(
    lab: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    if variables is SSM:
        monkeypatch.setenv("AWS_SESSION_MANAGER_PLUGIN", str(tmp_path / "none"))
    site = Site(tmp_path)
    lab.clear_calls()
    done = site.build(**variables)
    assert done.rc != 0
    assert message in done.output
    assert "Traceback" not in done.output
    assert {call["action"] for call in lab.calls(service="ec2") if not call["action"].startswith("Describe")} == set()


def test_a_build_without_an_open_port(lab: Client, tmp_path: Path) -> None:
    site = Site(tmp_path, "through-ssm")
    lab.clear_calls()
    done = site.build(**SSM)
    calls = lab.calls()
    assert done.rc == 0, done.output
    made = {call["action"] for call in calls}
    assert {"StartSession", "TerminateSession", "CreateSnapshot"} <= made
    assert not {"AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules"} & made
    assert site.look() == ""
    assert left(site) == {}
    assert boto3.client("s3").list_objects_v2(Bucket=NAME).get("Contents", []) == []
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in done.output
    both = Policy.read(IAM / "builder.json", IAM / "builder-ssm.json")
    assert compare(both, calls).denied == []
    assert compare(Policy.read(IAM / "builder-ssm.json"), calls).unused == []
