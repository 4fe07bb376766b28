"""What stands against sharing, and the way out of each."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._sharing.plan import Request
from ansible_collections.petal.hpc.plugins.module_utils._sharing.rules import Situation, judge
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

OWN, OTHER, THIRD = "111122223333", "444455556666", "777788889999"
FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
ARN = f"arn:aws:kms:us-east-1:{OWN}:key/12345678-90ab-cdef-1234-567890abcdef"
SNAPSHOT = Snapshot(
    snapshot_id="snap-0123456789abcdef0",
    fingerprint=FINGERPRINT,
    name="bio",
    os="alinux2023",
    architecture="x86_64",
    size_gb=10,
    created="2026-01-31T12:00:00Z",
    provider="aws",
    owner=OWN,
    region="us-east-1",
    description=f"petal.hpc bio {FINGERPRINT}",
    tags={"petal:sharing": "public"},
    encrypted=False,
)
ACCOUNTS, PUBLIC = Request(accounts=(OTHER,)), Request(public=True)
POLICY = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "kms:*"}})
GOOD_KEY = Key(ARN, state="Enabled", policy=POLICY)


def situation(request: Request, **changes: Any) -> Situation:
    """A snapshot with nothing against it, but for these changes of the snapshot or of the situation."""
    around = {name: changes.pop(name) for name in ("key", "product_codes", "block_public_access") if name in changes}
    if "sharing" in changes:
        verdict = changes.pop("sharing")
        changes["tags"] = {} if verdict is None else {"petal:sharing": verdict}
    return Situation(replace(SNAPSHOT, **changes), request, **{"block_public_access": "unblocked", **around})


def against(request: Request, **changes: Any) -> str:
    """The one thing that stands against it; fails if there is none, or more."""
    found, _warnings = judge(situation(request, **changes))
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("request_", [ACCOUNTS, PUBLIC, Request(accounts=(OTHER,), public=True)])
def test_nothing_stands_against_it(request_: Request) -> None:
    assert judge(situation(request_)) == ([], [])


@pytest.mark.parametrize(
    ("request_", "changes", "says", "way_out"),
    [
        (Request(accounts=(OTHER, OWN)), {}, f"account {OWN} owns", "leave it out"),
        (ACCOUNTS, {"state": "pending"}, "is pending", "wait until it is"),
        (ACCOUNTS, {"state": "error"}, "is error", "build again"),
        (ACCOUNTS, {"sharing": None}, "no tag petal:sharing", "-e unaudited=true"),
        (PUBLIC, {"sharing": None}, "no tag petal:sharing", "Build it again"),
        (ACCOUNTS, {"sharing": "private: 1 key"}, "may not leave the account: 1 key", "build again"),
        (PUBLIC, {"sharing": "private"}, "its tag gives no reasons", "build again"),
        (PUBLIC, {"sharing": "accounts: EULA; and 2 more"}, "not made public: EULA; and 2 more", "share with accounts"),
        (ACCOUNTS, {"sharing": "everybody"}, "is no verdict", "Build it again"),
        (ACCOUNTS, {"product_codes": ["abc"]}, "product codes of AWS Marketplace (abc)", "Build from an image"),
        (PUBLIC, {"encrypted": True, "key": GOOD_KEY}, "no encrypted snapshot can be public", "encrypted: false"),
        (ACCOUNTS, {"encrypted": True, "key": Key(ARN, True)}, "AWS's own key for EBS", "petal.hpc.copy_volume"),
        (ACCOUNTS, {"encrypted": True, "key": replace(GOOD_KEY, state="Disabled")}, "is Disabled", "enable the key"),
        (
            Request(accounts=(OTHER, THIRD)),
            {"encrypted": True, "key": GOOD_KEY},
            f"does not let in account {THIRD},",
            "kms:CreateGrant, kms:Decrypt",
        ),
        (PUBLIC, {"block_public_access": "block-new-sharing"}, "(block-new-sharing)", "disable-snapshot-block-public"),
        (PUBLIC, {"block_public_access": "block-all-sharing"}, "in us-east-1", "Share with accounts"),
    ],
)
def test_each_rule_alone(request_: Request, changes: dict[str, Any], says: str, way_out: str) -> None:
    text = against(request_, **changes)
    assert says in text
    assert way_out in text
    assert "\n" not in text


@pytest.mark.parametrize("sharing", [None, "accounts: EULA", "private: 1 key", "Public"])
def test_a_users_word_makes_nothing_public(sharing: str | None) -> None:
    request = Request(public=True, unaudited=True)
    assert len(judge(situation(request, sharing=sharing))[0]) == 1
    both = replace(request, accounts=(OTHER,))
    assert len(judge(situation(both, sharing=sharing))[0]) == 1


def test_a_users_word_is_for_what_nobody_has_looked_at() -> None:
    request = Request(accounts=(OTHER,), unaudited=True)
    assert judge(situation(request, sharing=None)) == ([], [])
    assert judge(situation(request, sharing="accounts: EULA")) == ([], [])
    assert "may not leave" in against(request, sharing="private: 1 key")


def test_everything_is_said_at_once() -> None:
    request = Request(accounts=(OWN,), public=True)
    found, _warnings = judge(situation(request, state="pending", sharing="private: x", block_public_access="block-x"))
    assert len(found) == 4


@pytest.mark.parametrize(
    ("request_", "changes", "says"),
    [
        (ACCOUNTS, {"product_codes": None}, "product codes of AWS Marketplace could not be looked at"),
        (PUBLIC, {"block_public_access": None}, "blocks public access to snapshots could not be looked at"),
        (
            ACCOUNTS,
            {"encrypted": True, "key": Key(ARN, unknown="AccessDenied")},
            "could not be looked at: AccessDenied",
        ),
        (ACCOUNTS, {"encrypted": True, "key": replace(GOOD_KEY, policy=None)}, "key policy"),
        (ACCOUNTS, {"encrypted": True, "key": replace(GOOD_KEY, policy="?")}, "conditions that cannot be known"),
        (ACCOUNTS, {"description": "by hand"}, "they do not find it. copy_volume"),
    ],
)
def test_what_cannot_be_known_is_a_warning(request_: Request, changes: dict[str, Any], says: str) -> None:
    errors, warnings = judge(situation(request_, **changes))
    assert errors == []
    assert len(warnings) == 1
    assert says in warnings[0]


def test_an_organization_is_not_listed_whole() -> None:
    many = tuple(f"{number:012d}" for number in range(300))
    text = against(Request(accounts=many), encrypted=True, key=GOOD_KEY)
    assert "does not let in accounts 000000000000, 000000000001, " in text
    assert "and 295 more" in text
