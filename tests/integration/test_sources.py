# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look-ups over sources in the lab: own by tags, shared by Description, a registry's only where AWS confirms it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import ACCOUNT, OTHER_ACCOUNT, Delays, Settings
from ec2lab.testing import Cloud, inside, wait_for, why_not
from modules import fail_module, run_module
from registry_server import fingerprint, stack, write

STRANGER = "666666666666"
LOCAL = {"type": "local", "priority": 1}
OTHER = {"type": "organization", "priority": 2, "account": OTHER_ACCOUNT}
OFFICIAL = {"type": "official", "priority": 3, "enabled": True}
COMMUNITY = {"type": "community", "priority": 4, "enabled": True}


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab, and this process in its network and with its credentials."""
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(volume_creating=0, snapshot_pending=1), root=str(roots.root()))) as client:
        yield client


class Account:
    """One account with a volume of 1 GiB, and words for its snapshots."""

    def __init__(self, directory: Path, account: str, **volume: Any) -> None:
        self.account = account
        self.cloud = Cloud(directory, account)
        self.volume = self.cloud.volume(Size=1, **volume)

    def snap(self, number: int, description: str | None = None, tags: bool = True, wait: bool = True) -> str:
        """A snapshot as a build makes it; its id."""
        wanted = {"fingerprint": fingerprint(number), "name": "bio", "os": "alinux2023", "architecture": "x86_64"}
        pairs = [{"Key": f"petal:{key}", "Value": value} for key, value in wanted.items()]
        made = self.cloud.ec2.create_snapshot(
            VolumeId=self.volume,
            Description=f"petal.hpc bio {fingerprint(number)}" if description is None else description,
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": pairs}] if tags else [],
        )["SnapshotId"]
        if wait:
            wait_for(lambda: self.cloud.snapshot_now(made)["State"] != "pending")
        return str(made)

    def share(self, snapshot_id: str, account: str = ACCOUNT, operation: str = "add") -> None:
        """Let another account use it, or (remove) no longer; account all is everybody."""
        whom = {"GroupNames": ["all"]} if account == "all" else {"UserIds": [account]}
        self.cloud.ec2.modify_snapshot_attribute(
            SnapshotId=snapshot_id, Attribute="createVolumePermission", OperationType=operation, **whom
        )


@pytest.fixture(scope="module")
def own(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Account:
    assert lab.instances() == []
    return Account(tmp_path_factory.mktemp("own"), ACCOUNT)


@pytest.fixture(scope="module")
def other(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Account:
    assert lab.instances() == []
    return Account(tmp_path_factory.mktemp("other"), OTHER_ACCOUNT)


@pytest.fixture(scope="module")
def stranger(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Account:
    assert lab.instances() == []
    return Account(tmp_path_factory.mktemp("stranger"), STRANGER)


def look(number: int, *sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"fingerprint": fingerprint(number), "os": "alinux2023", "architecture": "x86_64", "size_gb": 1}
    # A site that trusts whatever a seed names.
    named = [*(one["account"] for one in sources if "account" in one), *more.get("trusted_accounts", [])]
    site = {"trust": {"accounts": named}}
    return run_module("snapshot_info", provider="aws", sources=list(sources), **{**asked, **site, **more})


def calls(lab: Client) -> list[str]:
    return [call["action"] for call in lab.calls()]


def warned(found: dict[str, Any]) -> str:
    return str(found.get("warnings", ""))


def test_shared_found_by_description_and_unshared_gone(lab: Client, other: Account) -> None:
    made = other.snap(1)
    assert look(1, LOCAL, OTHER)["snapshot"] is None
    other.share(made)
    lab.clear_calls()
    found = look(1, LOCAL, OTHER)
    assert calls(lab) == ["DescribeSnapshots"] * 2
    best = found["snapshot"]
    assert (best["snapshot_id"], best["owner"], best["source"]) == (made, OTHER_ACCOUNT, "organization")
    assert (best["name"], best["os"], best["architecture"], best["tags"]) == ("bio", "alinux2023", "x86_64", {})
    assert found["source"] == {**OTHER, "enabled": True, "store": None}
    assert f"{made} is the only one that matches, from source organization {OTHER_ACCOUNT}" in found["reason"]
    assert "before it: local: no snapshot matches" in found["reason"]
    # Named, it is found too; and not in the own account, nor in accounts that nobody named.
    assert look(1, LOCAL, OTHER, snapshot_ids=[made])["snapshot"]["snapshot_id"] == made
    assert look(1, LOCAL)["snapshot"] is None
    assert look(1, LOCAL, {**OTHER, "account": STRANGER})["snapshot"] is None
    assert look(1, LOCAL, {**OTHER, "enabled": False})["snapshot"] is None
    assert look(1, OTHER, size_gb=0)["passed_over"][0]["reason"] == "it needs 1 GiB, the volume has 0"
    other.share(made, operation="remove")
    assert look(1, LOCAL, OTHER)["snapshot"] is None


def test_a_seed_cannot_trust_whom_the_site_does_not(lab: Client, other: Account, tmp_path: Path) -> None:
    """Its sources and its registry's accounts are used as far as the site trusts them."""
    made = other.snap(10)
    other.share(made)
    url = write(tmp_path / "c", stack("bio", fingerprint(10), OTHER_ACCOUNT, made))
    through = {"registry_url": url, "trusted_accounts": [OTHER_ACCOUNT]}
    for trust in ({}, {"accounts": [STRANGER]}):
        lab.clear_calls()
        found = look(10, OTHER, COMMUNITY, {**OFFICIAL, "account": OTHER_ACCOUNT}, trust=trust, **through)
        assert (found["snapshot"], calls(lab)) == (None, [])
        assert warned(found).count(f"account {OTHER_ACCOUNT} is not trusted by the site") == 3
        assert "petal_trusted_accounts" in warned(found)
    assert look(10, COMMUNITY, trust={"accounts": [OTHER_ACCOUNT]}, **through)["snapshot"]["snapshot_id"] == made
    assert look(10, OTHER, trust={"unsigned": True})["snapshot"]["snapshot_id"] == made


