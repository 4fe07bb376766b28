# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machine images that carry a seed's software: one entry of DescribeImages as a record like a snapshot's.

The tags of the own account's say what is in an image; of others, whose tags nobody sees, the Description does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws.images.choice import RELEASE, RELEASE_TAG
from ansible_collections.petal.hpc.plugins.module_utils._core import tags as tag
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import FINGERPRINT, check_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import ACCOUNT
from ansible_collections.petal.hpc.plugins.module_utils._image.deprecation import is_deprecated
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import ARCHITECTURES
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    COMPLETED,
    ERROR,
    PENDING,
    Snapshot,
    SnapshotError,
)

IMAGE_ID = re.compile(r"ami-[0-9a-f]{17}")
#: What EC2 calls the states of an image, and what they mean here; any other is an end without an image.
STATES = {"available": COMPLETED, "pending": PENDING}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PACKAGE = re.compile(r"[!-~]{1,256}")
_DESCRIPTION = re.compile(
    r"petal\.hpc image (?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63}) (?P<fingerprint>sha256:[0-9a-f]{64})"
    r" ParallelCluster (?P<release>[0-9][0-9a-z.]{0,31})"
)
#: Characters of an image's name, and of its Description.
NAME_LIMIT, DESCRIPTION_LIMIT = 128, 255


@dataclass(frozen=True)
class Image(Snapshot):
    """A machine image. snapshot_id is its own id. size_gb: of its root.

    release: of the ParallelCluster whose image it was made from, which alone makes clusters of it.
    disks: the ids of its snapshots, which cost what it costs. deprecated: since when, or from when on.
    ami_name: by which an account has one image in a Region.
    """

    release: str = ""
    disks: tuple[str, ...] = ()
    deprecated: str = ""
    ami_name: str = ""


def described(name: str, fingerprint: str, release: str) -> str:
    """The Description by which other accounts know an image.

    >>> described("bio", "sha256:" + 64 * "0", "3.16.1")[-28:]
    '00000 ParallelCluster 3.16.1'
    """
    return f"petal.hpc image {name} {check_fingerprint(fingerprint)} ParallelCluster {release}"


def image_name(name: str, build_id: str) -> str:
    """The name of an image, of which there is one in an account and Region: a second call makes no second image.

    >>> image_name("bio", "20260131T120000Z-01234567-ami")
    'petal bio 20260131T120000Z-01234567-ami'
    """
    return f"petal {name[: NAME_LIMIT - len(build_id) - 7]} {build_id}"


def check_image_id(image_id: str) -> str:
    """Give the id back; IdentityError when it is none."""
    if not IMAGE_ID.fullmatch(image_id):
        raise IdentityError(f"image {image_id!r} is none: expected ami- and 17 hex digits")
    return image_id


def request(criteria: Criteria) -> dict[str, Any]:
    """Parameters of DescribeImages that bring the own images which are meant, the deprecated ones too.

    Raises IdentityError for what is no fingerprint or id.
    """
    filters: dict[str, list[str]] = {}
    if criteria.fingerprint is None:
        filters["tag-key"] = [tag.FINGERPRINT]
    else:
        filters[f"tag:{tag.FINGERPRINT}"] = [check_fingerprint(one) for one in criteria.fingerprints]
    if criteria.build_id is not None:
        filters[f"tag:{tag.BUILD_ID}"] = [criteria.build_id]
    if criteria.name is not None:
        filters[f"tag:{tag.NAME}"] = [criteria.name]
    return _request(["self"], {**filters, **_ids(criteria)})


def request_shared(criteria: Criteria, accounts: Sequence[str]) -> dict[str, Any]:
    """Parameters of DescribeImages that bring what these accounts share, or show to everybody, by its Description."""
    fingerprints = [check_fingerprint(one) for one in criteria.fingerprints] or ["sha256:*"]
    texts = [f"petal.hpc image {criteria.name or '*'} {fingerprint} *" for fingerprint in fingerprints]
    return _request(accounts, {"description": texts, **_ids(criteria)})


def _ids(criteria: Criteria) -> dict[str, list[str]]:
    ids = [check_image_id(one) for one in criteria.snapshot_ids]
    return {"image-id": ids} if ids else {}


def _request(owners: Sequence[str], filters: Mapping[str, list[str]]) -> dict[str, Any]:
    # Never without owners: that would list the public images of the world.
    if not owners:
        raise SnapshotError("images are never looked for without owners")
    return {
        "Owners": list(owners),
        "IncludeDeprecated": True,
        "Filters": [{"Name": name, "Values": filters[name]} for name in sorted(filters)],
    }


def read(
    entries: Iterable[Any], parse_one: Callable[[Mapping[str, Any]], Snapshot]
) -> tuple[list[Snapshot], list[Refusal]]:
    """Records of the entries of DescribeImages, and those that are none, each with the reason."""
    found: list[Snapshot] = []
    refused: list[Refusal] = []
    for entry in entries:
        one = _one(entry, parse_one)
        if isinstance(one, Snapshot):
            found.append(one)
        else:
            refused.append(one)
    return found, refused


def _one(entry: Any, parse_one: Callable[[Mapping[str, Any]], Snapshot]) -> Snapshot | Refusal:
    try:
        if not isinstance(entry, Mapping):
            raise SnapshotError("the entry is no mapping")
        return parse_one(entry)
    except SnapshotError as error:
        known = entry.get("ImageId") if isinstance(entry, Mapping) else None
        return Refusal(str(known)[:64], f"it cannot be used as an image: {error}")


