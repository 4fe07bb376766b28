# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""KMS keys of snapshots: whether another account can use what is encrypted with one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

# What making a volume, or a copy, of a shared encrypted snapshot takes of the other account,
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html#share-kms-key
NEEDED = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
)
# Conditions that a use through EBS meets by itself.
HARMLESS = ("kms:grantisforawsresource", "kms:viaservice")
YES, NO, PERHAPS = "yes", "no", "perhaps"
MISSING = "missing"
ARN = re.compile(
    r"arn:[a-z-]+:kms:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):(?P<name>(?:key|alias)/[A-Za-z0-9/_-]+)"
)
# As CopySnapshot takes them, which looks at them only after its answer.
KEY = re.compile(
    r"(?:key/)?(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|alias/[A-Za-z0-9/_-]{1,250}"
)


@dataclass(frozen=True)
class Key:
    """What KMS says of a key.

    key_id: its ARN, or what it was asked by where KMS did not answer. aws_managed: AWS's own key for EBS.
    state: ``Enabled`` and others, ``missing`` where there is none; empty where not known.
    policy: the key policy's text; None where it was not to be had.
    unknown: why there is no answer; empty when there is.
    """

    key_id: str
    aws_managed: bool = False
    state: str = ""
    policy: str | None = None
    unknown: str = ""


def is_key(name: str) -> bool:
    """Whether it can name a KMS key: id, ARN, or alias."""
    return bool(KEY.fullmatch(name) or ARN.fullmatch(name))


def region_of(name: str) -> str | None:
    """The Region in a key's ARN; None where it names none."""
    found = ARN.fullmatch(name)
    return found["region"] if found else None


def lets_in(policy: str, account: str) -> str:
    """Whether a key policy lets another account use the key for EBS: ``yes``, ``no``, or ``perhaps``.

    ``perhaps`` where it hangs on a condition that cannot be known here, as one on the organization, or is said in ways
    that are not evaluated (Deny, NotAction). Grants are no part of a policy.
    """
    try:
        statements = json.loads(policy).get("Statement", [])
    except (ValueError, AttributeError, RecursionError):
        return PERHAPS
    answers = [_one(_list(statements), action, account) for action in NEEDED]
    if NO in answers:
        return NO
    return YES if set(answers) == {YES} else PERHAPS


def _one(statements: list[Any], action: str, account: str) -> str:
    answer = NO
    for statement in statements:
        if not isinstance(statement, Mapping):
            return PERHAPS
        if not _names(statement, account) or not _covers(statement, action):
            continue
        if statement.get("Effect") != "Allow":
            return PERHAPS
        if _plain(statement):
            answer = YES
        elif answer == NO:
            answer = PERHAPS
    return answer


def _plain(statement: Mapping[str, Any]) -> bool:
    conditions = statement.get("Condition") or {}
    if not isinstance(conditions, Mapping) or not all(isinstance(one, Mapping) for one in conditions.values()):
        return False
    keys = [str(key).lower() for operator in conditions.values() for key in operator]
    return set(keys) <= set(HARMLESS) and not {"NotAction", "NotPrincipal"} & set(statement)


def _names(statement: Mapping[str, Any], account: str) -> bool:
    if "NotPrincipal" in statement:
        return True
    return any(
        principal in ("*", account) or re.fullmatch(rf"arn:[a-z-]+:(?:iam|sts)::{account}:.+", principal)
        for principal in _principals(statement.get("Principal"))
    )


def _principals(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = value.get("AWS", [])
    for principal in _list(value):
        if isinstance(principal, str):
            yield principal


def _covers(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return True
    return any(
        isinstance(pattern, str) and fnmatchcase(action.lower(), pattern.lower())
        for pattern in _list(statement.get("Action"))
    )


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