def test_the_first_source_wins_and_the_others_are_not_asked(lab: Client, own: Account, other: Account) -> None:
    theirs = other.snap(2)
    other.share(theirs)
    mine = own.snap(2)
    lab.clear_calls()
    found = look(2, LOCAL, OTHER)
    assert (found["snapshot"]["snapshot_id"], calls(lab)) == (mine, ["DescribeSnapshots"])
    assert [one["asked"] for one in found["sources"]] == [True, False]
    # By priority, not by the order of the list; and everything for a list.
    first = {**OTHER, "priority": 1}
    assert look(2, {**LOCAL, "priority": 9}, first)["snapshot"]["snapshot_id"] == theirs
    both = look(2, LOCAL, OTHER, all_sources=True)
    assert {one["snapshot_id"] for one in both["snapshots"]} == {mine, theirs}
    assert both["snapshot"]["snapshot_id"] == mine


def test_many_accounts_are_one_call(lab: Client, other: Account) -> None:
    other.share(other.snap(3))
    accounts = [f"{number:012d}" for number in range(1, 31)]
    sources = [{"type": "organization", "priority": n + 1, "account": one} for n, one in enumerate(accounts)]
    lab.clear_calls()
    assert look(3, *sources, {**OTHER, "priority": 99})["snapshot"]["owner"] == OTHER_ACCOUNT
    assert calls(lab) == ["DescribeSnapshots"]


@pytest.mark.usefixtures("lab")
def test_descriptions_that_do_not_vouch(other: Account) -> None:
    good = f"petal.hpc bio {fingerprint(4)}"
    texts = [f"{good} x", f"x {good}", f"petal.hpc {{{{ 1 }}}} {fingerprint(4)}", fingerprint(4)]
    for made in [other.snap(4, text, wait=False) for text in texts]:
        other.share(made)
    copied = other.snap(4, f"[Copied snap-0123456789abcdef0 from eu-west-1] {good}")
    other.share(copied)
    found = look(4, OTHER)
    assert found["snapshot"]["snapshot_id"] == copied
    assert {one["snapshot_id"] for one in found["snapshots"]} == {copied}
    assert all("vouches for nothing" in one["reason"] for one in found["passed_over"])


