# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the resources of a build are called, on AWS and in a store."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import hex_digits

DIGITS = 16


def resource_name(fingerprint: str) -> str:
    """The name of key pair, security group, volume and instance of a fingerprint's build.

    Raises IdentityError when it is no fingerprint.

    >>> resource_name("sha256:0123456789abcdef" + 48 * "0")
    'petal-0123456789abcdef'
    """
    return f"petal-{hex_digits(fingerprint)[:DIGITS]}"


def volume_name(fingerprint: str) -> str:
    """The name of the volume of a fingerprint's build in a store. Raises IdentityError.

    >>> volume_name("sha256:0123456789abcdef" + 48 * "0")
    'build-0123456789abcdef0000'
    """
    return f"build-{hex_digits(fingerprint)[:20]}"


def build_names(fingerprint: str) -> dict[str, str]:
    """What a plan says: ``fingerprint``, ``resource`` on AWS, ``volume`` in a store. Raises IdentityError."""
    return {"fingerprint": fingerprint, "resource": resource_name(fingerprint), "volume": volume_name(fingerprint)}


def lock_name(fingerprint: str) -> str:
    """The name of the record of a fingerprint's lock in a store. Raises IdentityError."""
    return f"build-{hex_digits(fingerprint)}.json"
