# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of a machine image in other Regions: as those of a snapshot, but an account has one image of a name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, ClassVar

from ansible_collections.petal.hpc.plugins.module_utils._aws.images.choice import RELEASE_TAG
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import NAME, tag_specifications
from ansible_collections.petal.hpc.plugins.module_utils._image.record import Image, described
from ansible_collections.petal.hpc.plugins.module_utils._sharing.copies import MOST_TAGS, Original, Target
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

#: Of the snapshots of an image, which are no volumes of software: that would be petal:fingerprint.
IMAGE_OF = "petal:image-of"
OS_TAG = "parallelcluster:os"


@dataclass(frozen=True)
class ImageTarget(Target):
    """A Region that is to have the image. The name says of what and with which key a copy was made."""

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether a copy is encrypted as it was asked for: AWS does not say with which key an image is."""
        if self.key is None:
            return super().fits(snapshot)
        return isinstance(snapshot, Image) and snapshot.ami_name == self.name


def image_target(target: Target, name: str, origin: str) -> ImageTarget:
    """The same with the name that the copy of an image has there.

    >>> image_target(Target("us-west-2"), "bio", "us-east-1/ami-0123456789abcdef0").name
    'petal bio copy of us-east-1/ami-0123456789abcdef0'
    """
    known = target.found.key_id if target.found and not target.found.unknown else target.key
    more = f" {sha256(known.encode()).hexdigest()[:8]}" if known else " encrypted" if target.encrypted else ""
    named = f"petal {name[:64]} copy of {origin}{more}"
    return ImageTarget(target.region, target.key, target.found, target.encrypted, named)


@dataclass(frozen=True)
class ImageOriginal(Original):
    """The image to copy, and where it is."""

    THING: ClassVar[str] = "image"

    snapshot: Image

    def tags(self) -> dict[str, str]:
        """As a snapshot's, and what ParallelCluster looks at: another account's tags are not seen."""
        tags = {RELEASE_TAG: self.snapshot.release, OS_TAG: self.snapshot.os, **super().tags()}
        return {key: tags[key] for key in list(tags)[:MOST_TAGS]}

    def snapshot_tags(self) -> dict[str, str]:
        """Those of the snapshots that come with it."""
        image = self.snapshot
        return {"Name": f"{image.name} (image)", IMAGE_OF: image.fingerprint, NAME: image.name}

    def parameters(self, target: Target) -> dict[str, Any]:
        """Parameters of CopyImage, which a client of the target's Region calls."""
        image = self.snapshot
        plain = super().parameters(target)
        return {
            "Name": target.name,
            "SourceRegion": self.region,
            "SourceImageId": image.snapshot_id,
            "Description": described(image.name, image.fingerprint, image.release),
            "TagSpecifications": [
                *tag_specifications(["image"], self.tags()),
                *tag_specifications(["snapshot"], self.snapshot_tags()),
            ],
            **{key: plain[key] for key in ("Encrypted", "KmsKeyId") if key in plain},
        }

    def begun(self, snapshot_id: str, target: Target, created: str) -> Snapshot:
        """A copy that AWS has taken on and does not list yet."""
        made = super().begun(snapshot_id, target, created)
        return replace(made, ami_name=target.name, disks=(), deprecated="") if isinstance(made, Image) else made
