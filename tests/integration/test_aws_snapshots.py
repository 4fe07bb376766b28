# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to AWS in the lab: snapshots of several accounts, images of official owners and of strangers, prices."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import allowed_by
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.control.images import DEBIAN, PARALLELCLUSTER, STRANGER
from ec2lab.settings import ACCOUNT, OTHER_ACCOUNT, Delays, Settings
from ec2lab.testing import Cloud, inside, wait_for, why_not
from modules import fail_module, run_module
from playing import play

from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs import api, record

FINGERPRINTS = {letter: "sha256:" + letter * 64 for letter in "abcdef0123456789"}
ALL_STATES = ["pending", "completed", "error"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab, and this process in its network and with its credentials."""
    if reason := why_not():
        pytest.skip(reason)
    delays = Delays(volume_creating=0, snapshot_pending=3)
    with inside(Settings(delays, root=str(roots.root()))) as client:
        yield client


@pytest.fixture(scope="module")
def volume(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> tuple[Cloud, str]:
    """The main account, and a volume in it."""
    assert lab.instances() == []
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    return cloud, cloud.volume(Size=1, Encrypted=True)


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test inherits another one's faults."""
    yield
    if "lab" in request.fixturenames or "volume" in request.fixturenames:
        Client().clear_faults()


def snap(cloud: Cloud, volume_id: str, letter: str, description: str = "", wait: bool = True, **tags: str) -> str:
    """A snapshot as a build makes it, with some tags changed or (empty) left out; its id."""
    wanted = {
        "petal:fingerprint": FINGERPRINTS[letter],
        "petal:name": "quickstart",
        "petal:os": "alinux2023",
        "petal:architecture": "x86_64",
        "petal:packages": "numpy@2.2.1 scipy@1.15.0",
        "petal:cleanup": "pending",
        **{f"petal:{key.replace('_', '-')}": value for key, value in tags.items()},
    }
    pairs = [{"Key": key, "Value": value} for key, value in wanted.items() if value]
    made = cloud.ec2.create_snapshot(
        VolumeId=volume_id,
        Description=description or f"petal.hpc quickstart {FINGERPRINTS[letter]}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": pairs}],
    )["SnapshotId"]
    if wait:
        wait_for(lambda: cloud.snapshot_now(made)["State"] != "pending")
    return str(made)