def test_a_foreign_public_snapshot_with_our_fingerprint_is_nothing(
    lab: Client, stranger: Account, tmp_path: Path
) -> None:
    """Newer, public, with our Description and our tags: neither by itself nor through a registry."""
    forged = stranger.snap(5)
    stranger.share(forged, "all")
    assert look(5, LOCAL, OTHER)["snapshot"] is None
    trust = {"trusted_accounts": [OTHER_ACCOUNT]}
    # The registry says whose it is.
    url = write(tmp_path / "a", stack("bio", fingerprint(5), STRANGER, forged))
    lab.clear_calls()
    found = look(5, COMMUNITY, registry_url=url, **trust)
    assert (found["snapshot"], calls(lab)) == (None, [])
    assert f"its owner, account {STRANGER}, is not among the trusted accounts" in warned(found)
    # The registry lies: it says that it is the trusted account's.
    for claimed in (OTHER_ACCOUNT, None):
        url = write(tmp_path / f"b{claimed}", stack("bio", fingerprint(5), str(claimed), forged, aws_account=claimed))
        found = look(5, COMMUNITY, registry_url=url, **trust)
        assert found["snapshot"] is None
        assert found["passed_over"][0]["snapshot_id"] == forged
        assert "AWS shows no such snapshot of" in warned(found)
        assert found["passed_over"][0]["source"] == "community"


def test_a_registry_is_believed_where_aws_confirms_it(lab: Client, other: Account, tmp_path: Path) -> None:
    made = other.snap(6)
    other.share(made, "all")
    community = write(tmp_path / "c", stack("bio", fingerprint(6), OTHER_ACCOUNT, made))
    official = write(tmp_path / "o", stack("bio", fingerprint(6), OTHER_ACCOUNT, made, verified=True))
    trust = {"trusted_accounts": [OTHER_ACCOUNT]}
    lab.clear_calls()
    found = look(6, LOCAL, OFFICIAL, COMMUNITY, registry_url=community, **trust)
    assert calls(lab) == ["DescribeSnapshots"] * 2
    assert (found["snapshot"]["snapshot_id"], found["snapshot"]["source"]) == (made, "community")
    assert found["snapshot"]["packages"] == ["numpy@2.2.1", "samtools@1.21 ^htslib+libcurl"]
    assert look(6, OFFICIAL, COMMUNITY, registry_url=official, **trust)["snapshot"]["source"] == "official"
    # An account named in the source is trusted there, and no other is.
    theirs = look(6, {**OFFICIAL, "account": OTHER_ACCOUNT}, registry_url=official)
    assert (theirs["snapshot"]["snapshot_id"], theirs["snapshot"]["source"]) == (made, "official")
    nobodys = look(6, {**OFFICIAL, "account": STRANGER}, registry_url=official, **trust)
    assert nobodys["snapshot"] is None
    assert f"account {OTHER_ACCOUNT}, is not among those of this source" in nobodys["passed_over"][0]["reason"]
    large = look(6, COMMUNITY, registry_url=community, registry_size_gb=0, **trust)
    assert large["snapshot"] is None
    assert large["passed_over"][0]["reason"] == "it needs 1 GiB, the seed's volume has 0"
    # The short form, which names no owner.
    (tmp_path / "c" / "snapshots" / "bio.json").write_text(f'{{"us-east-1": "{made}"}}')
    assert look(6, COMMUNITY, registry_url=community, **trust)["snapshot"]["snapshot_id"] == made
    # Opt-in three times over: enabled, a registry, an account that is trusted.
    off = {"type": "official", "priority": 3}
    assert look(6, off, registry_url=official, **trust)["sources"][0]["reason"] == "it is not enabled"
    assert "no registry is named" in warned(look(6, OFFICIAL, **trust))
    assert "no account is trusted" in warned(look(6, OFFICIAL, registry_url=official))


