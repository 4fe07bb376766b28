"""EBS snapshots: they take time and can fail, other accounts see those that were shared with them, and no tags."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.utils import generic_filter, random_snapshot_id

from ec2lab.control.base import BaseEC2, adopt
from ec2lab.control.world import now

# What a snapshot made by CopySnapshot shows as its volume.
NO_VOLUME = "vol-ffffffff"


class LabSnapshot(Snapshot):
    """A snapshot that is pending for a while and then complete, or in error."""

    started_at = 0.0
    seconds = 0.0
    fails = False
    size = 0
    source_volume = ""
    foreign = False

    @property
    def status(self) -> str:
        """pending, completed or error."""
        if now() < self.started_at + self.seconds:
            return "pending"
        return "error" if self.fails else "completed"

    @status.setter
    def status(self, value: str) -> None:
        """moto's constructor sets one; time decides here."""

    @property
    def progress(self) -> str:
        """Percent done, as text."""
        if self.status != "pending":
            return "0%" if self.fails else "100%"
        return f"{int(100 * (now() - self.started_at) / self.seconds)}%"

    @property
    def state_message(self) -> str:
        """Why it is in error."""
        return "The lab was told to let this snapshot fail" if self.status == "error" else ""

    @property
    def volume_size(self) -> int:
        """GiB of the volume at that moment."""
        return self.size

    @property
    def volume_id(self) -> str:
        """The volume it was made of."""
        return self.source_volume

    def get_tags(self) -> list[dict[str, str]]:
        """Tags are the owner's alone."""
        return [] if self.foreign else super().get_tags()

    def for_others(self) -> LabSnapshot:
        """The same as other accounts see it."""
        seen = copy.copy(self)
        seen.foreign = True
        return seen

    def readable_by(self, account: str) -> bool:
        """Whether an account that does not own it may make volumes of it."""
        return account in self.create_volume_permission_userids or "all" in self.create_volume_permission_groups


# moto's serializer goes by the names of classes.
LabSnapshot.__name__ = "Snapshot"


def not_found(snapshot_ids: Iterable[str]) -> EC2ClientError:
    """EC2's error for snapshots that are not there, or not for this account."""
    return EC2ClientError(
        "InvalidSnapshot.NotFound", f"The snapshot '{', '.join(sorted(snapshot_ids))}' does not exist."
    )


