# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With whom a snapshot is to be shared: accounts by name, or an organization's list of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.ids import ACCOUNT
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError

# What `aws organizations list-accounts` says of an account that can be used; State replaces Status there.
ACTIVE = "ACTIVE"
SHOWN = 60


def check_accounts(accounts: Iterable[Any], where: str) -> tuple[str, ...]:
    """Account ids in their order, each once.

    :param where: what they stand in, for the message. Raises SharingError for what is none.

    >>> check_accounts(["111122223333", "111122223333"], "accounts")
    ('111122223333',)
    """
    found = tuple(dict.fromkeys(str(account).strip() for account in accounts))
    for account in found:
        if not ACCOUNT.fullmatch(account):
            # A number in YAML or JSON loses the zeros that it begins with.
            raise SharingError(f"{where}: {account[:SHOWN]!r} is no AWS account: expected twelve digits in quotes")
    return found


def parse_accounts(text: str, where: str) -> tuple[str, ...]:
    """The accounts of a file: JSON of ``aws organizations list-accounts``, a JSON list, or one in each line.

    A line may go on after the account, for instance with its name; ``#`` begins a comment. Of an organization only
    those that are active count. Raises SharingError for what is none of these, and for a file without accounts.
    """
    accounts = _of_json(text, where) if text.lstrip()[:1] in ("[", "{") else _of_lines(text)
    found = check_accounts(accounts, where)
    if not found:
        raise SharingError(f"{where} names no account: expected one in each line, or aws organizations list-accounts")
    return found


def _of_lines(text: str) -> list[str]:
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    return [words[0] for words in lines if words]


def _of_json(text: str, where: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SharingError(f"{where} is no JSON: {error}") from error
    entries = value.get("Accounts") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise SharingError(f"{where} has no list of accounts: expected what aws organizations list-accounts prints")
    return [_id(entry, where) for entry in entries if not isinstance(entry, dict) or _active(entry)]


def _active(entry: dict[str, Any]) -> bool:
    return bool(entry.get("State", entry.get("Status", ACTIVE)) == ACTIVE)


def _id(entry: Any, where: str) -> str:
    found = entry.get("Id") if isinstance(entry, dict) else entry
    if not isinstance(found, str):
        raise SharingError(f"{where}: {str(found)[:SHOWN]} is no AWS account: expected twelve digits in quotes")
    return found
