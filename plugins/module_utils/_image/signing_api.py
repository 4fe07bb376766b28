# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of machine images of the own account, in their tags: the same statement as a snapshot's, of another id."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2ImageErrorHandler
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call, ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import to_aws
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._image.api import Images
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.signing_api import has_signed, statement
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, Snapshot, SnapshotError
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import SigningKey
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import TrustError


def _own(module: Any, image_id: str, region: str | None = None) -> Snapshot:
    """One of the own account. Raises SnapshotError for any other, and AwsError."""
    images = Images(module, region=region)
    found, refused = images.scan(Criteria(snapshot_ids=(image_id,)))
    whole = [one for one in found if one.state == COMPLETED]
    if not whole:
        why = refused[0].reason if refused else "the account has no complete one of this id"
        raise SnapshotError(f"{image_id} in {images.region} cannot be used: {why}")
    return whole[0]


def check_original(module: Any, host: Host, region: str, image_id: str, key: SigningKey) -> None:
    """Raises TrustError where a key has not signed that of which it is to sign a copy."""
    if not has_signed(host, _own(module, image_id, region), key):
        raise TrustError(
            f"the original, {image_id} in {region}, is not signed by the key {key.fingerprint}: no copy gets the word "
            "of that key. Copy it without petal_signing_key, or build it with that (build_ami -e force=true)"
        )


def sign(module: Any, host: Host, image_id: str, key: SigningKey, check: bool = False) -> bool:
    """Let a key sign an image of the own account, unless it has; whether that changes its tags.

    Raises SnapshotError where it is none of ours, TrustError where it cannot be signed, and AwsError.
    """
    image = _own(module, image_id)
    if has_signed(host, image, key):
        return False
    if not check:
        signature = key.sign(statement(image), ebs.NAMESPACE)
        tags = ebs.to_tags([*ebs.from_tags(image.tags), signature])
        parameters = {"Resources": [image_id], "Tags": to_aws(tags)}
        client = ec2_client(module)
        call(EC2ImageErrorHandler, f"signing {image_id}", client.create_tags, aws_retry=True, **parameters)
    return True
