# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots on AWS with a signature in their tags, in the own account and by way of a registry."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import ACCOUNT, OTHER_ACCOUNT, Delays, Settings, access_key
from ec2lab.testing import Cloud, inside, wait_for, why_not
from modules import fail_module, run_module
from playing import play
from registry_server import fingerprint, stack, write

DOCUMENTS = "sha256:" + "b" * 64
OWN = {"type": "local", "priority": 1}
COMMUNITY = {"type": "community", "priority": 2, "enabled": True}


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab, and this process in its network and with its credentials."""
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(volume_creating=0, snapshot_pending=0.2), root=str(roots.root()))) as client:
        yield client


def key(path: Path) -> dict[str, Any]:
    """A key in a file, and its entry among a site's signers."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout
    return {"name": path.name, "key": shown.split()[1]}


def snap(cloud: Cloud, number: int, **more: str) -> str:
    """A complete snapshot with a build's tags; its id."""
    tags = {"fingerprint": fingerprint(number), "name": "bio", "os": "alinux2023", "architecture": "x86_64"}
    tags |= {"documents": DOCUMENTS, **more}
    pairs = [{"Key": f"petal:{name}", "Value": value} for name, value in tags.items() if value]
    made = cloud.ec2.create_snapshot(
        VolumeId=cloud.volume(Size=1),
        Description=f"petal.hpc {tags['name']} {tags['fingerprint']}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": pairs}],
    )["SnapshotId"]
    wait_for(lambda: cloud.snapshot_now(made)["State"] != "pending")
    return str(made)


def look(number: int, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "fingerprint": fingerprint(number),
        "os": "alinux2023",
        "architecture": "x86_64",
        "size_gb": 1,
    }
    return run_module("snapshot_info", provider="aws", sources=[source], **asked, **more)


def test_signed_in_its_tags(lab: Client, tmp_path: Path) -> None:
    """By a file and by a key in KMS; where signatures are required, the own account's ones need them too."""
    own = Cloud(tmp_path, ACCOUNT)
    made = snap(own, 1)
    file, kms = key(tmp_path / "maker"), own.session.client("kms")
    arn = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    required = {"signers": [file], "required": True}
    assert "takes only what is signed" in look(1, OWN, trust=required)["passed_over"][0]["reason"]
    sign: dict[str, Any] = {"snapshot_id": made}
    lab.clear_calls()
    assert run_module("aws_snapshot_signature", **sign, key_file=tmp_path / "maker", check=True)["changed"]
    assert [call["action"] for call in lab.calls()] == ["DescribeSnapshots"]
    for given, changes in (
        ({"key_file": tmp_path / "maker"}, True),
        ({"kms_key_id": arn}, True),
        ({"kms_key_id": arn}, False),
    ):
        assert run_module("aws_snapshot_signature", **sign, **given)["changed"] is changes
    tags = own.snapshot_now(made)["Tags"]
    assert all(len(tag["Value"]) <= 256 for tag in tags)
    assert look(1, OWN, trust=required)["snapshot"]["snapshot_id"] == made
    in_kms = {"name": "in kms", "key": run_module("aws_snapshot_signature", **sign, kms_key_id=arn)["key"]}
    assert look(1, OWN, trust={"signers": [in_kms], "required": True})["snapshot"]["snapshot_id"] == made
    revoked = [{**file, "revoked": True}, {**in_kms, "revoked": True}]
    assert "is revoked" in look(1, OWN, trust={"signers": revoked})["passed_over"][0]["reason"]


@pytest.mark.usefixtures("lab")
def test_a_signature_is_of_one_snapshot(tmp_path: Path) -> None:
    """Tags can be copied to another snapshot by whoever may tag; what they say is of this one alone."""
    own, file = Cloud(tmp_path, ACCOUNT), key(tmp_path / "maker")
    good, forged = snap(own, 2), snap(own, 3)
    run_module("aws_snapshot_signature", snapshot_id=good, key_file=tmp_path / "maker")
    copied = [tag for tag in own.snapshot_now(good)["Tags"] if tag["Key"].startswith(("petal:signature", "petal:fing"))]
    own.ec2.create_tags(Resources=[forged], Tags=copied)
    found = look(2, OWN, trust={"signers": [file], "required": True})
    assert found["snapshot"]["snapshot_id"] == good
    # Its Description names another fingerprint than its tags do now.
    assert forged not in {one["snapshot_id"] for one in found["snapshots"]}
    own.ec2.create_tags(Resources=[good], Tags=[{"Key": "petal:documents", "Value": "sha256:" + "c" * 64}])
    assert look(2, OWN, trust={"signers": [file], "required": True})["snapshot"] is None


