"""Copies: what they bear, which one counts, and what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._sharing.copies import (
    Original,
    Outcome,
    Target,
    check_regions,
    decide,
    progress,
)
from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
HOME, NEAR = "us-east-1", "us-west-2"
ORIGIN = f"{HOME}/snap-00000000000000000"
ID = "12345678-90ab-cdef-1234-567890abcdef"
ARN = f"arn:aws:kms:{NEAR}:111122223333:key/{ID}"


def snapshot(number: int = 0, **changes: Any) -> Snapshot:
    told: dict[str, Any] = {
        "snapshot_id": f"snap-{number:017x}",
        "fingerprint": FINGERPRINT,
        "name": "bio",
        "os": "alinux2023",
        "architecture": "x86_64",
        "size_gb": 10,
        "created": f"2026-01-31T12:00:{number:02d}Z",
        "provider": "aws",
        "encrypted": False,
    }
    return Snapshot(**{**told, **changes})


def copied(number: int, state: str = "completed", **changes: Any) -> Snapshot:
    return snapshot(number, state=state, tags={"petal:copied-from": ORIGIN}, **changes)


SOURCE, TARGET = Original(snapshot(), HOME), Target(NEAR)


@pytest.mark.parametrize(
    ("there", "action", "chosen", "deleted"),
    [
        ([], "copy", None, []),
        ([snapshot(1)], "copy", None, []),
        ([copied(1)], "keep", 1, []),
        ([copied(1, "pending")], "wait", 1, []),
        ([copied(1, "error")], "copy", None, [1]),
        ([copied(1, "error"), copied(2, "pending")], "wait", 2, [1]),
        # Of several that are not finished the first stays; what is finished is never deleted.
        ([copied(2, "pending"), copied(1, "pending")], "wait", 1, [2]),
        ([copied(2, "pending"), copied(3), copied(1, "pending")], "keep", 3, [1, 2]),
        ([copied(2), copied(1)], "keep", 1, []),
        # Neither built snapshots nor copies of others are touched.
        ([snapshot(1, state="error"), snapshot(2, state="pending")], "copy", None, []),
        ([snapshot(1, state="error", tags={"petal:copied-from": f"{HOME}/snap-{9:017x}"})], "copy", None, []),
    ],
)
def test_what_a_region_needs(there: list[Snapshot], action: str, chosen: int | None, deleted: list[int]) -> None:
    decision = decide(SOURCE, TARGET, there)
    assert decision.action == action
    assert (decision.snapshot and decision.snapshot.snapshot_id) == (None if chosen is None else f"snap-{chosen:017x}")
    assert sorted(decision.delete) == [f"snap-{number:017x}" for number in deleted]


def test_where_the_original_is() -> None:
    original = snapshot()
    assert decide(SOURCE, Target(HOME), [original]).reason == "it is the original"
    # From a copy back to it, and on to a third Region.
    other = Original(copied(1), NEAR)
    assert other.origin == ORIGIN
    assert decide(other, Target(HOME), [original]).snapshot == original
    assert decide(other, Target("eu-west-1"), [copied(2)]).action == "keep"
    # A tag that somebody wrote by hand names nothing.
    assert Original(snapshot(1, tags={"petal:copied-from": "../x"}), NEAR).origin == f"{NEAR}/snap-{1:017x}"


def test_encryption_that_is_asked_for() -> None:
    key = Target(NEAR, "alias/petal", Key(ARN, state="Enabled"))
    same, other, plain = copied(1, encrypted=True, kms_key_id=ARN), copied(2, encrypted=True, kms_key_id="x"), copied(3)
    assert decide(SOURCE, key, [plain, other]).action == "copy"
    assert decide(SOURCE, key, [plain, other, same]).snapshot == same
    assert decide(SOURCE, Target(NEAR, encrypted=True), [plain]).action == "copy"
    assert decide(SOURCE, Target(NEAR, encrypted=True), [plain, other]).snapshot == other
    # What KMS does not tell of is taken on trust, so that it is not copied for ever.
    blind = Target(NEAR, "alias/petal", Key("alias/petal", unknown="AccessDenied"))
    assert decide(SOURCE, blind, [plain, other]).snapshot == other
    # The original with another key stays what it is: a copy beside it.
    at_home = Target(HOME, "alias/petal", Key(ARN.replace(NEAR, HOME), state="Enabled"))
    assert decide(SOURCE, at_home, [snapshot(encrypted=True, kms_key_id="x")]).action == "copy"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (Target(NEAR, "a key"), "is no KMS key"),
        (Target("eu-west-1", ARN), "is not one of eu-west-1"),
        (Target(NEAR, ARN, Key(ARN, state="missing")), "is missing"),
        (Target(NEAR, ARN, Key(ARN, state="PendingDeletion")), "is PendingDeletion"),
    ],
)
def test_keys_that_cannot_be(target: Target, says: str) -> None:
    assert says in str(target.objection())


def test_keys_that_can_be() -> None:
    for target in (
        Target(NEAR),
        Target(NEAR, ARN, Key(ARN, state="Enabled")),
        Target(NEAR, "alias/x", Key("alias/x", unknown="no answer")),
    ):
        assert target.objection() is None


def test_tags_of_a_copy() -> None:
    told = {
        "petal:fingerprint": FINGERPRINT,
        "petal:name": "bio",
        "petal:os": "alinux2023",
        "petal:architecture": "x86_64",
    }
    tags = {**told, "petal:build-id": "b1", "petal:sharing": "public", "petal:cleanup": "pending", "owner": "me"}
    tags |= {"aws:cloudformation:stack-name": "x", "Name": "Bio"}
    found = Original(snapshot(tags=tags), HOME).tags()
    assert found == {
        **told,
        "petal:build-id": "b1",
        "petal:sharing": "public",
        "petal:copied-from": ORIGIN,
        "owner": "me",
        "Name": "Bio",
    }
    assert Original(snapshot(tags={}), HOME, own=False).tags() == {**told, "petal:copied-from": ORIGIN, "Name": "bio"}
    many = Original(snapshot(tags={**tags, **{f"t{number}": "x" * 300 for number in range(60)}}), HOME).tags()
    assert len(many) == 50
    assert set(found) - {"owner"} <= set(many)
    assert max(map(len, many.values())) == 256


def test_parameters_of_the_call() -> None:
    plain = SOURCE.parameters(TARGET)
    assert plain["Description"] == f"petal.hpc bio {FINGERPRINT}"
    assert (plain["SourceRegion"], plain["SourceSnapshotId"]) == (HOME, "snap-00000000000000000")
    assert "Encrypted" not in plain
    assert SOURCE.parameters(Target(NEAR, encrypted=True))["Encrypted"] is True
    keyed = SOURCE.parameters(Target(NEAR, "alias/petal"))
    assert (keyed["Encrypted"], keyed["KmsKeyId"]) == (True, "alias/petal")


@pytest.mark.parametrize(
    "target",
    [
        Target(NEAR),
        Target(NEAR, encrypted=True),
        Target(NEAR, "alias/x", Key(ARN, state="Enabled")),
        Target(NEAR, "alias/x", Key("alias/x", unknown="AccessDenied")),
    ],
)
def test_a_copy_that_aws_does_not_list_yet_is_not_begun_again(target: Target) -> None:
    begun = SOURCE.begun(f"snap-{7:017x}", target, "2026-02-01T00:00:00Z")
    assert decide(SOURCE, target, [begun]).action == "wait"
    assert (begun.state, begun.progress, begun.region) == ("pending", 0, NEAR)
    # Somebody else's that began before is the one.
    earlier = replace(begun, snapshot_id=f"snap-{6:017x}", created="2026-01-31T23:59:59Z")
    decision = decide(SOURCE, target, [begun, earlier])
    assert (decision.snapshot, decision.delete) == (earlier, (begun.snapshot_id,))


def test_what_cannot_be_copied() -> None:
    assert list(SOURCE.objections()) == []
    assert "wait until it is" in next(Original(snapshot(state="pending"), HOME).objections())
    foreign = replace(SOURCE.snapshot, os="", architecture="")
    assert "name its fingerprint, os and architecture" in next(Original(foreign, HOME, own=False).objections())


def test_regions() -> None:
    known = ["eu-west-1", "us-gov-east-1", NEAR]
    assert check_regions([f" {NEAR}", "eu-west-1", NEAR], known) == (NEAR, "eu-west-1")
    assert check_regions(["us-gov-east-1"], known) == ("us-gov-east-1",)
    assert check_regions(["eu-west-9"], []) == ("eu-west-9",)
    with pytest.raises(SharingError, match="did you mean eu-west-1"):
        check_regions(["eu-west-11"], known)
    for wrong in ("", "x/../y", "us-east-1;ls", "http://x", "{{ 1 }}"):
        with pytest.raises(SharingError, match="is no Region"):
            check_regions([wrong], [])
    with pytest.raises(SharingError, match="names no Region"):
        check_regions([], known)


def test_how_far_they_are() -> None:
    half = Outcome(NEAR, copied(1, "pending", progress=45))
    assert progress([Outcome(HOME, snapshot()), half]) == {"done": 145, "total": 200, "item": f"{NEAR} 45 %"}
    assert progress([Outcome(HOME, snapshot())])["item"] == "all are complete"
    assert progress([Outcome(NEAR)])["done"] == 0
