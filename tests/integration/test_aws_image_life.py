# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of an image in the lab: copied to Regions, shared, deprecated, and all of that taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import Site
from aws_image import an_image
from aws_share import KEY, as_other, make_key
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import ACCOUNT, OTHER_ACCOUNT, Delays, Settings
from ec2lab.testing import Cloud, error_of, inside, why_not
from iam_policy import Policy, compare
from modules import run_module
from playing import ROOT, Run

HOME, NEAR, FAR = "us-east-1", "us-west-2", "eu-west-1"
READS = ("Describe", "Get", "List")
POLICY = ROOT / "docs" / "iam" / "sharer-image.json"


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab whose images are pending long enough to be seen."""
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(0.2, 0.2, 0.5, 0.2, 0.2, 2.0), root=str(roots.root()))) as client:
        yield client


@dataclass(frozen=True)
class Made:
    """An image of a seed, encrypted with the account's default key as build_ami makes it."""

    site: Site
    fingerprint: str
    image_id: str

    def images(self, *arguments: str, action: str, **more: str) -> Run:
        """Play it; the run has to end well."""
        run = self.site.play("images", *arguments, action=action, **more)
        assert run.rc == 0, run.output
        return run

    def refused(self, action: str, **more: str) -> str:
        """What is said where it has to fail."""
        run = self.site.play("images", action=action, **more)
        assert run.rc != 0, run.output
        return " ".join(run.output.split())

    def there(self, region: str) -> list[dict[str, Any]]:
        """The own images of a Region."""
        found: list[dict[str, Any]] = Cloud(self.site.directory, region=region).ec2.describe_images(Owners=["self"])[
            "Images"
        ]
        return found


def changes(lab: Client) -> list[str]:
    """What changes something among the calls since the last clear_calls."""
    return [call["action"] for call in lab.calls() if not call["action"].startswith(READS)]


def tags_of(entry: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in entry.get("Tags", ())}