class SnapshotEC2(BaseEC2):
    """Snapshot calls of the EC2 backend."""

    block_public_access = "unblocked"

    def _adopt(self, snapshot: Snapshot, size: int, source_volume: str) -> LabSnapshot:
        adopt(snapshot, LabSnapshot)
        assert isinstance(snapshot, LabSnapshot)
        snapshot.size = int(size)
        snapshot.source_volume = source_volume
        snapshot.started_at = now()
        snapshot.seconds = 0.0 if self.loading else self.world.settings.delays.snapshot_pending
        fault = None if self.loading else self.world.faults.take("snapshot-error", account=self.account_id)
        snapshot.fails = fault is not None
        if fault is not None and fault.after is not None:
            snapshot.seconds = fault.after
        return snapshot

    def create_snapshot(
        self, volume_id: str, description: str, owner_id: str | None = None, from_ami: str | None = None
    ) -> Snapshot:
        """The bytes of this moment; the state follows later."""
        volume = self.get_volume(volume_id)
        if volume.status in ("creating", "error"):
            raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the '{volume.status}' state.")
        snapshot = self._adopt(
            super().create_snapshot(volume_id, description or "", owner_id, from_ami), volume.size, volume_id
        )
        snapshot.kms_key_id = volume.kms_key_id
        if not self.loading:
            self.world.disks.snapshot(snapshot.id, volume_id)
        return snapshot

    def copy_snapshot(
        self,
        source_snapshot_id: str,
        source_region: str,
        description: str,
        kms_key_id: str | None,
        encrypted: bool = False,
    ) -> Snapshot:
        """A full copy in this Region, without tags and permissions. An unknown KMS key ends in error later, not now."""
        backend = ec2_backends[self.account_id][source_region]
        assert isinstance(backend, SnapshotEC2)
        source = backend.visible_snapshot(source_snapshot_id)
        if source.status != "completed":
            raise EC2ClientError("IncorrectState", f"Snapshot is in invalid state - {source.status}")
        encrypted = encrypted or bool(kms_key_id) or source.encrypted or bool(self.ebs_encryption_by_default)
        known = not kms_key_id or self.key_exists(kms_key_id)
        if encrypted and not kms_key_id:
            kms_key_id = self.default_kms_key_id or self._create_default_encryption_key()
        snapshot = Snapshot(
            self,
            random_snapshot_id(),
            source.volume,
            description or "",
            encrypted=encrypted,
            kms_key_id=self.key_arn(kms_key_id),
        )
        adopted = self._adopt(snapshot, source.volume_size, NO_VOLUME)
        adopted.fails = adopted.fails or not known
        self.snapshots[adopted.id] = adopted
        self.world.disks.copy(adopted.id, source_snapshot_id)
        return adopted

    def _create_default_encryption_key(self) -> str:
        """As moto; and KMS says of the key that AWS manages it."""
        key_id = str(super()._create_default_encryption_key())
        self._kms.describe_key("alias/aws/ebs").key_manager = "AWS"
        return key_id

    def delete_snapshot(self, snapshot_id: str) -> Snapshot:
        """The snapshot and its bytes; only its owner may."""
        if snapshot_id not in self.snapshots or self.snapshots[snapshot_id].owner_id != self.account_id:
            raise not_found([snapshot_id])
        snapshot = super().delete_snapshot(snapshot_id)
        self.world.disks.forget(snapshot_id)
        return snapshot

    def visible_snapshots(self) -> dict[str, LabSnapshot]:
        """This account's snapshots in this Region, and those of others that it may read."""
        found = {one.id: one for one in self.snapshots.values() if isinstance(one, LabSnapshot)}
        for account, regions in list(ec2_backends.items()):
            if account == self.account_id or self.region_name not in list(regions):
                continue
            for snapshot in regions[self.region_name].snapshots.values():
                if isinstance(snapshot, LabSnapshot) and self._readable(snapshot, account):
                    found[snapshot.id] = snapshot.for_others()
        return found

    def _readable(self, snapshot: LabSnapshot, account: str) -> bool:
        if snapshot.owner_id != account:  # an image's, which each account's backend brings along
            return False
        owner = ec2_backends[account][self.region_name]
        blocked = isinstance(owner, SnapshotEC2) and owner.block_public_access == "block-all-sharing"
        if blocked and self.account_id not in snapshot.create_volume_permission_userids:
            return False
        return snapshot.readable_by(self.account_id)

    def visible_snapshot(self, snapshot_id: str) -> LabSnapshot:
        """One of visible_snapshots. Raises InvalidSnapshot.NotFound."""
        found = self.visible_snapshots().get(snapshot_id)
        if found is None:
            raise not_found([snapshot_id])
        return found

    def describe_snapshots(
        self,
        snapshot_ids: list[str] | None = None,
        filters: Any = None,
        owners: Iterable[str] = (),
        restorable_by: Iterable[str] = (),
    ) -> list[Any]:
        """As AWS: without owners everything that can be read, that of the whole world included."""
        found = self.visible_snapshots()
        if missing := set(snapshot_ids or ()) - set(found):
            raise not_found(missing)
        matches = [found[one] for one in snapshot_ids] if snapshot_ids else list(found.values())
        if owners:
            accounts = {self.account_id if owner == "self" else owner for owner in owners}
            matches = [one for one in matches if one.owner_id in accounts or ("amazon" in accounts and one.from_ami)]
        if restorable_by:
            accounts = {self.account_id if user == "self" else user for user in restorable_by}
            matches = [one for one in matches if any(self._restorable(one, account) for account in accounts)]
        return generic_filter(filters, matches) if filters else matches

    @staticmethod
    def _restorable(snapshot: LabSnapshot, account: str) -> bool:
        return (
            snapshot.owner_id == account
            or account in snapshot.create_volume_permission_userids
            or (account == "all" and "all" in snapshot.create_volume_permission_groups)
        )

    def add_create_volume_permission(self, snapshot_id: str, user_ids: list[str], groups: list[str]) -> None:
        """Share, within AWS's rules about encryption and public access."""
        snapshot = self.visible_snapshot(snapshot_id)
        if snapshot.owner_id != self.account_id:
            raise EC2ClientError("UnauthorizedOperation", f"You are not the owner of {snapshot_id}")
        if snapshot.encrypted and groups:
            raise EC2ClientError("OperationNotPermitted", "Encrypted snapshots can't be shared publicly")
        if snapshot.encrypted and self.is_default_key(snapshot.kms_key_id):
            raise EC2ClientError(
                "OperationNotPermitted", f"Encrypted snapshots with EBS default key cannot be shared: {snapshot_id}"
            )
        if groups and self.block_public_access != "unblocked":
            raise EC2ClientError(
                "OperationNotPermitted",
                "You can't publicly share this snapshot because block public access is enabled for this Region.",
            )
        super().add_create_volume_permission(snapshot_id, user_ids, groups)
