"""Accounts by name and by an organization's list."""

from __future__ import annotations

import doctest
import json

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._sharing import accounts
from ansible_collections.petal.hpc.plugins.module_utils._sharing.accounts import check_accounts, parse_accounts
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError

A, B, C = "111122223333", "444455556666", "012345678901"


def test_examples() -> None:
    assert doctest.testmod(accounts).failed == 0


@pytest.mark.parametrize(
    "wrong", ["", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢", "self", "{{ 1 }}", 12345678901, None]
)
def test_what_is_no_account(wrong: object) -> None:
    with pytest.raises(SharingError, match=r"^accounts: .* is no AWS account: expected twelve digits in quotes$"):
        check_accounts([A, wrong], "accounts")


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}\n",
        f"# the organization\n\n  {A}  research # since 2024\n{B} teaching\r\n{A}\n",
        json.dumps([A, B]),
        json.dumps({"Accounts": [{"Id": A, "Status": "ACTIVE"}, {"Id": B, "State": "ACTIVE"}]}),
        "\n" + json.dumps({"Accounts": [{"Id": A}, {"Id": C, "Status": "SUSPENDED"}, {"Id": B}]}),
        json.dumps({"Accounts": [{"Id": A}, {"Id": C, "State": "CLOSED", "Status": "ACTIVE"}, {"Id": B}]}),
    ],
)
def test_the_forms_of_a_file(text: str) -> None:
    assert parse_accounts(text, "accounts.json") == (A, B)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no account"),
        ("# nobody\n", "names no account"),
        ("[]", "names no account"),
        ('{"Accounts": [{"Id": "' + A + '", "Status": "SUSPENDED"}]}', "names no account"),
        ("account,name\n", "'account,name' is no AWS account"),
        (f"{A},{B}", "is no AWS account"),
        ("{", "is no JSON"),
        ("[" * 100000, "is no JSON"),
        ('{"Roots": []}', "has no list of accounts"),
        ('{"Accounts": {}}', "has no list of accounts"),
        (f"[{int(A)}]", f"{A} is no AWS account: expected twelve digits in quotes"),
        ('[{"Name": "x"}]', "None is no AWS account"),
        ("[[]]", "is no AWS account"),
    ],
)
def test_files_that_are_no_lists_of_accounts(text: str, says: str) -> None:
    with pytest.raises(SharingError, match=r"^accounts\.json") as raised:
        parse_accounts(text, "accounts.json")
    assert says in str(raised.value)
    assert len(str(raised.value)) < 300
