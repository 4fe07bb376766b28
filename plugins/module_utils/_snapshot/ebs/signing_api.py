# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of EBS snapshots of the own account, in their tags."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2SnapshotErrorHandler
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call, ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import DOCUMENTS, to_aws
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import SigningKey, signed_by
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    OWN,
    Place,
    Policy,
    TrustError,
    Verdict,
)


def statement(snapshot: Snapshot) -> bytes:
    """What is signed of one of the own account. Raises TrustError where its tags do not say enough."""
    documents = snapshot.tags.get(DOCUMENTS, "")
    if not ebs.DIGEST.fullmatch(documents):
        raise TrustError(
            f"{snapshot.snapshot_id} has no tag {DOCUMENTS} with the digest of what is on it: an earlier release "
            "has built it, and nothing of it could be signed. Build it anew with -e force=true"
        )
    return ebs.statement(snapshot.snapshot_id, snapshot.owner, snapshot.fingerprint, documents)


def own(module: Any, snapshot_id: str, region: str | None = None) -> Snapshot:
    """One of the own account, in the module's Region or another. Raises SnapshotError for any other, and AwsError."""
    snapshots = EbsSnapshots(module, region)
    found, refused = snapshots.scan(Criteria(snapshot_ids=(snapshot_id,)))
    if not found:
        why = refused[0].reason if refused else "the account has no complete one of this id"
        raise SnapshotError(f"{snapshot_id} in {snapshots.region} cannot be used: {why}")
    return found[0]


def judged(host: Host, snapshot: Snapshot, policy: Policy) -> tuple[Verdict, list[str]]:
    """Whether one of the own account may be used, and the fingerprints of the keys whose signatures are right."""
    try:
        signatures = ebs.from_tags(snapshot.tags)
        # What an earlier release has built has nothing that could be signed, and may be used all the same.
        said = statement(snapshot) if signatures else b""
        return trust.judged(host, policy, Place(OWN), snapshot.created, said, signatures, ebs.NAMESPACE)
    except TrustError as error:
        return Verdict(False, str(error)), []


def sign(module: Any, host: Host, snapshot_id: str, key: SigningKey, check: bool = False) -> bool:
    """Let a key sign a snapshot of the own account, unless it has; whether that changes its tags.

    Raises SnapshotError where it is none of ours, TrustError where it cannot be signed, and AwsError.
    """
    snapshot = own(module, snapshot_id)
    if has_signed(host, snapshot, key):
        return False
    if not check:
        signature = key.sign(statement(snapshot), ebs.NAMESPACE)
        tags = ebs.to_tags([*ebs.from_tags(snapshot.tags), signature])
        client, doing = ec2_client(module), f"signing {snapshot_id}"
        parameters = {"Resources": [snapshot_id], "Tags": to_aws(tags)}
        call(EC2SnapshotErrorHandler, doing, client.create_tags, aws_retry=True, **parameters)
    return True


def has_signed(host: Host, snapshot: Snapshot, key: SigningKey) -> bool:
    """Whether a key has signed a snapshot of the own account. Raises TrustError, and AwsError."""
    said, signatures = statement(snapshot), ebs.from_tags(snapshot.tags)
    return key.fingerprint in signed_by(host, said, signatures, ebs.NAMESPACE)


def check_original(module: Any, host: Host, region: str, snapshot_id: str, key: SigningKey) -> None:
    """Raises TrustError where a key has not signed that of which it is to sign a copy."""
    if not has_signed(host, own(module, snapshot_id, region), key):
        raise TrustError(
            f"the original, {snapshot_id} in {region}, is not signed by the key {key.fingerprint}: let it sign that "
            "first (sign_volume)"
        )