def test_what_a_registry_says_otherwise_than_aws(
    lab: Client, other: Account, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    right, silent = other.snap(7), other.snap(7, "nothing")
    elsewhere = other.snap(8)
    hidden = other.snap(7)
    key = other.cloud.session.client("kms").create_key()["KeyMetadata"]["Arn"]
    locked = Account(tmp_path_factory.mktemp("locked"), OTHER_ACCOUNT, Encrypted=True, KmsKeyId=key).snap(7)
    for one in (right, silent, elsewhere, locked):
        other.share(one)
    base = stack("bio", fingerprint(7), OTHER_ACCOUNT, right)
    snapshot = base["snapshots"][0]
    cases = {
        "the registry says that it has 2 GiB, AWS says 1": {**snapshot, "size_gb": 2},
        "it was built for arm64, not x86_64": {**snapshot, "architecture": "aarch64"},
        "it was built for rhel9, not alinux2023": {**snapshot, "os": "rhel9"},
        "its owner vouches for nothing": {**snapshot, "snapshot_id": silent},
        "its Description names another fingerprint": {**snapshot, "snapshot_id": elsewhere},
        "AWS says that it is encrypted": {**snapshot, "snapshot_id": locked},
        "AWS shows no such snapshot": {**snapshot, "snapshot_id": hidden},
        "is gone": {**snapshot, "snapshot_id": "snap-0123456789abcdef0"},
    }
    for expected, wrong in cases.items():
        url = write(tmp_path / str(len(expected)), {**base, "snapshots": [wrong]})
        found = look(7, COMMUNITY, registry_url=url, trusted_accounts=[OTHER_ACCOUNT])
        assert found["snapshot"] is None, expected
        assert expected in found["passed_over"][0]["reason"], found["passed_over"]
        assert expected in warned(found)
    # Another Region's is not asked about at all; what is in error is passed over.
    url = write(tmp_path / "x", {**base, "snapshots": [{**snapshot, "region": "eu-west-1"}]})
    assert look(7, COMMUNITY, registry_url=url, trusted_accounts=[OTHER_ACCOUNT])["passed_over"] == []
    lab.fault("snapshot-error")
    failed = other.snap(7)
    other.share(failed)
    url = write(tmp_path / "y", {**base, "snapshots": [{**snapshot, "snapshot_id": failed}]})
    found = look(7, COMMUNITY, registry_url=url, trusted_accounts=[OTHER_ACCOUNT])
    assert found["passed_over"][0]["reason"] == "its state is error, not completed"


@pytest.mark.usefixtures("lab")
def test_a_registry_out_of_reach_is_a_warning(own: Account, tmp_path: Path) -> None:
    mine = own.snap(9)
    first = {**OFFICIAL, "priority": 1}
    found = look(
        9, first, {**LOCAL, "priority": 2}, registry_url=f"file://{tmp_path}/none", trusted_accounts=[OTHER_ACCOUNT]
    )
    assert found["snapshot"]["snapshot_id"] == mine
    assert "the source official is passed over" in warned(found)
    assert "there is no such file" in found["reason"]


@pytest.mark.usefixtures("lab")
def test_sources_that_make_no_sense() -> None:
    def fail(*sources: dict[str, Any], **more: Any) -> str:
        return fail_module("snapshot_info", provider="aws", sources=list(sources), **more)

    assert "needs an account" in fail({"type": "organization", "priority": 1})
    assert "takes no account" in fail({**LOCAL, "account": ACCOUNT})
    assert "which one is first" in fail(LOCAL, {**OTHER, "priority": 1})
    assert "there twice" in fail(LOCAL, {**LOCAL, "priority": 2})
    assert "no AWS account" in fail(LOCAL, trusted_accounts=["self"])
    assert "cannot be used" in fail(LOCAL, registry_url="http://127.0.0.1/")
