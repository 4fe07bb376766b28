# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses with tokens in them: what may be shown of them, and how Git gets the rest without a command line."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote

# Up to the last @ of the host's part: a password may hold one, too.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"<>`]*@")
_ADDRESS = re.compile(r"\w://[^\s'\"<>`]+")
_HTTP = re.compile(r"(https?://)([^/\s]*)@([^@/?#\s]+)(/.*)?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class GitAccess:
    """How to reach a Git repository.

    url: for the command line and for people. environment: settings that may be seen. secrets: variables that nobody
    but Git may see.
    """

    url: str
    environment: dict[str, str]
    secrets: dict[str, str]


def without_credentials(text: str) -> str:
    """A text with addresses, without the user names and passwords in them."""
    return _CREDENTIALS.sub("", text)


def redacted(text: str) -> str:
    """A text with addresses, without user names, passwords and queries in them."""
    return _ADDRESS.sub(_without_query, without_credentials(text))


def withheld(text: str) -> str:
    """The same where it is about what is wrong with an address: a mark stands for what was left out."""
    return _ADDRESS.sub(_without_query, _CREDENTIALS.sub("…@", text))


def secrets_of(url: str) -> set[str]:
    """What an http(s) address has of secrets: its password, or a token in its place, as written and as meant.

    For AnsibleModule.no_log_values: an event of AWX has a module's arguments.
    """
    found = _HTTP.fullmatch(url.strip())
    secret = found[2].rpartition(":")[2] if found else ""
    return {secret, unquote(secret)} - {""}


def _without_query(address: re.Match[str]) -> str:
    """What follows a question mark may be a signature: whoever has it can fetch."""
    before, mark, _query = address[0].partition("?")
    return f"{before}?…" if mark and "#" not in before else address[0]


def git_access(url: str) -> GitAccess:
    """Take user name and password out of an http(s) address; Git sends them as a header, to that repository alone.

    In an address of SSH a user name is no secret, and it has no password.
    """
    found = _HTTP.fullmatch(url.strip())
    if not found:
        return GitAccess(url, {}, {})
    scheme, login, host, path = found.groups()
    plain = f"{scheme}{host}{path or ''}"
    user, _colon, password = login.partition(":")
    token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    # Names and values of settings as variables: Git 2.31 and later. A header goes to no other host on a redirect.
    seen = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"http.{plain}.extraHeader"}
    return GitAccess(plain, seen, {"GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}"})