def test_a_snapshot_of_which_a_cluster_has_a_volume_is_not_deleted_in_silence(
    lab: Client, volume: tuple[Cloud, str]
) -> None:
    """Two calls, DescribeSnapshots and DescribeVolumes, before the first DeleteSnapshot."""
    cloud, volume_id = volume
    made = snap(cloud, volume_id, "9", name="used")
    tags = [{"Key": "parallelcluster:cluster-name", "Value": "bio"}]
    used = cloud.volume(SnapshotId=made, Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])
    given = {"provider": "aws", "region": cloud.ec2.meta.region_name}
    with allowed_by(lab, "deployer"):
        listed = play("list_volumes", **given)
    assert listed.rc == 0, listed.output
    assert f"in use: {used} of bio" in listed.output
    one = {**given, "snapshot_id": made}
    for arguments in ([], ["--check"]):
        refused = play("delete_volume", *arguments, **one)
        assert refused.rc != 0
        assert f"{made} by the volume {used} of bio" in refused.output
    would = play("delete_volume", "--check", **one, force="true")
    assert f"Would delete {made}  used  1 GiB" in would.output, would.output
    assert cloud.snapshot_now(made)["State"] == "completed"
    # Retention takes no snapshot that is in use either.
    spared = play("cleanup", "--check", **given, unused_for="0h")
    assert spared.rc == 0, spared.output
    assert f"Would delete {made}" not in spared.output
    cloud.ec2.delete_volume(VolumeId=used)
    due = play("cleanup", "--check", **given, unused_for="0h")
    assert due.rc == 0, due.output
    assert f"Would delete {made}  used, of " in due.output, due.output
    with allowed_by(lab, "builder"):
        deleted = play("delete_volume", **one)
    assert f"Deleted {made}  used  1 GiB" in deleted.output, deleted.output
    assert made not in {each["SnapshotId"] for each in cloud.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert "There was nothing to delete" in play("delete_volume", **one).output


def test_what_changed_as_far_as_tags_say_it(lab: Client, volume: tuple[Cloud, str]) -> None:
    """One call, and what is on the volumes is not said to be the same."""
    cloud, volume_id = volume
    old = snap(cloud, volume_id, "7", name="diffed")
    new = snap(cloud, volume_id, "8", name="diffed", packages="numpy@2.3.5 scipy@1.15.0")
    lab.clear_calls()
    told = play("diff_volumes", provider="aws", region=cloud.ec2.meta.region_name, snapshot_id=new, since=old)
    assert told.rc == 0, told.output
    assert [call["action"] for call in lab.calls()] == ["DescribeSnapshots"]
    said = " ".join(told.output.split())
    for line in ("fingerprint: another one", "packages: 1 changed, 1 the same ~ numpy 2.2.1 → 2.3.5"):
        assert line in said, said
    kept = "container images, packages inside of images, modules, what it runs by, locks, built with"
    assert f"not compared: asked for, {kept}, builds of packages: AWS keeps" in said, said
    for one in (old, new):
        cloud.ec2.delete_snapshot(SnapshotId=one)


def test_a_snapshot_that_is_being_made_is_not_deleted_in_silence(lab: Client, volume: tuple[Cloud, str]) -> None:
    cloud, volume_id = volume
    lab.fault("snapshot-error", after=60)
    made = snap(cloud, volume_id, "8", name="begun", wait=False)
    one = {"provider": "aws", "region": cloud.ec2.meta.region_name, "snapshot_id": made}
    refused = play("delete_volume", **one)
    assert refused.rc != 0
    assert f"still being made, so nothing was deleted: {made}." in refused.output
    assert cloud.snapshot_now(made)["State"] == "pending"
    deleted = play("delete_volume", **one, force="true")
    assert f"Deleted {made}  begun  1 GiB" in deleted.output, deleted.output


def look(letter: str = "", **arguments: Any) -> dict[str, Any]:
    """A look-up."""
    if letter:
        arguments["fingerprint"] = FINGERPRINTS[letter]
    return run_module("snapshot_info", provider="aws", **arguments)


def ids(found: dict[str, Any]) -> list[str]:
    return [item["snapshot_id"] for item in found["snapshots"]]


# Snapshots


def test_a_hit_is_one_call(lab: Client, volume: tuple[Cloud, str]) -> None:
    made = snap(*volume, "a", build_id="b1")
    lab.clear_calls()
    found = look("a", os="alinux2023", architecture="x86_64", size_gb=1)
    assert [(call["action"], call["account"]) for call in lab.calls()] == [("DescribeSnapshots", ACCOUNT)]
    assert found["reason"] == f"{made} is the only one that matches"
    best = found["snapshot"]
    assert best["snapshot_id"] == made
    assert (best["provider"], best["source"], best["owner"], best["region"]) == ("aws", "local", ACCOUNT, "us-east-1")
    assert (best["name"], best["size_gb"], best["state"], best["progress"]) == ("quickstart", 1, "completed", 100)
    assert best["packages"] == ["numpy@2.2.1", "scipy@1.15.0"]
    assert best["tags"]["petal:cleanup"] == "pending"
    assert best["encrypted"] is True
    assert best["kms_key_id"].startswith("arn:aws:kms:us-east-1:")


def test_a_miss_is_one_call(lab: Client) -> None:
    lab.clear_calls()
    found = look("0")
    assert (found["snapshot"], found["snapshots"], found["passed_over"]) == (None, [], [])
    assert len(lab.calls()) == 1


def test_what_does_not_fit_is_told_of(volume: tuple[Cloud, str]) -> None:
    made = snap(*volume, "b")
    for asked, reason in (
        ({"os": "rhel9"}, "it was built for alinux2023, not rhel9"),
        ({"architecture": "arm64"}, "it was built for x86_64, not arm64"),
        ({"size_gb": 0}, "it needs 1 GiB, the volume has 0"),
    ):
        assert look("b", **asked)["passed_over"] == [{"snapshot_id": made, "reason": reason}]


@pytest.mark.usefixtures("lab")
def test_other_accounts_and_regions_are_not_ours(tmp_path: Path) -> None:
    """Shared with us, public, with our tags and fingerprint, and newer: whoever forges that has no effect."""
    other = Cloud(tmp_path, OTHER_ACCOUNT)
    foreign, public = (snap(other, other.volume(Size=1), "c", wait=False) for _copy in range(2))
    share = {"Attribute": "createVolumePermission", "OperationType": "add"}
    other.ec2.modify_snapshot_attribute(SnapshotId=foreign, UserIds=[ACCOUNT], **share)
    other.ec2.modify_snapshot_attribute(SnapshotId=public, GroupNames=["all"], **share)
    elsewhere = Cloud(tmp_path, region="eu-west-1")
    there = snap(elsewhere, elsewhere.volume(Size=1, AvailabilityZone="eu-west-1a"), "c")
    assert look("c")["snapshots"] == []
    assert look("c", snapshot_ids=[foreign, public])["snapshots"] == []
    assert ids(look("c", region="eu-west-1")) == [there]


def test_forged_and_malformed_ones_are_passed_over(volume: tuple[Cloud, str]) -> None:
    good = snap(*volume, "d", wait=False)
    forged = snap(*volume, "d", f"petal.hpc other {FINGERPRINTS['a']}", wait=False)
    nameless = snap(*volume, "d", name="", wait=False)
    hostile = snap(*volume, "d", name="{{ lookup('pipe', 'id') }}", wait=False)
    strange = snap(*volume, "d", architecture="sparc")
    found = look("d")
    assert ids(found) == [good]
    reasons = {item["snapshot_id"]: item["reason"] for item in found["passed_over"]}
    assert set(reasons) == {forged, nameless, hostile, strange}
    assert "Description names another fingerprint" in reasons[forged]
    assert "no tag petal:name" in reasons[nameless]
    assert "tag petal:name is not of the form" in reasons[hostile]
    assert "petal:architecture is none of" in reasons[strange]
    # Only a Description bears this one's fingerprint: tags are what counts.
    assert look("a", snapshot_ids=[forged])["snapshots"] == []


def test_waiting_for_a_pending_one(volume: tuple[Cloud, str]) -> None:
    made = snap(*volume, "e", wait=False, build_id="b7")
    found = look("e", build_id="b7", states=ALL_STATES)
    assert (ids(found), found["snapshot"]) == ([made], None)
    assert f"{made} matches" in found["reason"]
    assert "its state is pending" in found["reason"]
    assert look("e")["reason"].startswith("no snapshot matches")
    assert look("e", build_id="b8", states=ALL_STATES)["snapshots"] == []
    seen: list[dict[str, Any]] = []

    def completed() -> bool:
        seen.append(look(snapshot_ids=[made], states=ALL_STATES))
        return bool(seen[-1]["snapshots"][0]["state"] == "completed")

    wait_for(completed)
    done = [found["progress"]["done"] for found in seen]
    assert done == sorted(done)
    assert seen[-1]["progress"] == {"done": 100, "total": 100, "item": made}
    assert seen[-1]["snapshot"]["snapshot_id"] == made


def test_one_that_fails(lab: Client, volume: tuple[Cloud, str]) -> None:
    lab.fault("snapshot-error")
    made = snap(*volume, "f")
    found = look(snapshot_ids=[made], states=ALL_STATES)
    assert found["snapshots"][0]["state"] == "error"
    assert found["snapshots"][0]["message"]
    assert (found["snapshot"], found["progress"]) == (None, None)
    assert look("f")["snapshots"] == []


def test_one_that_is_gone(volume: tuple[Cloud, str]) -> None:
    there, gone = snap(*volume, "1", wait=False), snap(*volume, "1")
    volume[0].ec2.delete_snapshot(SnapshotId=gone)
    assert ids(look(snapshot_ids=[there, gone])) == [there]
    assert look(snapshot_ids=[gone])["snapshots"] == []


def test_many_come_in_pages(lab: Client, volume: tuple[Cloud, str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = {snap(*volume, "2", wait=False, name=f"many-{number}") for number in range(23)}
    lab.clear_calls()
    assert set(ids(look("2", states=ALL_STATES))) == made
    assert len(lab.calls()) == 1
    # The same in answers of five.
    monkeypatch.setattr(record, "PAGE_SIZE", 5)
    lab.clear_calls()
    wanted = Criteria(fingerprint=FINGERPRINTS["2"], states=tuple(ALL_STATES))

    class Module:
        region = "us-east-1"
        warn = client = staticmethod(lambda _name, **_options: volume[0].ec2)

    snapshots, refused = api.EbsSnapshots(Module()).scan(wanted)
    assert ({item.snapshot_id for item in snapshots}, refused) == (made, [])
    assert len(lab.calls()) == 5
    assert ids(look(name="many-7", states=ALL_STATES)) == [
        item.snapshot_id for item in snapshots if item.name == "many-7"
    ]


def test_a_hiccup_is_not_noticed(lab: Client, volume: tuple[Cloud, str]) -> None:
    made = snap(*volume, "3")
    lab.fault("throttle", action="DescribeSnapshots", times=2)
    lab.fault("server-error", action="DescribeSnapshots", times=1)
    assert ids(look("3")) == [made]


def test_errors_say_what_was_being_done(lab: Client) -> None:
    lab.fault("error", action="DescribeSnapshots", code="UnauthorizedOperation", status=403, message="No.")
    message = fail_module("snapshot_info", provider="aws", fingerprint=FINGERPRINTS["a"])
    assert message.startswith("looking for snapshots in us-east-1: UnauthorizedOperation: No.")
    assert "fingerprint" in fail_module("snapshot_info", provider="aws", fingerprint="sha256:*")
    assert "snapshot_id" in fail_module("snapshot_info", provider="aws", snapshot_ids=["snap-*"])


def test_the_local_provider_asks_nobody(lab: Client, tmp_path: Path) -> None:
    lab.clear_calls()
    assert run_module("snapshot_info", store=str(tmp_path))["snapshots"] == []
    assert lab.calls() == []


# Images


def test_the_newest_official_image(lab: Client) -> None:
    lab.clear_calls()
    image = run_module("aws_image_info", os="alinux2023", architecture="x86_64")["image"]
    assert [call["action"] for call in lab.calls()] == ["DescribeImages"]
    # A stranger's is newer, and named alike.
    assert image["owner"] == PARALLELCLUSTER
    assert image["name"].startswith("aws-parallelcluster-3.16.1-amzn2023-hvm-x86_64-20260615")
    assert (image["user"], image["root_device"], image["root_size_gb"]) == ("ec2-user", "/dev/xvda", 45)
    assert (image["deprecated"], image["official"]) == (False, True)


@pytest.mark.parametrize(
    ("system", "architecture", "owner", "user"),
    [
        ("ubuntu2404", "arm64", PARALLELCLUSTER, "ubuntu"),
        ("rhel9", "x86_64", PARALLELCLUSTER, "ec2-user"),
        ("debian12", "arm64", DEBIAN, "admin"),
    ],
)
@pytest.mark.usefixtures("lab")
def test_images_of_other_systems(system: str, architecture: str, owner: str, user: str) -> None:
    image = run_module("aws_image_info", os=system, architecture=architecture)["image"]
    assert (image["owner"], image["user"], image["architecture"]) == (owner, user, architecture)


def test_a_given_image(volume: tuple[Cloud, str]) -> None:
    ec2 = volume[0].ec2
    theirs = ec2.describe_images(Owners=[STRANGER])["Images"][0]["ImageId"]
    given: dict[str, Any] = {"os": "alinux2023", "architecture": "x86_64", "image_id": theirs}
    image = run_module("aws_image_info", **given)["image"]
    assert (image["image_id"], image["owner"], image["official"]) == (theirs, STRANGER, False)
    assert f"{theirs} is for x86_64, the seed for arm64" in fail_module(
        "aws_image_info", **{**given, "architecture": "arm64"}
    )
    missing: dict[str, Any] = {**given, "image_id": "ami-0123456789abcdef0"}
    assert "there is no image ami-0123456789abcdef0 in us-east-1" in fail_module("aws_image_info", **missing)


@pytest.mark.usefixtures("lab")
def test_an_image_that_nobody_offers() -> None:
    message = fail_module("aws_image_info", os="rocky9", architecture="x86_64")
    assert message.startswith("Rocky Linux offers no image for rocky9 on x86_64 in us-east-1")
    assert "-e ami_id=" in message
    assert "os 'beos' is not known" in fail_module("aws_image_info", os="beos", architecture="x86_64")


# Prices


@pytest.fixture
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint where nobody listens."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


COSTS: dict[str, Any] = {"instance_type": "c6a.4xlarge", "size_gb": 100, "hours": 10}


@pytest.mark.usefixtures("nobody_there")
def test_prices_by_the_table() -> None:
    found = run_module("aws_price_info", spot=True, **COSTS)
    assert found["prices"]["source"].startswith("table of ")
    assert found["prices"]["instance_hour_usd"] == 0.612
    assert found["prices"]["spot_hour_usd"] is None
    assert "the Price List cannot be asked (Could not connect" in found["prices"]["notes"][0]
    assert "the spot price cannot be asked" in found["prices"]["notes"][1]
    assert (found["estimate"]["build_usd"], found["estimate"]["spot"]) == (6.23, False)


@pytest.mark.usefixtures("nobody_there")
def test_a_price_that_is_in_no_table() -> None:
    found = run_module("aws_price_info", **{**COSTS, "instance_type": "p5.48xlarge"})
    assert found["prices"]["instance_hour_usd"] is None
    assert found["estimate"]["build_usd"] is None
    assert found["estimate"]["snapshot_month_usd"] == 5.0
    assert "the table has no price of p5.48xlarge" in found["prices"]["notes"]


@pytest.mark.usefixtures("nobody_there")
def test_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = run_module("aws_price_info", **COSTS)
    assert "Unable to locate credentials" in found["prices"]["notes"][0]


class PriceList(BaseHTTPRequestHandler):
    """Answers GetProducts."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fields = {item["Field"]: item["Value"] for item in asked["Filters"]}
        kind = "instance" if "instanceType" in fields else "volume" if "volumeApiName" in fields else "snapshot"
        unit, usd, usage = {
            "instance": ("Hrs", "0.7", "EUC1-BoxUsage:c6a.4xlarge"),
            "volume": ("GB-Mo", "0.09", "EUC1-EBS:VolumeUsage.gp3"),
            "snapshot": ("GB-Mo", "0.054", "EUC1-EBS:SnapshotUsage"),
        }[kind]
        price = {"unit": unit, "pricePerUnit": {"USD": usd}, "beginRange": "0"}
        product = {
            "product": {"attributes": {"usagetype": usage, "regionCode": fields["regionCode"]}},
            "terms": {"OnDemand": {"a": {"priceDimensions": {"b": price}}}},
            "publicationDate": "2026-07-01T00:00:00Z",
        }
        body = json.dumps({"FormatVersion": "aws_v1", "PriceList": [json.dumps(product)]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing on the terminal."""


@pytest.mark.usefixtures("nobody_there")
def test_prices_by_the_price_list(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), PriceList)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", f"http://127.0.0.1:{server.server_port}")
        found = run_module("aws_price_info", region="eu-central-1", **COSTS)
    finally:
        server.shutdown()
        server.server_close()
    assert found["prices"]["source"] == "AWS Price List of 2026-07-01"
    assert found["prices"]["region"] == "eu-central-1"
    assert found["prices"]["notes"] == []
    assert found["prices"]["instance_hour_usd"] == 0.7
    assert found["estimate"]["build_usd"] == 7.12
    assert found["estimate"]["snapshot_month_usd"] == 5.4


@pytest.mark.usefixtures("lab")
def test_the_lab_has_no_price_list_but_spot_prices() -> None:
    found = run_module("aws_price_info", spot=True, **COSTS)
    assert found["prices"]["source"].startswith("table of ")
    assert found["prices"]["spot_hour_usd"] > 0
    assert found["estimate"]["spot"] is True
