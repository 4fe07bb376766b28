# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of registries in the form of containers-auth.json(5), as podman, skopeo and docker write them. No I/O."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

#: How Docker has written its own registry.
_DOCKERS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")
_WANTED = '{"auths": {"REGISTRY": {"auth": BASE64 of USER:PASSWORD}}}, as podman login and docker login write it'


def read(text: str, what: str) -> dict[str, str]:
    """Logins by registry, or registry and path, Base64 of ``USER:PASSWORD``. Raises PetalError, without the text."""
    try:
        auths = json.loads(text)["auths"]
        found = {str(name): login(entry) for name, entry in auths.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PetalError(f"{what} holds no logins of registries; expected {_WANTED}") from None
    kept = {name: auth for name, auth in found.items() if auth}
    if not kept:
        helper = " A helper that keeps them elsewhere (credsStore, credHelpers) is not asked." if found else ""
        raise PetalError(f"{what} holds no login; expected {_WANTED}.{helper}")
    return kept


def login(entry: Mapping[str, Any]) -> str:
    """Of an entry of an auth file; empty where it has none."""
    if entry.get("auth"):
        return str(entry["auth"])
    if entry.get("username") and entry.get("password"):
        return base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()
    return ""


def auths(given: Any) -> dict[str, str]:
    """Logins of an auth file that another task hands on: its text, or what templating has made of it."""
    found = json.loads(given) if isinstance(given, str) and given else given or {}
    return {name: login(entry) for name, entry in found.get("auths", {}).items()}


def chosen(logins: Mapping[str, str], registry: str, repository: str) -> str:
    """The login for a repository: that of the longest path that it is in, else the registry's; empty for none."""
    parts = repository.split("/")
    for count in range(len(parts), -1, -1):
        path = "/".join([registry, *parts[:count]])
        if path in logins:
            return logins[path]
    if registry == "docker.io":
        return next((logins[name] for name in _DOCKERS if name in logins), "")
    return next((logins[name] for name in (f"https://{registry}", f"https://{registry}/") if name in logins), "")


def pair(auth: str, what: str) -> tuple[str, str]:
    """User and password of a login. Raises PetalError for what is none."""
    try:
        user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = colon = password = ""
    if not (user and colon):
        raise PetalError(f"the login for {what} cannot be read; expected {_WANTED}")
    return user, password


def file(auths: Mapping[str, str]) -> str:
    """The text of an auth file."""
    return json.dumps({"auths": {name: {"auth": auth} for name, auth in auths.items()}})