@pytest.mark.usefixtures("lab")
def test_a_copy_gets_no_word_that_the_original_does_not_have(tmp_path: Path) -> None:
    """copy_volume signs copies of what the same key has signed; the original's signature is not theirs."""
    own, signed = Cloud(tmp_path, ACCOUNT), {"signers": [key(tmp_path / "maker")], "required": True}
    made = snap(own, 6)
    given: dict[str, Any] = {"snapshot_id": made, "region": "us-east-1", "regions": ["us-west-2"]}
    run_module("aws_snapshot_signature", snapshot_id=made, key_file=tmp_path / "maker")
    copied = play("copy_volume", "-e", json.dumps(given))
    assert copied.rc == 0, copied.output
    there = {"region": "us-west-2", "trust": signed}
    assert "nobody has signed it" in look(6, OWN, **there)["passed_over"][0]["reason"]
    key(tmp_path / "other")
    given["snapshots_poll_interval"] = 1
    other = play("copy_volume", "-e", json.dumps({**given, "petal_signing_key": str(tmp_path / "other")}))
    assert other.rc != 0
    assert f"the original, {made} in us-east-1, is not signed by the key" in other.output
    again = play("copy_volume", "-e", json.dumps({**given, "petal_signing_key": str(tmp_path / "maker")}))
    assert again.rc == 0, again.output
    copy = look(6, OWN, **there)["snapshot"]
    assert copy["tags"]["petal:copied-from"] == f"us-east-1/{made}"


@pytest.mark.usefixtures("lab")
def test_what_cannot_be_signed_is_one_line(tmp_path: Path) -> None:
    own = Cloud(tmp_path, ACCOUNT)
    key(tmp_path / "maker")
    old = snap(own, 4, documents="")
    for wrong, said in ((old, "has no tag petal:documents"), ("snap-0123456789abcdef0", "cannot be used")):
        message = fail_module("aws_snapshot_signature", snapshot_id=wrong, key_file=tmp_path / "maker")
        assert said in message
        assert "\n" not in message


SEED = """\
cluster: {name: signed, region: us-east-1, os: alinux2023}
shared_storage: [{name: software, mount_dir: /shared, ebs_settings: {size: 1}}]
software: {python_environments: [{name: small, version: "1", packages: ["six==1.17.0"]}]}
"""


@pytest.mark.usefixtures("lab")
def test_what_is_offered_to_a_registry_is_signed(tmp_path: Path) -> None:
    """registry_submit signs, and the registry names the signer."""
    own, file = Cloud(tmp_path, ACCOUNT), key(tmp_path / "maker")
    seed, clone = tmp_path / "seed.yaml", tmp_path / "clone"
    seed.write_text(SEED)
    subprocess.run(["git", "init", "-q", clone], check=True)
    valid = play("validate_seed", "-e", json.dumps({"seed": str(seed)}))
    (bears,) = set(re.findall(r"sha256:[0-9a-f]{64}", valid.output))
    made = snap(own, 0, fingerprint=bears, name="signed")
    address = {"registry_url": "https://registry.example.org/petal"}
    offer = {"seed": str(seed), "clone": str(clone), "petal_signing_key": str(tmp_path / "maker"), **address}
    done = play("registry_submit", "-e", json.dumps(offer))
    assert done.rc == 0, done.output
    url = f"file://{clone}"
    (found,) = run_module("registry_info", question="variants", name="signed", registry_url=url)["variants"]
    assert (found["snapshot_id"], found["signers"]) == (made, [file["key"]])
    before = (clone / "snapshots" / "signed.json").read_bytes()
    again = play("registry_submit", "-e", json.dumps(offer))
    assert again.rc == 0, again.output
    assert (clone / "snapshots" / "signed.json").read_bytes() == before
    asked = play("registry", "-e", json.dumps({"question": "variants", "stack": "signed", "registry_url": url}))
    assert f"signed by {file['key']}" in asked.output


@pytest.mark.usefixtures("lab")
def test_a_registry_hands_the_signature_on(tmp_path: Path) -> None:
    """An account that the site does not list, and a key that it does."""
    (tmp_path / "other").mkdir()
    other, file = Cloud(tmp_path / "other", OTHER_ACCOUNT), key(tmp_path / "maker")
    made = snap(other, 5)
    other.ec2.modify_snapshot_attribute(
        SnapshotId=made, Attribute="createVolumePermission", OperationType="add", UserIds=[ACCOUNT]
    )
    run_module(
        "aws_snapshot_signature", snapshot_id=made, key_file=tmp_path / "maker", access_key=access_key(OTHER_ACCOUNT)
    )
    tags = {tag["Key"]: tag["Value"] for tag in other.snapshot_now(made)["Tags"]}
    signature = "".join(tags[name] for name in sorted(tags) if name.startswith("petal:signature"))
    value = stack("bio", fingerprint(5), OTHER_ACCOUNT, made)
    value["snapshots"][0] |= {"documents": DOCUMENTS, "signature": signature}
    url = write(tmp_path / "r", value)
    trust: dict[str, Any] = {"signers": [file]}
    assert look(5, COMMUNITY, registry_url=url, trust=trust)["snapshot"]["snapshot_id"] == made
    assert look(5, COMMUNITY, registry_url=url, trust={**trust, "required": True})["snapshot"]["snapshot_id"] == made
    elsewhere = {"signers": [{**file, "registries": ["https://registry.example.org/"]}]}
    assert look(5, COMMUNITY, registry_url=url, trust=elsewhere)["snapshot"] is None
    value["snapshots"][0]["documents"] = "sha256:" + "c" * 64
    wrong = look(5, COMMUNITY, registry_url=write(tmp_path / "s", value), trust=trust)
    assert wrong["snapshot"] is None
    assert "nobody has signed it" in wrong["passed_over"][0]["reason"]
