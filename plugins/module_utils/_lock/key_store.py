# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the private key of a build is kept for the controllers that come next: how it is called there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A SecureString of Systems Manager's Parameter Store.
SSM = "ssm"
STORES = ("", SSM)
#: Below which all keys of builds are, and nothing else.
ROOT = "/petal/build-keys"
OFF = "build_key_store=ssm"
DENIED = "AccessDeniedException"


@dataclass(frozen=True)
class KeyStore:
    """How the private key of a build is kept.

    kind: one of STORES; empty for the directory of the controller alone. kms_key_id: of the key in KMS that seals it;
    empty for AWS's own. needed: whether hosts are reached with it; through Session Manager they are not.
    """

    kind: str = ""
    kms_key_id: str = ""
    needed: bool = True


#: On the controller that makes it alone.
NOWHERE = KeyStore()


def key_store_of(given: Mapping[str, Any] | None) -> KeyStore:
    """A module's option, as it has been checked."""
    given = given or {}
    needed = given.get("needed")
    return KeyStore(given.get("kind") or "", given.get("kms_key_id") or "", needed is None or bool(needed))


def parameter_name(build_id: str) -> str:
    """How the parameter of a build is called.

    >>> parameter_name("20260131T120000Z-0123abcd")
    '/petal/build-keys/20260131T120000Z-0123abcd'
    """
    return f"{ROOT}/{build_id}"


def lacking(permissions: str) -> str:
    """What to do where AWS does not allow it; permissions: that are needed, as in "ssm:GetParameter"."""
    return (
        f"Give the credentials {permissions} (docs/iam/builder-keys.json), or leave {OFF} out: the key stays on the "
        "controller that makes it, then."
    )