def parse(entry: Mapping[str, Any], region: str | None) -> Image:
    """One entry of the own account. Raises SnapshotError with what is wrong."""
    tags = tag.from_aws(entry.get("Tags"))
    fingerprint = _tag(tags, tag.FINGERPRINT, FINGERPRINT)
    told = FINGERPRINT.findall(str(entry.get("Description") or ""))
    if set(told) - {fingerprint}:
        raise SnapshotError(f"its Description names another fingerprint than its tag {tag.FINGERPRINT}")
    packages = [one for one in tag.packages_of(tags.get(tag.PACKAGES, "")) if _PACKAGE.fullmatch(one)]
    return _seen(
        entry,
        region,
        fingerprint=fingerprint,
        name=_tag(tags, tag.NAME, _WORD),
        os=_tag(tags, tag.OS, _WORD),
        release=_tag(tags, RELEASE_TAG, RELEASE),
        source="local",
        packages=packages,
        tags=tags,
    )


def parse_foreign(entry: Mapping[str, Any], region: str | None, owners: Sequence[str], criteria: Criteria) -> Image:
    """One entry of another account, by its Description. The system is what was asked for: the fingerprint decides.

    :param owners: who alone is believed. Raises SnapshotError with what is wrong.
    """
    if entry.get("OwnerId") not in owners:
        raise SnapshotError(f"its owner, account {entry.get('OwnerId')}, is not one of those that are trusted")
    told = _DESCRIPTION.fullmatch(str(entry.get("Description") or ""))
    if told is None:
        raise SnapshotError(
            "its Description is not of the form 'petal.hpc image NAME sha256:… ParallelCluster RELEASE', so its owner "
            "vouches for nothing"
        )
    if criteria.fingerprint is not None and told["fingerprint"] not in criteria.fingerprints:
        raise SnapshotError(f"its Description names another fingerprint ({told['fingerprint']})")
    return _seen(
        entry,
        region,
        fingerprint=told["fingerprint"],
        name=told["name"],
        os=(criteria.os or "") if criteria.fingerprint is not None else "",
        release=told["release"],
        source="organization",
    )


def _seen(entry: Mapping[str, Any], region: str | None, **said: Any) -> Image:
    """What AWS itself says of an image, whoever owns it, beside what its owner says."""
    state = str(entry.get("State"))
    architecture = entry.get("Architecture")
    if architecture not in ARCHITECTURES:
        raise SnapshotError(f"its architecture is {architecture!r}, none of {', '.join(ARCHITECTURES)}")
    disks = _disks(entry)
    root = str(entry.get("RootDeviceName") or "")
    size = dict(disks).get(root, {}).get("VolumeSize")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise SnapshotError("AWS does not say how large its root is")
    mapped = [ebs for _device, ebs in disks]
    reason = entry.get("StateReason")
    return Image(
        snapshot_id=_text(entry, "ImageId", IMAGE_ID),
        architecture=str(architecture),
        size_gb=size,
        created=_time(entry.get("CreationDate")),
        state=STATES.get(state, ERROR),
        provider="aws",
        owner=_text(entry, "OwnerId", ACCOUNT),
        region=region,
        description=str(entry.get("Description") or "")[:DESCRIPTION_LIMIT],
        progress=100 if state == "available" else 0,
        message=str(reason.get("Message") or "")[:256] if isinstance(reason, Mapping) else "",
        encrypted=any(bool(ebs.get("Encrypted")) for ebs in mapped),
        disks=tuple(disks_of(entry)),
        deprecated=str(entry.get("DeprecationTime") or ""),
        ami_name=str(entry.get("Name") or "")[:NAME_LIMIT],
        **said,
    )


def disks_of(entry: Mapping[str, Any]) -> list[str]:
    """The ids of the snapshots of an entry of DescribeImages."""
    return [str(ebs["SnapshotId"]) for _device, ebs in _disks(entry) if ebs.get("SnapshotId")]


def _disks(entry: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The devices of an image that are volumes, each with what EC2 says of it."""
    mappings = [one for one in entry.get("BlockDeviceMappings") or () if isinstance(one, Mapping)]
    return [(str(one.get("DeviceName")), one["Ebs"]) for one in mappings if isinstance(one.get("Ebs"), Mapping)]


def _tag(tags: Mapping[str, str], key: str, pattern: re.Pattern[str]) -> str:
    if key not in tags:
        raise SnapshotError(f"it has no tag {key}")
    if not pattern.fullmatch(tags[key]):
        raise SnapshotError(f"the tag {key} is not of the form {pattern.pattern}")
    return tags[key]


def _text(entry: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    found = entry.get(key)
    if not isinstance(found, str) or not pattern.fullmatch(found):
        raise SnapshotError(f"{key} is not of the form {pattern.pattern}")
    return found


def _time(value: Any) -> str:
    """As EC2 writes it, ``2026-01-31T12:00:00.000Z``, without the thousandths."""
    text = str(value).partition(".")[0].rstrip("Z")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise SnapshotError("CreationDate is no time") from error


def unfit(image: Snapshot, release: str, now: datetime | None = None) -> str:
    """Why a cluster of a release of ParallelCluster is not made of an image; empty where it can be.

    :param release: empty where nobody asks for one.
    :param now: None where deprecated ones count as well.
    """
    if now is not None and isinstance(image, Image) and is_deprecated(image.deprecated, now):
        return (
            f"it is deprecated since {image.deprecated[:10]}: name it (-e ami={image.snapshot_id}), or take that back "
            "(petal.hpc.images -e action=undeprecate)"
        )
    found = image.release if isinstance(image, Image) else ""
    if not release or found == release:
        return ""
    return (
        f"it was made from an image of ParallelCluster {found}, and clusters are made with {release}: build another "
        f"one (build_ami), or make the cluster with {found} (pcluster_config_library_version)"
    )
