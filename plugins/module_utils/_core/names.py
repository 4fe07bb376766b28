# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the resources of a build are called, on AWS and in a store."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import hex_digits

DIGITS = 16
#: How the names of what makes a machine image end, and the ids of such builds.
IMAGE = "-ami"


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


def image_resource_name(fingerprint: str) -> str:
    """The same of what makes a machine image. Raises IdentityError.

    >>> image_resource_name("sha256:0123456789abcdef" + 48 * "0")
    'petal-0123456789abcdef-ami'
    """
    return resource_name(fingerprint) + IMAGE


def of_build(fingerprint: str, build_id: str) -> str:
    """The name of the resources of a build, which makes a volume or, by the end of its id, a machine image."""
    return image_resource_name(fingerprint) if build_id.endswith(IMAGE) else resource_name(fingerprint)


def build_names(fingerprint: str) -> dict[str, str]:
    """What a plan says: ``fingerprint``, ``resource`` on AWS, ``volume`` in a store, and ``image_resource``, on AWS as
    well, of what makes a machine image. Raises IdentityError."""
    return {
        "fingerprint": fingerprint,
        "resource": resource_name(fingerprint),
        "volume": volume_name(fingerprint),
        "image_resource": image_resource_name(fingerprint),
    }


def lock_name(fingerprint: str) -> str:
    """The name of the record of a fingerprint's lock in a store. Raises IdentityError."""
    return f"build-{hex_digits(fingerprint)}.json"
