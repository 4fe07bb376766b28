# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots shared, taken back and copied in the lab: rules before changes, and the same again changes nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import ACCOUNT, OTHER_ACCOUNT, Delays, Settings, access_key
from ec2lab.testing import Cloud, inside, wait_for, why_not
from iam_policy import Policy, compare
from modules import fail_module, run_module, start_module
from playing import ROOT, play
from registry_server import fingerprint

HOME, NEAR, FAR = "us-east-1", "us-west-2", "eu-west-1"
THIRD = "777788889999"
PENDING_S = 1.5
SHARER = ROOT / "docs" / "iam" / "sharer.json"


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab whose snapshots are pending long enough to be seen."""
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(volume_creating=0, snapshot_pending=PENDING_S), root=str(roots.root()))) as client:
        yield client


class Account:
    """One account with a volume of 1 GiB in its home Region, and words for its snapshots."""

    def __init__(self, directory: Path, account: str = ACCOUNT, **volume: Any) -> None:
        self.account = account
        self._directory = directory
        self.cloud = Cloud(directory, account)
        self.volume = self.cloud.volume(Size=1, **volume)

    def snap(
        self, number: int, sharing: str | None = "public", wait: bool = True, more: dict[str, str] | None = None
    ) -> str:
        """A snapshot as a build makes it; its id. ``sharing``: the audit's verdict; None for a volume without audit."""
        told = {"fingerprint": fingerprint(number), "name": "bio", "os": "alinux2023", "architecture": "x86_64"}
        told |= {"build-id": f"b{number}", "packages": "six@1.17.0"}
        told |= {} if sharing is None else {"sharing": sharing}
        pairs = [{"Key": f"petal:{key}", "Value": value} for key, value in told.items()]
        made = self.cloud.ec2.create_snapshot(
            VolumeId=self.volume,
            Description=f"petal.hpc bio {fingerprint(number)}",
            TagSpecifications=[
                {
                    "ResourceType": "snapshot",
                    "Tags": [*pairs, *({"Key": k, "Value": v} for k, v in (more or {}).items())],
                }
            ],
        )["SnapshotId"]
        if wait:
            wait_for(lambda: self.cloud.snapshot_now(made)["State"] != "pending")
        return str(made)

    def copies(self, region: str, number: int) -> list[dict[str, Any]]:
        """All own snapshots of a fingerprint in a Region, in any state."""
        there = Cloud(self._directory, self.account, region)
        wanted = [{"Name": "tag:petal:fingerprint", "Values": [fingerprint(number)]}]
        found: list[dict[str, Any]] = there.ec2.describe_snapshots(OwnerIds=["self"], Filters=wanted)["Snapshots"]
        return found

    def permissions(self, snapshot_id: str) -> set[str]:
        """Accounts that may use it; ``all`` for everybody."""
        found = self.cloud.ec2.describe_snapshot_attribute(SnapshotId=snapshot_id, Attribute="createVolumePermission")
        return {str(one.get("UserId") or one.get("Group")) for one in found["CreateVolumePermissions"]}


