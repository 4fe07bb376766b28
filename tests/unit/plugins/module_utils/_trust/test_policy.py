"""Whose software is used: by signature, by the site's word, or not at all; and a reason for each."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    ACCOUNT,
    BEGIN,
    END,
    FILE,
    OWN,
    STORE,
    Place,
    Policy,
    TrustError,
    judge,
    parse_signatures,
)

KEYS = {letter: "SHA256:" + letter * 43 for letter in "abcd"}
CREATED = "2026-06-15T12:00:00Z"
OWN_STORE, NET = Place(OWN), Place(STORE, "/net/software")


def policy(*signers: dict[str, Any], **more: Any) -> Policy:
    entries = [{"name": f"signer {one['key'][-1]}", **one} for one in signers]
    return Policy.from_mapping({"signers": entries, **more})


@pytest.mark.parametrize(
    ("signer", "place", "says"),
    [
        ({}, NET, "signed by signer a"),
        ({"valid_from": "2026-01-01", "valid_until": "2026-06-15"}, NET, "signed by signer a"),
        ({"stores": ["/net/software"]}, NET, "signed by signer a"),
        ({"registries": ["https://r.example.org"]}, Place(ACCOUNT, "1", "https://r.example.org"), "signed by signer a"),
        ({"stores": ["/elsewhere"]}, Place(FILE, "x.tar"), "signed by signer a"),
        # A signature stands for itself, wherever it lies.
        ({}, Place(STORE, "/net/software", flaw="everybody can write /net"), "signed by signer a"),
    ],
)
def test_a_signature_that_counts(signer: dict[str, Any], place: Place, says: str) -> None:
    found = judge(policy({"key": KEYS["a"], **signer}), place, CREATED, [KEYS["a"]])
    assert found.trusted and says in found.reason and found.signer == "signer a"


@pytest.mark.parametrize(
    ("signer", "place", "says"),
    [
        ({"revoked": True}, NET, "is revoked"),
        ({"valid_until": "2026-06-14"}, NET, "signed what was made until 2026-06-14"),
        ({"valid_from": "2026-06-16T00:00:00Z"}, NET, "signs what was made from 2026-06-16"),
        ({"stores": ["/elsewhere"]}, NET, "does not sign for store /net/software"),
        ({"accounts": ["999888777666"]}, Place(ACCOUNT, "111122223333"), "does not sign for account 111122223333"),
        ({"key": KEYS["b"]}, NET, "nobody whom the site trusts has the key SHA256:aaa"),
    ],
)
def test_a_signature_that_does_not(signer: dict[str, Any], place: Place, says: str) -> None:
    found = judge(policy({"key": KEYS["a"], **signer}), place, CREATED, [KEYS["a"]])
    assert not found.trusted and says in found.reason and not found.signer
    assert "\n" not in found.reason


@pytest.mark.parametrize(
    ("given_policy", "place", "trusted", "says"),
    [
        ({}, OWN_STORE, True, "built here"),
        ({"required": True}, OWN_STORE, False, "the site takes only what is signed"),
        ({}, NET, False, "name it in petal_trusted_stores"),
        ({"stores": ["/net/software"]}, NET, True, "the site trusts store /net/software"),
        ({"stores": ["/net/software"], "required": True}, NET, False, "takes only what is signed"),
        (
            {"stores": ["/net/software"]},
            Place(STORE, "/net/software", flaw="everybody can write /net/software"),
            False,
            "everybody can write /net/software: what is there needs a signature",
        ),
        ({"accounts": [999888777666]}, Place(ACCOUNT, "999888777666"), True, "the site trusts account 999888777666"),
        ({"accounts": ["999888777666"]}, Place(ACCOUNT, "111122223333"), False, "petal_trusted_accounts"),
        ({}, Place(FILE, "x.tar"), False, "petal_trusted_signers"),
        ({"unsigned": True}, Place(FILE, "x.tar"), True, "it is used all the same"),
        # What a user wishes does not stand above what the site asks for.
        ({"unsigned": True, "required": True}, Place(FILE, "x.tar"), False, "takes only what is signed"),
    ],
)
def test_what_nobody_has_signed(given_policy: dict[str, Any], place: Place, trusted: bool, says: str) -> None:
    found = judge(policy(**given_policy), place, CREATED, [])
    assert (found.trusted, found.signer) == (trusted, "")
    assert says in found.reason


def test_two_signers_and_a_rotation() -> None:
    """A new key beside the old one, whose time ends; then the old one is stolen."""
    old, new = {"key": KEYS["a"], "valid_until": "2026-06-30"}, {"key": KEYS["b"], "valid_from": "2026-06-01"}
    both = policy(old, new)
    assert judge(both, NET, "2026-05-01T00:00:00Z", [KEYS["a"]]).signer == "signer a"
    assert judge(both, NET, "2026-07-01T00:00:00Z", [KEYS["a"], KEYS["b"]]).signer == "signer b"
    assert not judge(both, NET, "2026-07-01T00:00:00Z", [KEYS["a"]]).trusted
    stolen = policy({**old, "revoked": True}, new)
    assert not judge(stolen, NET, "2026-05-01T00:00:00Z", [KEYS["a"]]).trusted
    assert judge(stolen, NET, "2026-06-10T00:00:00Z", [KEYS["a"], KEYS["b"]]).signer == "signer b"
    # Nor is it used because it lies in the own store, or because somebody says so.
    assert not judge(stolen, OWN_STORE, "2026-05-01T00:00:00Z", [KEYS["a"]]).trusted
    wish = Policy(stolen.signers, unsigned=True)
    assert "is revoked" in judge(wish, NET, "2026-05-01T00:00:00Z", [KEYS["a"]]).reason
    assert not judge(wish, NET, "2026-05-01T00:00:00Z", [KEYS["a"]]).trusted


def test_days_as_yaml_reads_them() -> None:
    (signer,) = policy({"key": KEYS["a"], "valid_until": datetime.date(2026, 6, 15)}).signers
    assert signer.valid_until == "2026-06-15"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "is no mapping"),
        ({"signer": []}, "the key 'signer' is unknown"),
        ({"signers": {}}, "is no list"),
        ({"signers": ["SHA256:x"]}, r"petal_trusted_signers\[0\] is no mapping"),
        ({"signers": [{"key": KEYS["a"]}]}, r"petal_trusted_signers\[0\]\.name"),
        ({"signers": [{"name": "a", "key": "ssh-ed25519 AAAA"}]}, r"\.key is no fingerprint"),
        ({"signers": [{"name": "a", "key": KEYS["a"], "valid_until": "soon"}]}, r"\.valid_until is no moment"),
        ({"signers": [{"name": "a", "key": KEYS["a"], "revokd": True}]}, "the key 'revokd' is unknown"),
        ({"signers": [{"name": "a", "key": KEYS["a"], "stores": "/x"}]}, r"\.stores is no list of texts"),
        ({"stores": [""]}, "petal_trusted_stores is no list of texts"),
        ({"accounts": [True]}, "petal_trusted_accounts is no list of texts"),
        ({"required": "yes"}, "petal_require_signatures is neither"),
    ],
)
def test_what_a_site_says_wrongly_is_named(wrong: Any, says: str) -> None:
    with pytest.raises(TrustError, match=says):
        Policy.from_mapping(wrong)


ONE = f"{BEGIN}\nU1NIU0lH\n{END}\n"


def test_signatures_in_one_file() -> None:
    assert parse_signatures(b"") == []
    assert parse_signatures((ONE + "\n" + ONE).encode()) == [ONE, ONE]


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        ONE.encode()[:-5],
        f"{BEGIN}\n".encode() * 2,
        f"{BEGIN}\n$(id)\n{END}\n".encode(),
        ONE.encode() * 9,
        b"\xff" * 10,
        b"\0",
        ONE.encode() + b" " * 70_000,
    ],
)
def test_what_is_no_signature_is_refused(data: bytes) -> None:
    with pytest.raises(TrustError):
        parse_signatures(data)


@given(st.binary(max_size=400) | st.text(alphabet=f"{BEGIN}{END}\nAZ+/= ", max_size=400).map(str.encode))
def test_nothing_makes_it_stumble(data: bytes) -> None:
    with contextlib.suppress(TrustError):
        parse_signatures(data)