@pytest.fixture(scope="module")
def made(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Made:
    site = Site(tmp_path_factory.mktemp("site"))
    for region in (HOME, NEAR):
        make_key(site.directory, region)
    found = re.search(r"sha256:[0-9a-f]{64}", site.play("validate_seed").output)
    assert found
    site.cloud.set_up()
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 45}}
    audited = {"petal:sharing": "accounts: tool has no licence", "team": "genomics"}
    image = an_image(site, "one", found[0], audited, BlockDeviceMappings=[disk])
    assert image["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    lab.clear_calls()
    return Made(site, found[0], image["ImageId"])


def test_an_image_is_copied_with_what_it_has_and_only_once(lab: Client, made: Made) -> None:
    planned = made.images("--check", "--diff", action="copy", regions=f"{NEAR},{FAR}")
    assert "would be copied" in planned.output
    assert changes(lab) == []
    copied = made.images(action="copy", regions=f"{NEAR},{FAR}")
    assert copied.output.count("completed: copied now") == 2, copied.output
    assert changes(lab) == ["CopyImage"] * 2
    for region in (NEAR, FAR):
        (copy,) = made.there(region)
        assert copy["State"] == "available"
        tags = tags_of(copy)
        assert tags["petal:copied-from"] == f"{HOME}/{made.image_id}"
        assert (tags["petal:fingerprint"], tags["parallelcluster:version"]) == (made.fingerprint, "3.16.1")
        assert (tags["petal:sharing"], tags["team"]) == ("accounts: tool has no licence", "genomics")
        assert copy["Description"] == f"petal.hpc image lab-build {made.fingerprint} ParallelCluster 3.16.1"
        cloud = Cloud(made.site.directory, region=region)
        disk = cloud.snapshot_now(copy["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
        assert tags_of(disk)["petal:image-of"] == made.fingerprint
        found = run_module("software_image_info", region=region, fingerprint=made.fingerprint, release="3.16.1")
        assert found["image"]["image_id"] == copy["ImageId"]
    there = Path(made.site.directory / "far")
    there.mkdir()
    far = Cloud(there, region=FAR)
    far.set_up()
    host = far.launch(ImageId=made.there(FAR)[0]["ImageId"])
    assert far.ssh(host, "cat /srv/name") == "one"
    far.terminate(host["InstanceId"])
    lab.clear_calls()
    again = made.images(action="copy", regions=f"{NEAR},{FAR}")
    assert again.output.count("it was copied before") == 2
    assert changes(lab) == []
    assert "'mars-1' is no Region that this account can use" in made.refused("copy", regions="mars-1")
    assert "regions names no Region" in made.refused("copy")


def test_a_copy_that_failed_is_made_again(lab: Client, made: Made) -> None:
    lab.fault("snapshot-error")
    copied = made.images(action="copy", regions="eu-central-1")
    lab.clear_faults()
    assert "completed: copied now" in copied.output
    (copy,) = made.there("eu-central-1")
    assert copy["State"] == "available"
    snapshots = Cloud(made.site.directory, region="eu-central-1").ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert len(snapshots) == 1


def test_an_image_is_shared_by_a_copy_with_a_key_and_taken_back(lab: Client, made: Made) -> None:
    lab.clear_calls()
    said = made.refused("share", accounts=OTHER_ACCOUNT)
    assert "encrypted with AWS's own key for EBS (alias/aws/ebs), which no other account can use" in said
    where = f"-e region={HOME} -e regions={HOME}"
    assert f"petal.hpc.images -e action=copy -e ami={made.image_id} {where} -e kms_key_id=alias/NAME" in said
    assert changes(lab) == []
    for wrong, expected in (
        ({}, "nothing says with whom"),
        ({"public": "true"}, "no image is made public"),
        ({"accounts": ACCOUNT}, f"account {ACCOUNT} owns {made.image_id} and has it already"),
        ({"accounts": "12"}, "'12' is no AWS account"),
        ({"accounts": OTHER_ACCOUNT, "ami": "ami-0123456789abcdef0"}, "There is no image in us-east-1 to share"),
    ):
        assert expected in made.refused("share", **wrong)
    assert "Nothing says which image to share" in made.refused("share", seed="", region=HOME)

    made.images(action="copy", regions=HOME, kms_key_id=KEY)
    (copy,) = (one for one in made.there(HOME) if one["ImageId"] != made.image_id)
    lab.clear_calls()
    again = made.images(action="copy", regions=HOME, kms_key_id=KEY)
    assert "it was copied before" in again.output
    assert changes(lab) == []
    planned = made.images("--check", "--diff", action="share", accounts=OTHER_ACCOUNT, ami=copy["ImageId"])
    assert f"would be for account {OTHER_ACCOUNT}" in planned.output
    assert changes(lab) == []
    # The newest that a look-up takes.
    shared = made.images(action="share", accounts=OTHER_ACCOUNT)
    assert f"{copy['ImageId']} in {HOME}: account {OTHER_ACCOUNT}" in shared.output
    assert changes(lab) == ["ModifySnapshotAttribute", "ModifyImageAttribute"]
    with as_other():
        asked: dict[str, Any] = {"fingerprint": made.fingerprint, "os": "ubuntu2204", "architecture": "x86_64"}
        sources = [{"type": "organization", "priority": 1, "account": ACCOUNT}]
        found = run_module("software_image_info", sources=sources, trust={"accounts": [ACCOUNT]}, region=HOME, **asked)
        assert found["image"]["image_id"] == copy["ImageId"]
        kept = Site(made.site.directory, name="theirs", seed_text=made.site.seed.read_text())
        told = kept.play("images", action="copy", regions=NEAR, owners=ACCOUNT)
        assert told.rc == 0, told.output
        their = Cloud(made.site.directory, OTHER_ACCOUNT, NEAR)
        (theirs,) = their.ec2.describe_images(Owners=["self"])["Images"]
    tags = tags_of(theirs)
    assert (tags["petal:os"], tags["petal:name"]) == ("ubuntu2204", "lab-build")
    assert tags["parallelcluster:version"] == "3.16.1"
    lab.clear_calls()
    assert "(as before)" in made.images(action="share", accounts=OTHER_ACCOUNT).output
    assert changes(lab) == []
    back = made.images(action="unshare")
    assert f"{copy['ImageId']} in {HOME}: nobody but its owner" in back.output
    assert changes(lab) == ["ModifyImageAttribute", "ModifySnapshotAttribute"]
    other = Cloud(made.site.directory, OTHER_ACCOUNT, HOME)
    assert error_of(other.ec2.describe_images, ImageIds=[copy["ImageId"]]) == "InvalidAMIID.NotFound"


def test_a_deprecated_image_is_passed_over_until_that_is_taken_back(lab: Client, made: Made) -> None:
    where = {"seed": "", "region": FAR}
    (image,) = made.there(FAR)
    asked: dict[str, Any] = {"fingerprint": made.fingerprint, "region": FAR}
    lab.clear_calls()
    for wrong, expected in (
        ("soon", "at is 'soon': expected a day or a time in UTC"),
        ("2020-01-31", "at is 2020-01-31, which has passed"),
        ("2099-01-31", "more than 10 years ahead"),
    ):
        assert expected in made.refused("deprecate", at=wrong, ami=image["ImageId"], **where)
    planned = made.images("--check", action="deprecate", ami=image["ImageId"], **where)
    assert "would be deprecated from" in planned.output
    assert changes(lab) == []
    later = made.images(action="deprecate", ami=image["ImageId"], at="2031-01-31", **where)
    assert "deprecated from 2031-01-31T00:00Z on" in later.output
    assert run_module("software_image_info", **asked)["image"]["image_id"] == image["ImageId"]
    listed = made.images(action="list", **where)
    assert "available, deprecated from 2031-01-31 on" in listed.output
    assert changes(lab) == ["EnableImageDeprecation"]
    made.images(action="deprecate", ami=image["ImageId"], at="2031-01-31", **where)
    assert changes(lab) == ["EnableImageDeprecation"]
    taken_back = made.images(action="undeprecate", ami=image["ImageId"], **where)
    assert f"{image['ImageId']} in {FAR}: not deprecated" in taken_back.output
    assert changes(lab) == ["EnableImageDeprecation", "DisableImageDeprecation"]
    assert "(as before)" in made.images(action="undeprecate", ami=image["ImageId"], **where).output


def test_the_policy_allows_what_is_called_and_no_more(lab: Client, made: Made) -> None:
    lab.clear_calls()
    (far,) = made.there(FAR)
    made.images(action="copy", regions=f"{NEAR},{HOME}", kms_key_id=KEY)
    (newest,) = (one for one in made.there(HOME) if one["ImageId"] != made.image_id)
    made.images(action="share", accounts=OTHER_ACCOUNT, ami=newest["ImageId"])
    made.images(action="unshare", accounts=OTHER_ACCOUNT, ami=newest["ImageId"])
    for action in ("deprecate", "undeprecate"):
        made.images(action=action, seed="", region=FAR, ami=far["ImageId"])
    findings = compare(Policy.read(POLICY), lab.calls())
    assert (findings.denied, findings.unused) == ([], [])