@pytest.fixture(scope="module")
def own(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Account:
    assert lab.instances() == []
    return Account(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def other(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Account:
    assert lab.instances() == []
    return Account(tmp_path_factory.mktemp("other"), OTHER_ACCOUNT)


def test_a_list_says_with_whom_and_what_others_share(lab: Client, own: Account, other: Account) -> None:
    mine, nobodys, theirs, open_to_all = own.snap(90), own.snap(90), other.snap(91), other.snap(91)
    own.cloud.ec2.modify_snapshot_attribute(
        SnapshotId=mine, Attribute="createVolumePermission", OperationType="add", UserIds=[OTHER_ACCOUNT]
    )
    for snapshot_id, whom in ((theirs, {"UserIds": [ACCOUNT]}), (open_to_all, {"GroupNames": ["all"]})):
        other.cloud.ec2.modify_snapshot_attribute(
            SnapshotId=snapshot_id, Attribute="createVolumePermission", OperationType="add", **whom
        )
    lab.clear_calls()
    found = run_module("snapshot_info", provider="aws", fingerprint=fingerprint(90), shared=True)
    asked = [call["action"] for call in lab.calls()]
    assert sorted(asked) == ["DescribeSnapshotAttribute"] * 2 + ["DescribeSnapshots"] * 3
    assert found["shared"]["with"] == {
        mine: {"accounts": [OTHER_ACCOUNT], "public": False},
        nobodys: {"accounts": [], "public": False},
    }
    assert (found["shared"]["others"], found["shared"]["left_out"]) == ([], 0)
    # What is public is no gift to this account, and what others share is chosen by nobody.
    others = run_module("snapshot_info", provider="aws", fingerprint=fingerprint(91), shared=True)
    assert [(one["snapshot_id"], one["owner"], one["source"]) for one in others["shared"]["others"]] == [
        (theirs, OTHER_ACCOUNT, "shared")
    ]
    assert (others["snapshot"], others["snapshots"]) == (None, [])
    run = play("list_volumes", provider="aws", region=HOME, shared="true")
    assert run.rc == 0, run.output
    assert f"{mine}  account {OTHER_ACCOUNT}" in run.output
    assert f"{nobodys}  nobody" in run.output
    assert f"by account {OTHER_ACCOUNT}" in run.output
    assert open_to_all not in run.output


def share(**arguments: Any) -> dict[str, Any]:
    return run_module("snapshot_share", **arguments)


def refused(**arguments: Any) -> str:
    return fail_module("snapshot_share", **arguments)


def copy(**arguments: Any) -> dict[str, Any]:
    return run_module("snapshot_copy", **{"poll_interval": 1, **arguments})


def played(playbook: str, *arguments: str, **variables: str) -> str:
    """The output of a playbook that has to end well."""
    fast = {"snapshots_poll_interval": 1}
    done = play(playbook, *arguments, "-e", json.dumps({"provider": "aws", "region": HOME, **fast, **variables}))
    assert done.rc == 0, done.output
    assert "WARNING" not in done.output
    return done.output


def changes(lab: Client) -> list[str]:
    """The calls since the last clear_calls that change something."""
    reads = ("Describe", "Get", "List")
    return [call["action"] for call in lab.calls() if not call["action"].startswith(reads)]


def look_from_other(number: int) -> list[str]:
    """What a look-up in the other account finds, which names this one as an organization source."""
    asked: dict[str, Any] = {
        "fingerprint": fingerprint(number),
        "os": "alinux2023",
        "architecture": "x86_64",
        "size_gb": 1,
        "trust": {"accounts": [ACCOUNT]},
    }
    mine = os.environ["AWS_ACCESS_KEY_ID"]
    os.environ["AWS_ACCESS_KEY_ID"] = access_key(OTHER_ACCOUNT)
    try:
        sources = [{"type": "local", "priority": 1}, {"type": "organization", "priority": 2, "account": ACCOUNT}]
        found = run_module("snapshot_info", provider="aws", sources=sources, **asked)
    finally:
        os.environ["AWS_ACCESS_KEY_ID"] = mine
    return [one["snapshot_id"] for one in found["snapshots"]]


# Sharing


def test_shared_found_and_taken_back(lab: Client, own: Account) -> None:
    made = own.snap(1)
    asked = {"snapshot_id": made, "accounts": [OTHER_ACCOUNT, THIRD]}
    lab.clear_calls()
    foretold = share(check=True, **asked)
    assert foretold["changed"]
    assert changes(lab) == []
    assert own.permissions(made) == set()
    done = share(**asked)
    assert done["diff"] == foretold["diff"]
    assert done["diff"]["before"] == {made: {"accounts": [], "public": False}}
    assert done["snapshots"] == [
        {"snapshot_id": made, "accounts": [OTHER_ACCOUNT, THIRD], "public": False, "changed": True}
    ]
    assert changes(lab) == ["ModifySnapshotAttribute"]
    assert look_from_other(1) == [made]
    lab.clear_calls()
    assert not share(**asked)["changed"]
    assert not share(snapshot_id=made, accounts=[THIRD])["changed"], "a part of them is there too"
    assert changes(lab) == []
    back = share(fingerprint=fingerprint(1), accounts=[OTHER_ACCOUNT], state="absent")
    assert back["snapshots"][0]["accounts"] == [THIRD]
    assert look_from_other(1) == []
    assert share(fingerprint=fingerprint(1), state="absent", check=True)["changed"]
    assert share(fingerprint=fingerprint(1), state="absent")["changed"]
    assert own.permissions(made) == set()
    assert not share(snapshot_id=made, state="absent")["changed"]


@pytest.mark.usefixtures("lab")
def test_accounts_beside_the_public_and_a_purge(own: Account) -> None:
    made = own.snap(2)
    assert share(snapshot_id=made, public=True)["snapshots"][0]["public"]
    assert own.permissions(made) == {"all"}
    share(snapshot_id=made, accounts=[OTHER_ACCOUNT])
    assert own.permissions(made) == {"all", OTHER_ACCOUNT}
    share(snapshot_id=made, public=False)
    assert own.permissions(made) == {OTHER_ACCOUNT}
    share(snapshot_id=made, public=True)
    done = share(snapshot_id=made, accounts=[THIRD], purge=True)
    assert done["snapshots"][0] == {"snapshot_id": made, "accounts": [THIRD], "public": False, "changed": True}
    assert own.permissions(made) == {THIRD}
    assert not share(snapshot_id=made, accounts=[THIRD], purge=True)["changed"]


def test_an_organization_as_it_is(lab: Client, own: Account, tmp_path: Path) -> None:
    """What aws organizations list-accounts prints: the own account is among them, one is closed, and there are many."""
    many = [f"{number:012d}" for number in range(1, 601)]
    states = [*((account, "ACTIVE") for account in [ACCOUNT, OTHER_ACCOUNT, *many]), (THIRD, "SUSPENDED")]
    listed = tmp_path / "accounts.json"
    listed.write_text(json.dumps({"Accounts": [{"Id": account, "Status": state} for account, state in states]}))
    made = own.snap(3)
    lab.clear_calls()
    share(fingerprint=fingerprint(3), accounts_file=str(listed))
    assert own.permissions(made) == {OTHER_ACCOUNT, *many}
    assert changes(lab) == ["ModifySnapshotAttribute"] * 2, "500 in one call"
    listed.write_text(f"# who is left\n{OTHER_ACCOUNT} the others\n")
    share(fingerprint=fingerprint(3), accounts_file=str(listed), purge=True)
    assert own.permissions(made) == {OTHER_ACCOUNT}
    assert "cannot be read" in refused(snapshot_id=made, accounts_file=str(tmp_path / "none"))


def test_what_makes_no_sense_to_ask(lab: Client, own: Account) -> None:
    made = own.snap(4)
    assert "nothing says with whom" in refused(snapshot_id=made)
    assert "twelve digits" in refused(snapshot_id=made, accounts=["12345"])
    assert "has it already" in refused(snapshot_id=made, accounts=[ACCOUNT])
    assert "there is no snapshot" in refused(snapshot_id="snap-0123456789abcdef0", accounts=[OTHER_ACCOUNT])
    assert not share(snapshot_id="snap-0123456789abcdef0", state="absent")["changed"]
    assert "no snapshot matches" in refused(fingerprint=fingerprint(99), accounts=[OTHER_ACCOUNT])
    assert not share(fingerprint=fingerprint(99), state="absent")["changed"]
    plain = own.cloud.snapshot(own.volume)
    assert "it is no software volume" in refused(snapshot_id=plain, accounts=[OTHER_ACCOUNT]).replace(
        "is no", "it is no"
    )
    lab.fault("snapshot-error", after=60)  # pending as long as the test may take on a busy machine
    waiting = own.snap(4, wait=False)
    assert "is pending, and only a completed snapshot" in refused(snapshot_id=waiting, accounts=[OTHER_ACCOUNT])
    assert own.permissions(made) == own.permissions(plain) == own.permissions(waiting) == set()


@pytest.mark.usefixtures("lab")
def test_what_belongs_to_others(other: Account) -> None:
    theirs = other.snap(5)
    asked = {"snapshot_id": theirs, "accounts": [THIRD]}
    assert "there is no snapshot" in refused(**asked)
    other.cloud.ec2.modify_snapshot_attribute(SnapshotId=theirs, OperationType="add", UserIds=[ACCOUNT])
    assert f"belongs to account {OTHER_ACCOUNT}" in refused(**asked)
    assert "only its owner" in refused(snapshot_id=theirs, state="absent")
    assert other.permissions(theirs) == {ACCOUNT}


def test_the_audit_has_the_last_word(lab: Client, own: Account) -> None:
    verdicts = (None, "accounts: mkl has licence ISSL", "private: 2 private keys", "open")
    nobody, licence, secret, odd = (own.snap(6, verdict, wait=False) for verdict in verdicts)
    wait_for(lambda: own.cloud.snapshot_now(odd)["State"] == "completed")
    lab.clear_calls()
    # Nobody has looked.
    asked: dict[str, Any] = {"snapshot_id": nobody}
    assert "-e unaudited=true" in refused(**asked, accounts=[OTHER_ACCOUNT])
    for more in ({}, {"unaudited": True}, {"unaudited": True, "accounts": [OTHER_ACCOUNT]}):
        assert "has no tag petal:sharing" in refused(**asked, public=True, **more)
    # A licence.
    asked = {"snapshot_id": licence, "public": True}
    assert "mkl has licence ISSL. Leave it out" in refused(**asked)
    assert "not made public" in refused(**asked, unaudited=True)
    # A key, and what nobody can read.
    for found, says in ((secret, "may not leave the account: 2 private keys"), (odd, "is no verdict")):
        assert says in refused(snapshot_id=found, accounts=[OTHER_ACCOUNT], unaudited=True)
        assert says in refused(snapshot_id=found, public=True)
    assert changes(lab) == []
    share(snapshot_id=nobody, accounts=[OTHER_ACCOUNT], unaudited=True)
    share(snapshot_id=licence, accounts=[OTHER_ACCOUNT])
    assert own.permissions(nobody) == own.permissions(licence) == {OTHER_ACCOUNT}


def test_public_access_that_the_account_blocks(lab: Client, own: Account) -> None:
    made = own.snap(7)
    lab.clear_calls()
    for state in ("block-new-sharing", "block-all-sharing"):
        own.cloud.ec2.enable_snapshot_block_public_access(State=state)
        says = refused(snapshot_id=made, public=True)
        assert f"blocks public access to snapshots in {HOME} ({state})" in says
        assert "disable-snapshot-block-public-access" in says
    assert "ModifySnapshotAttribute" not in changes(lab)
    share(snapshot_id=made, accounts=[OTHER_ACCOUNT])
    own.cloud.ec2.disable_snapshot_block_public_access()
    share(snapshot_id=made, public=True)
    assert own.permissions(made) == {OTHER_ACCOUNT, "all"}
    # Who may not look goes on, with a word.
    lab.fault("error", action="GetSnapshotBlockPublicAccessState", code="UnauthorizedOperation", status=403, message="")
    assert "could not be looked at" in str(share(snapshot_id=made, public=True)["warnings"])


def test_keys(lab: Client, tmp_path: Path) -> None:
    """AWS's own key is refused, a key of one's own has to let the others in; the way out in the message works."""
    account = Account(tmp_path, Encrypted=True)
    made = account.snap(8)
    lab.clear_calls()
    says = refused(snapshot_id=made, accounts=[OTHER_ACCOUNT])
    assert "AWS's own key for EBS (alias/aws/ebs), which no other account can use" in says
    assert f"-e snapshot_id={made} -e region={HOME} -e regions={HOME} -e kms_key_id=" in says
    assert "no encrypted snapshot can be public" in refused(snapshot_id=made, public=True)
    assert changes(lab) == []
    kms = account.cloud.session.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/petal", TargetKeyId=key)
    done = copy(snapshot_id=made, regions=[HOME], kms_key_id="alias/petal")
    copied = done["copies"][0]["snapshot"]
    assert (copied["kms_key_id"], done["copies"][0]["begun"]) == (key, True)
    assert not copy(snapshot_id=made, regions=[HOME], kms_key_id="alias/petal")["changed"]
    assert not copy(snapshot_id=made, regions=[HOME], kms_key_id=key)["changed"]
    # The copy is what a look-up takes now.
    says = refused(fingerprint=fingerprint(8), accounts=[OTHER_ACCOUNT, THIRD])
    assert f"does not let in accounts {OTHER_ACCOUNT}, {THIRD}" in says
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    use = {"Effect": "Allow", "Resource": "*", "Principal": {"AWS": [f"arn:aws:iam::{OTHER_ACCOUNT}:root"]}}
    policy["Statement"] += [
        {**use, "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"]},
        {**use, "Action": "kms:CreateGrant", "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}},
    ]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    assert f"does not let in account {THIRD}," in refused(fingerprint=fingerprint(8), accounts=[OTHER_ACCOUNT, THIRD])
    share(fingerprint=fingerprint(8), accounts=[OTHER_ACCOUNT])
    assert account.permissions(copied["snapshot_id"]) == {OTHER_ACCOUNT}
    assert account.permissions(made) == set()
    # Who may not look at keys goes on, with a word.
    lab.fault("error", action="DescribeKey", code="AccessDeniedException", status=400, message="no")
    warned = share(fingerprint=fingerprint(8), accounts=[OTHER_ACCOUNT])
    assert "could not be looked at: AccessDeniedException" in str(warned["warnings"])
    kms.disable_key(KeyId=key.rpartition("/")[2])
    assert f"the key {key} is Disabled" in refused(fingerprint=fingerprint(8), accounts=[OTHER_ACCOUNT])


# Copying


def test_copied_to_two_regions_and_found_there_by_tag(lab: Client, own: Account) -> None:
    made = own.snap(20, more={"petal:cleanup": "pending", "Name": "bio", "cost-centre": "7"})
    asked = {"fingerprint": fingerprint(20), "regions": [NEAR, FAR]}
    lab.clear_calls()
    foretold = copy(check=True, **asked)
    assert foretold["changed"]
    assert foretold["diff"]["after"]["copies"] == {NEAR: "a copy", FAR: "a copy"}
    assert changes(lab) == []
    done = copy(**asked)
    assert changes(lab) == ["CopySnapshot"] * 2
    begun = [call["time"] for call in lab.calls() if call["action"] == "CopySnapshot"]
    assert begun[1] - begun[0] < PENDING_S, "the second began when the first had ended"
    assert [one["state"] for one in done["copies"]] == ["completed"] * 2
    assert done["progress"] == {"done": 200, "total": 200, "item": "all are complete"}
    original = {tag["Key"]: tag["Value"] for tag in own.cloud.snapshot_now(made)["Tags"]}
    for region in (NEAR, FAR):
        (there,) = own.copies(region, 20)
        tags = {tag["Key"]: tag["Value"] for tag in there["Tags"]}
        assert tags == {
            **{k: v for k, v in original.items() if k != "petal:cleanup"},
            "petal:copied-from": f"{HOME}/{made}",
        }
        assert there["Description"] == f"petal.hpc bio {fingerprint(20)}"
        found = run_module("snapshot_info", provider="aws", region=region, fingerprint=fingerprint(20))
        assert found["snapshot"]["snapshot_id"] == there["SnapshotId"]
        assert found["snapshot"]["packages"] == ["six@1.17.0"]
    lab.clear_calls()
    assert not copy(**asked)["changed"]
    assert changes(lab) == []
    # A copy of a copy is a copy of the original: there and back again is nothing new.
    third = copy(fingerprint=fingerprint(20), source_region=NEAR, regions=[HOME, FAR, "ap-south-1"])
    assert [one["begun"] for one in third["copies"]] == [False, False, True]
    assert third["copies"][0]["snapshot"]["snapshot_id"] == made
    assert third["copies"][2]["snapshot"]["tags"]["petal:copied-from"] == f"{HOME}/{made}"


def test_killed_half_way(lab: Client, own: Account) -> None:
    made = own.snap(21)
    asked: dict[str, Any] = {"snapshot_id": made, "regions": [NEAR, FAR], "poll_interval": 1}
    lab.clear_calls()
    process = start_module("snapshot_copy", **asked)
    wait_for(lambda: changes(lab) == ["CopySnapshot"], pause=0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    half = [len(own.copies(region, 21)) for region in (NEAR, FAR)]
    assert half[0] == 1
    ended = copy(**asked)
    assert [one["state"] for one in ended["copies"]] == ["completed"] * 2
    assert [len(own.copies(region, 21)) for region in (NEAR, FAR)] == [1, 1]
    assert changes(lab) == ["CopySnapshot"] * 2


def test_without_waiting_and_its_progress(lab: Client, own: Account) -> None:
    made = own.snap(22)
    asked: dict[str, Any] = {"snapshot_id": made, "regions": [NEAR], "wait": False}
    seen = copy(**asked)
    assert (seen["copies"][0]["state"], seen["progress"]["total"]) == ("pending", 100)
    assert 0 <= seen["progress"]["done"] < 100
    assert seen["progress"]["item"].startswith(NEAR)
    assert not copy(check=True, **asked)["changed"]
    lab.clear_calls()
    assert copy(snapshot_id=made, regions=[NEAR])["copies"][0]["state"] == "completed"
    assert changes(lab) == []


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (23, {"kind": "lost-answer", "action": "CopySnapshot"}),
        (24, {"kind": "server-error", "action": "CopySnapshot", "times": 2}),
        (25, {"kind": "throttle", "times": 4}),
        (26, {"kind": "snapshot-error"}),
    ],
)
def test_one_copy_whatever_goes_wrong(lab: Client, own: Account, number: int, fault: dict[str, Any]) -> None:
    made = own.snap(number)
    kind, values = fault["kind"], {key: value for key, value in fault.items() if key != "kind"}
    lab.fault(kind, **values)
    done = copy(snapshot_id=made, regions=[NEAR])
    assert sum(one["hits"] for one in lab.faults()) >= 1
    lab.clear_faults()
    (there,) = own.copies(NEAR, number)
    assert (there["State"], there["SnapshotId"]) == ("completed", done["copies"][0]["snapshot"]["snapshot_id"])
    assert len(done["copies"][0]["deleted"]) == (1 if kind == "snapshot-error" else 0)


def test_a_copy_that_fails_again(lab: Client, own: Account) -> None:
    """Says why, for its Region; the others are well; and the next run mends it."""
    made = own.snap(27)
    lab.fault("snapshot-error", times=2)
    asked: dict[str, Any] = {"snapshot_id": made, "regions": [NEAR], "poll_interval": 1}
    says = fail_module("snapshot_copy", **asked)
    lab.clear_faults()
    assert f"{NEAR}: its copy failed: The lab was told" in says
    assert "Run again" in says
    assert [one["State"] for one in own.copies(NEAR, 27)] == ["error"]
    lab.fault("error", action="CopySnapshot", code="UnauthorizedOperation", status=403, message="no")
    says = fail_module("snapshot_copy", **{**asked, "regions": [NEAR, FAR]})
    assert f"{NEAR}: copying {made} to {NEAR}: UnauthorizedOperation" in says
    assert f"{FAR}: all is well there" in says
    assert [one["State"] for one in own.copies(FAR, 27)] == ["completed"]
    copy(**asked)
    assert [one["State"] for one in own.copies(NEAR, 27)] == ["completed"]


def test_a_copy_that_is_under_way_is_not_called_well(lab: Client, own: Account) -> None:
    made = own.snap(39)
    lab.fault("error", action="CopySnapshot", code="UnauthorizedOperation", status=403, message="no")
    says = fail_module("snapshot_copy", snapshot_id=made, regions=[NEAR, FAR], wait=False)
    lab.clear_faults()
    assert f"{FAR}: the copy is under way there" in says
    assert "all is well" not in says
    copy(snapshot_id=made, regions=[NEAR, FAR], poll_interval=1)


@pytest.mark.usefixtures("lab")
def test_two_that_copy_at_the_same_moment(own: Account) -> None:
    made = own.snap(28)
    asked: dict[str, Any] = {"snapshot_id": made, "regions": [NEAR], "poll_interval": 1}
    both = [start_module("snapshot_copy", **asked) for _number in range(2)]
    for process in both:
        output, _problem = process.communicate(timeout=60)
        assert json.loads(output)["copies"][0]["state"] == "completed"
    assert len(own.copies(NEAR, 28)) == 1


@pytest.mark.usefixtures("own")
def test_what_another_account_shares(lab: Client, other: Account) -> None:
    theirs = other.snap(30)
    asked: dict[str, Any] = {
        "fingerprint": fingerprint(30),
        "regions": [HOME, NEAR],
        "os": "alinux2023",
        "architecture": "x86_64",
    }
    trusting = {**asked, "owners": [OTHER_ACCOUNT]}
    assert "there is no snapshot to copy" in fail_module("snapshot_copy", **trusting)
    other.cloud.ec2.modify_snapshot_attribute(SnapshotId=theirs, OperationType="add", UserIds=[ACCOUNT])
    assert "when its owner is named in owners" in fail_module("snapshot_copy", **asked)
    nameless: dict[str, Any] = {"snapshot_id": theirs, "regions": [NEAR], "owners": [OTHER_ACCOUNT]}
    assert "name its fingerprint, os and architecture" in fail_module("snapshot_copy", **nameless)
    done = copy(**trusting)
    assert done["source"]["owner"] == OTHER_ACCOUNT
    other.cloud.ec2.modify_snapshot_attribute(SnapshotId=theirs, OperationType="remove", UserIds=[ACCOUNT])
    for one in done["copies"]:
        kept = run_module("snapshot_info", provider="aws", region=one["region"], fingerprint=fingerprint(30))[
            "snapshot"
        ]
        assert (kept["owner"], kept["os"], kept["tags"]["petal:copied-from"]) == (
            ACCOUNT,
            "alinux2023",
            f"{HOME}/{theirs}",
        )
    # The audit was theirs: shared further it is only by somebody who has looked.
    mine = done["copies"][0]["snapshot"]["snapshot_id"]
    assert "has no tag petal:sharing" in refused(snapshot_id=mine, accounts=[THIRD])
    lab.clear_calls()
    assert not copy(**asked)["changed"], "the own copy is what is copied now"
    assert changes(lab) == []


def test_what_cannot_be_copied(lab: Client, own: Account) -> None:
    made = own.snap(31)
    lab.clear_calls()

    def fail(**more: Any) -> str:
        return fail_module("snapshot_copy", **{"snapshot_id": made, "regions": [NEAR], **more})

    assert "did you mean eu-west-1?" in fail(regions=["eu-wst-1"])
    assert "names no Region" in fail(regions=[])
    assert "not among the regions" in fail(kms_key_ids={FAR: "alias/x"})
    assert f"the key alias/none in {NEAR} is missing" in fail(kms_key_id="alias/none")
    assert "is no KMS key" in fail(kms_key_id="a key")
    elsewhere = f"arn:aws:kms:{FAR}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
    assert f"is not one of {NEAR}" in fail(kms_key_id=elsewhere)
    assert "no snapshot to copy" in fail(snapshot_id="snap-0123456789abcdef0")
    assert "twelve digits" in fail(owners=["somebody"])
    assert changes(lab) == []
    assert not copy(snapshot_id=made, regions=[HOME])["changed"]
    lab.fault("snapshot-error", after=60)
    waiting = own.snap(32, wait=False)
    assert "is pending, and only a completed" in fail(snapshot_id=waiting)


# Playbooks


def test_playbooks_and_their_permissions(
    lab: Client, own: Account, other: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Share, copy, share the copy, take back, as a user does; and the sharer's policy allows that and no more."""
    assert other.account == OTHER_ACCOUNT
    made = own.snap(40)
    lab.clear_calls()
    checked = played("share_volume", "--check", "--diff", snapshot_id=made, accounts=OTHER_ACCOUNT)
    assert f"-        accounts: []\n+        accounts:\n+        - '{OTHER_ACCOUNT}'\n" in checked
    assert "Check mode: nothing was changed" in checked
    assert changes(lab) == []
    shared = played("share_volume", snapshot_id=made, accounts=f"{OTHER_ACCOUNT},{THIRD}")
    assert f"{made} in {HOME}: account {OTHER_ACCOUNT}, account {THIRD}" in shared
    assert look_from_other(40) == [made]
    played("share_volume", snapshot_id=made, public="true")
    assert own.permissions(made) == {OTHER_ACCOUNT, THIRD, "all"}
    assert "would be copied" in played("copy_volume", "--check", snapshot_id=made, regions=NEAR)
    copied = played("copy_volume", snapshot_id=made, regions=f"{NEAR},{FAR}")
    (there,) = own.copies(FAR, 40)
    assert f"{FAR}        {there['SnapshotId']} completed: copied now" in copied
    again = played("copy_volume", snapshot_id=made, regions=f"{NEAR},{FAR}")
    assert again.count("completed: it was copied before") == 2
    assert "(as before)" in played("share_volume", fingerprint=fingerprint(40), public="true")
    # A list of accounts is where the user is.
    (tmp_path / "accounts.txt").write_text(f"{THIRD}\n")
    monkeypatch.setenv("PWD", str(tmp_path))
    listed = played("share_volume", snapshot_id=made, accounts_file="accounts.txt", purge="true")
    assert f"{made} in {HOME}: account {THIRD}\n" in listed
    back = played("unshare_volume", fingerprint=fingerprint(40))
    assert f"{made} in {HOME}: nobody but its owner" in back
    assert look_from_other(40) == []
    assert own.permissions(made) == set()
    local = play("share_volume", "-e", json.dumps({"provider": "local", "snapshot_id": made, "accounts": [THIRD]}))
    assert local.rc != 0
    assert "petal.hpc.export_volume" in local.output
    nothing = play("unshare_volume", "-e", json.dumps({"region": HOME}))
    assert "Nothing says which snapshot is meant" in nothing.output
    made_calls = lab.calls()
    assert sum(call["action"] == "CopySnapshot" for call in made_calls) == 2
    policy = Policy.read(SHARER)
    mine = [call for call in made_calls if call["account"] == ACCOUNT and call["service"] in ("ec2", "kms", "sts")]
    findings = compare(policy, mine)
    assert findings.denied == []
    assert findings.unused == []
