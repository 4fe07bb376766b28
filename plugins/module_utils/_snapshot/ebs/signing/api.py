# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of EBS snapshots of the own account, in their tags."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2SnapshotErrorHandler
from ansible_collections.petal.hpc.plugins.module_utils._aws import names
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection.api import call, ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.select import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import SigningKey, signed_by
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    OWN,
    Place,
    Policy,
    TrustError,
    Verdict,
    judge,
)


def statement(snapshot: Snapshot) -> bytes:
    """What is signed of one of the own account. Raises TrustError where its tags do not say enough."""
    manifest = snapshot.tags.get(ebs.MANIFEST, "")
    if not ebs.DIGEST.fullmatch(manifest):
        raise TrustError(
            f"{snapshot.snapshot_id} has no tag {ebs.MANIFEST} with the digest of its manifest: an earlier release has "
            "built it, and nothing of what is on it could be signed"
        )
    return ebs.statement(snapshot.snapshot_id, snapshot.owner, snapshot.fingerprint, manifest)


def judged(host: Host, snapshot: Snapshot, policy: Policy) -> Verdict:
    """Whether one of the own account may be used. Raises TrustError for tags that are no signatures."""
    signatures = ebs.from_tags(snapshot.tags)
    keys = signed_by(host, statement(snapshot), signatures, ebs.NAMESPACE) if signatures else []
    return judge(policy, Place(OWN), snapshot.created, keys)


def sign(module: Any, host: Host, snapshot_id: str, key: SigningKey, check: bool = False) -> tuple[Snapshot, bool]:
    """Let a key sign a snapshot of the own account, unless it has; the snapshot, and whether that changes its tags.

    Raises SnapshotError where it is none of ours, TrustError where it cannot be signed, and AwsError.
    """
    found, refused = EbsSnapshots(module).scan(Criteria(snapshot_ids=(snapshot_id,)))
    if not found:
        why = refused[0].reason if refused else "the account has no complete one of this id"
        raise SnapshotError(f"{snapshot_id} in {module.region} cannot be signed: {why}")
    snapshot = found[0]
    said, signatures = statement(snapshot), ebs.from_tags(snapshot.tags)
    if key.fingerprint in signed_by(host, said, signatures, ebs.NAMESPACE):
        return snapshot, False
    if not check:
        tags = ebs.to_tags([*signatures, key.sign(said, ebs.NAMESPACE)])
        client, doing = ec2_client(module), f"signing {snapshot_id}"
        parameters = {"Resources": [snapshot_id], "Tags": names.to_aws(tags)}
        call(EC2SnapshotErrorHandler, doing, client.create_tags, aws_retry=True, **parameters)
    return snapshot, True
