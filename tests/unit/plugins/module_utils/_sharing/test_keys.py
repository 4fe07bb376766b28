"""KMS keys: what names one, and whom a key policy lets in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import is_key, lets_in, region_of

OTHER = "444455556666"
ROOT = f"arn:aws:iam::{OTHER}:root"
ID = "12345678-90ab-cdef-1234-567890abcdef"
USE = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant"]


@pytest.mark.parametrize(
    ("name", "region"),
    [
        (ID, None),
        (f"key/{ID}", None),
        ("mrk-" + 32 * "a", None),
        ("alias/petal", None),
        ("alias/aws/ebs", None),
        (f"arn:aws:kms:eu-west-1:{OTHER}:key/{ID}", "eu-west-1"),
        (f"arn:aws-cn:kms:cn-north-1:{OTHER}:alias/x", "cn-north-1"),
    ],
)
def test_what_names_a_key(name: str, region: str | None) -> None:
    assert is_key(name)
    assert region_of(name) == region


@pytest.mark.parametrize("name", ["", "petal", "alias/", "alias/x y", "alias/{{ 1 }}", ID[:-1], f"arn:aws:s3:::{ID}"])
def test_what_names_none(name: str) -> None:
    assert not is_key(name)


def allow(action: Any = "kms:*", principal: Any = ROOT, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*", **more}


OWN = allow(principal="arn:aws:iam::111122223333:root")
GRANT = allow("kms:CreateGrant", Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
ORGANIZATION = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ([OWN], "no"),
        ([], "no"),
        ([OWN, allow(USE)], "yes"),
        ([OWN, allow(USE, principal=[OTHER, "999988887777"])], "yes"),
        ([OWN, allow(USE, principal=f"arn:aws:iam::{OTHER}:role/petal")], "yes"),
        ([OWN, allow(USE[:-1]), GRANT], "yes"),
        ([OWN, allow([action.upper() for action in USE])], "yes"),
        (allow(), "yes"),
        ([OWN, {**allow(), "Principal": "*"}], "yes"),
        ([OWN, allow(USE[:-1])], "no"),
        ([OWN, allow(USE, principal="arn:aws:iam::999988887777:root")], "no"),
        ([OWN, allow(USE, principal=f"arn:aws:iam::99{OTHER}:root")], "no"),
        ([OWN, allow(["kms:Encrypt", "kms:List*"])], "no"),
        # Nobody can know from here.
        ([OWN, allow(USE, principal="*", Condition=ORGANIZATION)], "perhaps"),
        ([OWN, allow(USE), {**allow("kms:Decrypt"), "Effect": "Deny"}], "perhaps"),
        ([OWN, {**allow(), "NotAction": "kms:Encrypt"}], "perhaps"),
        ([{"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": "*"}], "perhaps"),
        (["text"], "perhaps"),
        # What is allowed without a condition is not in doubt for another statement with one.
        ([allow(USE, principal="*", Condition=ORGANIZATION), allow(USE)], "yes"),
    ],
)
def test_whom_a_policy_lets_in(statements: Any, answer: str) -> None:
    assert lets_in(json.dumps({"Version": "2012-10-17", "Statement": statements}), OTHER) == answer


@pytest.mark.parametrize("policy", ["", "no JSON", "[]", "null", "[" * 100000])
def test_a_policy_that_cannot_be_read(policy: str) -> None:
    assert lets_in(policy, OTHER) == "perhaps"
