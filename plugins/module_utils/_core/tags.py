# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags: the only state that a build on AWS keeps, and what snapshots and clusters say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import check_fingerprint

# Of every resource of a build.
FINGERPRINT = "petal:fingerprint"
BUILD_ID = "petal:build-id"
NAME = "petal:name"
# Of snapshots.
OS = "petal:os"
ARCHITECTURE = "petal:architecture"
PACKAGES = "petal:packages"
SHARING = "petal:sharing"
# The digest of the volume's list of documents, and the signatures, which go on in SIGNATURE-2, -3 ….
DOCUMENTS = "petal:documents"
SIGNATURE = "petal:signature"
# By which a later build finds it as the beginning of its volume: what has to be the same, and what was asked of Spack.
BASE = "petal:base"
BASE_SPECS = "petal:base-specs"
# What tags of images and branches stood for when it was built; goes on in STOOD-FOR-2, -3 …, see _seed/pins.py.
PINS = "petal:stood-for"
# Of a copy: REGION/ID of the snapshot that was built, however many copies are in between.
COPIED_FROM = "petal:copied-from"
# Of the key pair, which is the lock.
HOLDER = "petal:holder"
RENEWED = "petal:renewed"
STARTED = "petal:started"
DEADLINE = "petal:deadline"
KEEP_UNTIL = "petal:keep-until"
# Of the key pair: where its private key is kept for the controllers that come next.
KEY_STORE = "petal:key-store"
# Of the volume: that its snapshot was asked for, and which it is.
SNAPSHOT = "petal:snapshot"
# Of the instance: the key pair that it was launched with.
KEY_PAIR_ID = "petal:key-pair-id"
# Of a snapshot whose build nobody has finished: a clean-up removes it.
CLEANUP = "petal:cleanup"
# Of a cluster and what is its: whose it is.
CLUSTER = "petal:cluster"

# Characters of a value, https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
VALUE_LIMIT = 256


def build_tags(fingerprint: str, build_id: str, name: str = "", resource: str = "") -> dict[str, str]:
    """The tags that everything of a build is created with.

    :param name: the cluster's name in the seed.
    :param resource: what the console shows as the name; none for kinds that have a name of their own.
    """
    tags = {FINGERPRINT: check_fingerprint(fingerprint), BUILD_ID: build_id, NAME: name, "Name": resource}
    return {key: cut(value) for key, value in tags.items() if value}


def packages_tag(packages: Sequence[str]) -> str:
    """As many packages as fit into a tag, and how many more there are.

    >>> packages_tag(["numpy@2.2.1", "scipy@1.15.0"])
    'numpy@2.2.1 scipy@1.15.0'
    >>> packages_tag([f"package{number}@1.0" for number in range(100)])[-22:]
    'package17@1.0 +82 more'
    """
    whole = " ".join(packages)
    if len(whole) <= VALUE_LIMIT:
        return whole
    for kept in range(len(packages) - 1, -1, -1):
        text = " ".join([*packages[:kept], f"+{len(packages) - kept} more"])
        if len(text) <= VALUE_LIMIT:
            return text
    return ""


def packages_of(tag: str) -> list[str]:
    """The packages that a tag names; where it was cut, only those that fitted."""
    words = tag.split(" ")
    if len(words) >= 2 and words[-1] == "more" and words[-2].startswith("+"):
        words = words[:-2]
    return [word for word in words if word]


def cut(value: str) -> str:
    """As much of a value as a tag can hold."""
    return value[:VALUE_LIMIT]


def to_aws(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the API takes them, in the order of their keys."""
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def from_aws(tags: Sequence[Mapping[str, Any]] | None) -> dict[str, str]:
    """Tags as the API gives them; none where it leaves them out."""
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags or () if "Key" in tag}


def tag_specifications(kinds: Sequence[str], tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """``TagSpecifications`` of a call that creates something.

    :param kinds: what it creates, as ``instance``, ``volume``, ``key-pair``.
    """
    return [{"ResourceType": kind, "Tags": to_aws(tags)} for kind in kinds]


def tag_filters(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """``Filters`` of a call that lists what has all these tags."""
    return [{"Name": f"tag:{key}", "Values": [tags[key]]} for key in sorted(tags)]


def stamp(moment: float) -> str:
    """Seconds since 1970 as a tag holds them, in UTC.

    >>> stamp(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float | None:
    """Seconds since 1970 of a stamp; None when it is none.

    >>> moment("1970-01-01T00:01:00Z")
    60.0
    """
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
