# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look-ups over sources: by priority, the first match wins, and the answer says what became of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._lookup.sources import (
    Claim,
    Found,
    LookupSource,
    check_accounts,
    look_up,
    parse_sources,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError

FINGERPRINT = "sha256:" + "a" * 64
ACCOUNT = "444455556666"
LOCAL, OTHER, COMMUNITY = (
    LookupSource("local", 1),
    LookupSource("organization", 2, ACCOUNT),
    LookupSource("community", 3),
)
CRITERIA = Criteria(fingerprint=FINGERPRINT, os="alinux2023", architecture="x86_64", size_gb=10)


def snapshot(number: int = 1, **different: Any) -> Snapshot:
    base = Snapshot(
        snapshot_id=f"snap-{number:017x}",
        fingerprint=FINGERPRINT,
        name="bio",
        os="alinux2023",
        architecture="x86_64",
        size_gb=10,
        created="2026-01-31T12:00:00Z",
        provider="aws",
        owner=ACCOUNT,
        encrypted=False,
    )
    return replace(base, **different)


def ask(**answers: Found) -> Any:
    asked: list[str] = []

    def one(source: LookupSource) -> Found:
        asked.append(source.type)
        return answers.get(source.type, Found())

    return one, asked


def test_the_first_match_ends_the_search() -> None:
    one, asked = ask(organization=Found([snapshot()]), community=Found([snapshot(2)]))
    found = look_up([LOCAL, OTHER, COMMUNITY], CRITERIA, one)
    assert asked == ["local", "organization"]
    assert found.chosen is not None
    assert found.chosen.source == OTHER
    result = found.to_dict()
    assert result["snapshot"]["snapshot_id"] == snapshot().snapshot_id
    whole = {"type": "organization", "priority": 2, "account": ACCOUNT, "enabled": True, "store": None}
    assert result["source"] == whole
    assert [(entry["asked"], entry["found"]) for entry in result["sources"]] == [(True, 0), (True, 1), (False, 0)]
    assert f"from source organization {ACCOUNT} (priority 2); before it: local: no snapshot" in result["reason"]


def test_everything_is_listed_but_the_first_match_is_used() -> None:
    one, asked = ask(local=Found([snapshot(1)]), community=Found([snapshot(2, size_gb=1)]))
    found = look_up([LOCAL, OTHER, COMMUNITY], CRITERIA, one, everywhere=True)
    assert asked == ["local", "organization", "community"]
    assert [entry.snapshot_id for entry in found.selection().snapshots] == [
        snapshot(2).snapshot_id,
        snapshot(1).snapshot_id,
    ]
    assert found.selection().best == snapshot(1)


def test_what_does_not_fit_does_not_end_it() -> None:
    one, _asked = ask(
        local=Found([snapshot(size_gb=11)]), community=Found([snapshot(2)], [Refusal("snap-x", "it is forged")])
    )
    found = look_up([LOCAL, OTHER, COMMUNITY], CRITERIA, one)
    assert found.selection().best == snapshot(2)
    assert found.to_dict()["passed_over"] == [
        {"snapshot_id": snapshot().snapshot_id, "reason": "it needs 11 GiB, the volume has 10", "source": "local"},
        {"snapshot_id": "snap-x", "reason": "it is forged", "source": "community"},
    ]
    # A stranger's is worth a warning, an own old one is not.
    assert found.warnings == ("community: snap-x is passed over: it is forged",)


def test_a_source_that_cannot_be_asked_is_passed_over() -> None:
    one, _asked = ask(community=Found(problem="nobody answers"))
    first = replace(COMMUNITY, priority=1)
    found = look_up([first, OTHER], CRITERIA, one)
    assert found.chosen is None
    assert found.warnings == ("the source community is passed over: nobody answers",)
    assert found.reason.startswith("there is none to use; community: nobody answers; organization")


def test_several_fingerprints_are_a_question_and_no_reason_to_go_on() -> None:
    other = snapshot(2, fingerprint="sha256:" + "b" * 64)
    one, asked = ask(local=Found([snapshot(), other]), organization=Found([snapshot(3)]))
    found = look_up([LOCAL, OTHER], Criteria(), one)
    assert (found.chosen, asked) == (None, ["local"])
    assert "ask for one fingerprint" in found.reason


def test_sources_that_are_off_are_not_asked() -> None:
    one, asked = ask(local=Found([snapshot()]))
    found = look_up([replace(LOCAL, enabled=False)], CRITERIA, one)
    assert (asked, found.reason) == ([], "there is none to use; local: it is not enabled")


def test_sources_as_a_seed_has_them() -> None:
    given: list[dict[str, Any]] = [
        {"type": "official", "priority": 9, "account": None, "enabled": None},
        {"type": "organization", "priority": 2, "account": ACCOUNT},
        {"type": "local", "priority": 1, "enabled": True},
    ]
    assert parse_sources(given) == (
        LOCAL,
        OTHER,
        LookupSource("official", 9, None, False),
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"type": "organization", "priority": 1}], "needs an account"),
        ([{"type": "organization", "priority": 1, "account": "self"}], "needs an account"),
        ([{"type": "local", "priority": 1, "account": ACCOUNT}], "takes no account"),
        ([{"type": "local", "priority": 1}, {"type": "official", "priority": 1}], "which one is first"),
        ([{"type": "local", "priority": 1}, {"type": "local", "priority": 2}], "there twice"),
        (
            [{"type": "organization", "priority": n, "account": f"{n:012d}"} for n in range(51)],
            "at most 50",
        ),
    ],
)
def test_sources_that_make_no_sense(given: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        parse_sources(given)


def test_accounts() -> None:
    assert check_accounts([ACCOUNT, ACCOUNT], "x") == (ACCOUNT,)
    for wrong in ("self", "1", "amazon", ACCOUNT + "\n"):
        with pytest.raises(SnapshotError, match="no AWS account"):
            check_accounts([wrong], "x")


CLAIM = Claim(snapshot().snapshot_id, FINGERPRINT, "bio", "alinux2023", "x86_64", 10, ACCOUNT, True)


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ({}, None),
        ({"account": None, "os": None, "architecture": None}, None),
        ({"account": "666666666666"}, "is not among the trusted accounts"),
        ({"os": "rhel9"}, "it was built for rhel9"),
        ({"architecture": "arm64"}, "it was built for arm64"),
    ],
)
def test_a_claim_that_need_not_be_checked(different: dict[str, Any], expected: str | None) -> None:
    found = replace(CLAIM, **different).objection(CRITERIA, [ACCOUNT])
    assert (expected is None and found is None) or (expected or "") in (found or "")


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ({}, None),
        ({"owner": "666666666666"}, "AWS says 666666666666"),
        ({"size_gb": 11}, "AWS says 11"),
        ({"encrypted": True}, "AWS says that it is encrypted"),
    ],
)
def test_a_claim_against_what_aws_says(different: dict[str, Any], expected: str | None) -> None:
    found = CLAIM.contradiction(snapshot(**different))
    assert (expected is None and found is None) or (expected or "") in (found or "")
    silent = replace(CLAIM, account=None, size_gb=None, public=None)
    assert silent.contradiction(snapshot(**different)) is None


def test_official_is_what_is_verified() -> None:
    assert (CLAIM.source, replace(CLAIM, verified=True).source) == ("community", "official")
