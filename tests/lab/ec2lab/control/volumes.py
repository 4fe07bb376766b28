"""EBS volumes: states that take time, real bytes, detach that waits for the unmount."""

from __future__ import annotations

import copy
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidVolumeAttachmentError, InvalidVolumeDetachmentError
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import Volume, VolumeAttachment

from ec2lab.control.base import adopt
from ec2lab.control.snapshots import SnapshotEC2
from ec2lab.control.world import now

# How often the lab looks whether an instance has let go of a volume.
LOOK = 0.3
# After so long, an attachment that waits for its unmount is called busy.
BUSY_AFTER = 2.0


class LabVolume(Volume):
    """A volume that is being created for a while, and may fail to be."""

    ready_at = 0.0
    fails = False

    @property
    def status(self) -> str:
        """creating, available, in-use or error."""
        if now() < self.ready_at:
            return "creating"
        if self.fails:
            return "error"
        return "in-use" if self.attachment else "available"


# For mypy it is abstract; moto makes some too.
_Attachment: Any = VolumeAttachment

# moto's serializer goes by the names of classes.
LabVolume.__name__ = "Volume"


class VolumeEC2(SnapshotEC2):
    """Volume calls of the EC2 backend."""

    def create_volume(
        self,
        size: Any,
        zone_name: str,
        snapshot_id: str | None = None,
        encrypted: bool = False,
        kms_key_id: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Volume:
        """As AWS: the snapshot may be another account's, must be complete and not larger; encryption may be forced."""
        if self.loading:
            return super().create_volume(size, zone_name, snapshot_id, encrypted, kms_key_id, *args, **kwargs)
        if self.get_zone_by_name(zone_name) is None:
            raise EC2ClientError("InvalidZone.NotFound", f"The zone '{zone_name}' does not exist.")
        snapshot = self.visible_snapshot(snapshot_id) if snapshot_id else None
        if snapshot:
            if snapshot.status != "completed":
                raise EC2ClientError("IncorrectState", f"Snapshot is in invalid state - {snapshot.status}")
            size = snapshot.volume_size if size is None else int(size)
            if size < snapshot.volume_size:
                raise EC2ClientError(
                    "InvalidParameterValue",
                    f"Volume of {size}GiB is smaller than snapshot '{snapshot_id}', "
                    f"expect size >= {snapshot.volume_size}GiB",
                )
        encrypted = encrypted or bool(self.ebs_encryption_by_default) or bool(snapshot and snapshot.encrypted)
        if snapshot and snapshot.encrypted and not kms_key_id and snapshot.owner_id == self.account_id:
            kms_key_id = snapshot.kms_key_id
        volume = super().create_volume(size, zone_name, None, encrypted, self.key_arn(kms_key_id), *args, **kwargs)
        adopt(volume, LabVolume)
        assert isinstance(volume, LabVolume)
        volume.size = int(volume.size)
        volume.snapshot_id = snapshot_id or ""
        volume.multi_attach_enabled = bool(volume.multi_attach_enabled)
        volume.ready_at = now() + self.world.settings.delays.volume_creating
        volume.fails = bool(kms_key_id) and not self.key_exists(str(kms_key_id))
        self.world.disks.create(volume.id, volume.size, snapshot_id or "")
        return volume

    def modify_volume(self, volume_id: str, target_size: Any = None, *args: Any, **kwargs: Any) -> Volume:
        """A volume only grows; the instance sees it at once."""
        volume = self.get_volume(volume_id)
        if target_size and int(target_size) < volume.size:
            raise EC2ClientError("InvalidParameterValue", "New size cannot be smaller than existing size")
        changed = super().modify_volume(volume_id, target_size and int(target_size), *args, **kwargs)
        if target_size:
            self.world.disks.grow(volume_id, int(target_size))
        return changed

    def delete_volume(self, volume_id: str) -> Volume:
        """The volume and its bytes. Raises VolumeInUse."""
        volume = super().delete_volume(volume_id)
        self.world.disks.delete(volume_id)
        return volume

    def attach_volume(
        self, volume_id: str, instance_id: str, device_path: str, delete_on_termination: bool = False
    ) -> VolumeAttachment | None:
        """Attaching takes time; then the device is in the instance."""
        volume, instance = self.get_volume(volume_id), self.get_instance(instance_id)
        launching = not hasattr(instance, "host")
        if not launching:
            self._attachable(volume, instance, device_path)
        mapping = BlockDeviceType(
            volume_id=volume_id, status="attaching", size=volume.size, delete_on_termination=delete_on_termination
        )
        volume.attachment = _Attachment(volume, instance, device_path, "attaching")
        mapping.attach_time = volume.attachment.attach_time
        instance.block_device_mapping[device_path] = mapping
        if launching:  # comes with the first boot
            return volume.attachment
        attachment = volume.attachment
        if not self.world.faults.take("stuck-attaching", account=self.account_id):
            self.world.later(self.world.settings.delays.volume_attaching, lambda: self.complete_attachment(attachment))
        return attachment

    def _attachable(self, volume: Volume, instance: Any, device_path: str) -> None:
        if volume.status == "creating" or volume.status == "error":
            raise EC2ClientError(
                "IncorrectState", f"Volume {volume.id} is in the '{volume.status}' state, and so cannot be attached."
            )
        if volume.attachment:
            raise EC2ClientError("VolumeInUse", f"{volume.id} is already attached to an instance")
        if instance.state not in ("running", "stopped", "stopping"):
            raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
        if volume.availability_zone != instance.availability_zone:
            raise EC2ClientError(
                "InvalidVolume.ZoneMismatch",
                f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'",
            )
        if device_path in instance.block_device_mapping:
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Invalid value '{device_path}' for unixDevice. Attachment point {device_path} is already in use",
            )

    def complete_attachment(self, attachment: VolumeAttachment) -> None:
        """Bring the device into the instance, if it still is to be there and the instance runs."""
        volume, instance = attachment.volume, attachment.instance
        if volume.attachment is not attachment or attachment.status != "attaching":
            return
        if attachment.device != instance.root_device_name and instance.host is not None and instance.host.running:
            self.world.disks.attach(volume.id, instance.host)
        self._mark(attachment, "attached")

    def detach_volume(
        self, volume_id: str, instance_id: str, device_path: str, *, force: bool = False
    ) -> VolumeAttachment:
        """Detaching lasts until the instance has unmounted; the answer comes at once."""
        volume = self.get_volume(volume_id)
        attachment = volume.attachment
        if attachment is None:
            raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
        if instance_id and attachment.instance.id != instance_id:
            raise InvalidVolumeAttachmentError(volume_id, instance_id)
        if device_path and attachment.device != device_path:
            raise InvalidVolumeDetachmentError(volume_id, instance_id, device_path)
        if attachment.device == attachment.instance.root_device_name and attachment.instance.state != "stopped":
            raise EC2ClientError(
                "OperationNotPermitted",
                f"Unable to detach root volume '{volume_id}' from instance '{attachment.instance.id}'",
            )
        self._mark(attachment, "detaching")
        started = now()
        self.world.later(self.world.settings.delays.volume_detaching, lambda: self._let_go(attachment, started, force))
        return copy.copy(attachment)

    def _let_go(self, attachment: VolumeAttachment, started: float, force: bool) -> None:
        volume = attachment.volume
        if volume.attachment is not attachment or attachment.status not in ("detaching", "busy"):
            return
        try:
            self.world.disks.detach(volume.id, force=force)
        except OSError:
            if now() - started > BUSY_AFTER:
                self._mark(attachment, "busy")
            self.world.later(LOOK, lambda: self._let_go(attachment, started, force))
            return
        self.release(attachment)

    def release(self, attachment: VolumeAttachment) -> None:
        """An attachment is no more."""
        attachment.instance.block_device_mapping.pop(attachment.device, None)
        attachment.status = "detached"
        attachment.volume.attachment = None

    def _mark(self, attachment: VolumeAttachment, status: str) -> None:
        attachment.status = status
        mapping = attachment.instance.block_device_mapping.get(attachment.device)
        if mapping is not None:
            mapping.status = status
