"""Machine images: the official ones, and those that users make, whose root has what their instance had."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami

from ec2lab.control.base import adopt
from ec2lab.control.images import System, system_of
from ec2lab.control.instances import InstanceEC2, LabInstance
from ec2lab.control.snapshots import LabSnapshot
from ec2lab.data.store import keep_tree

Tags = Mapping[str, Mapping[str, str]]


class LabImage(Ami):
    """An image: what it is made of, its disks, and since when it is not recommended any more."""

    gib = 8
    deprecation_time: str | None = None
    system: System | None = None
    #: By their devices; none of an official one, whose root is the lab's own.
    disks: Mapping[str, LabSnapshot] | None = None
    foreign = False

    @property
    def state(self) -> str:
        """As its snapshots: pending, available or failed."""
        states = {one.status for one in (self.disks or {}).values()}
        return "failed" if "error" in states else "pending" if "pending" in states else "available"

    @state.setter
    def state(self, value: str) -> None:
        """moto's constructor sets one; snapshots decide here."""

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """Its volumes, the root first."""
        known = {"DeleteOnTermination": True, "VolumeType": "gp3"}
        if self.disks is None:
            ebs = {"SnapshotId": self.ebs_snapshot.id, "VolumeSize": self.gib, "Encrypted": False}
            return [{"DeviceName": self.root_device_name, "Ebs": {**ebs, **known}}]
        return [
            {
                "DeviceName": device,
                "Ebs": {
                    "SnapshotId": one.id,
                    "VolumeSize": one.volume_size,
                    "Encrypted": bool(one.encrypted),
                    **known,
                },
            }
            for device, one in self.disks.items()
        ]

    def get_tags(self) -> list[dict[str, str]]:
        """Tags are the owner's alone."""
        return [] if self.foreign else super().get_tags()

    def for_others(self) -> LabImage:
        """The same as other accounts see it."""
        seen = copy.copy(self)
        seen.foreign = True
        return seen

    def usable_by(self, account: str) -> bool:
        """Whether an account that does not own it may launch it."""
        allowed = self.launch_permissions
        return {"Group": "all"} in allowed or any(one.get("UserId") == account for one in allowed)


# moto's serializer goes by the names of classes.
LabImage.__name__ = "Ami"


class ImageEC2(InstanceEC2):
    """Image calls of the EC2 backend."""

    def image_of(self, image_id: str) -> LabImage | None:
        """One of those that this account may launch; None where there is none."""
        return next((one for one in self.visible_images() if one.id == image_id), None)

    def own_image(self, image_id: str) -> LabImage:
        """One of this account, which alone may change it."""
        image = self.amis.get(image_id)
        if not isinstance(image, LabImage):
            raise InvalidAMIIdError([image_id])
        if image.owner_id != self.account_id:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{image_id}")
        return image

    def modify_image_attribute(
        self, ami_id: str, launch_permissions_to_add: list[Any], launch_permissions_to_remove: list[Any]
    ) -> None:
        """One direction at a time, and nothing to give of what others cannot decrypt."""
        image = self.own_image(ami_id)
        if launch_permissions_to_add and launch_permissions_to_remove:
            raise EC2ClientError("InvalidParameterCombination", "You cannot add and remove in a single operation")
        for one in (image.disks or {}).values() if launch_permissions_to_add else ():
            if one.encrypted and self.is_default_key(one.kms_key_id):
                raise EC2ClientError(
                    "InvalidParameter", f"Snapshot {one.id} is encrypted with the EBS default key: cannot be shared"
                )
            if one.encrypted and {"Group": "all"} in launch_permissions_to_add:
                raise EC2ClientError("InvalidParameter", f"Image {ami_id} is encrypted: cannot be public")
        super().modify_image_attribute(ami_id, launch_permissions_to_add, launch_permissions_to_remove)

    def visible_images(self) -> Iterator[LabImage]:
        """Those in this Region that are the account's, AWS's, or shared with it."""
        yield from (one for one in self.amis.values() if isinstance(one, LabImage))
        for account, regions in list(ec2_backends.items()):
            if account == self.account_id or self.region_name not in list(regions):
                continue
            for one in regions[self.region_name].amis.values():
                if isinstance(one, LabImage) and one.owner_id == account and one.usable_by(self.account_id):
                    yield one.for_others()

    def describe_images(
        self, ami_ids: list[str] | None = None, filters: Any = None, exec_users: Any = None, owners: Any = None
    ) -> list[Any]:
        """As moto, and with what other accounts share."""
        mine = self.amis
        self.amis = {one.id: one for one in self.visible_images()}
        try:
            return super().describe_images(ami_ids, filters, exec_users, owners)
        finally:
            self.amis = mine

    def image_from(self, instance_id: str, name: str, description: str, tags: Tags, without: set[str]) -> LabImage:
        """CreateImage: the bytes of this moment, of the root and of all volumes that are attached.

        ``without``: devices that are left out. Of an instance that runs the lab makes none with a reboot.
        """
        instance = self.get_instance(instance_id)
        assert isinstance(instance, LabInstance)
        if instance.state not in ("running", "stopped"):
            raise EC2ClientError(
                "IncorrectState", f"Instance '{instance_id}' is not in the 'running' or 'stopped' state"
            )
        self._check_name(name)
        # The lab's own launches look no further than here.
        parent = self.image_of(instance.image_id)
        with self.unreal():
            image = super().create_image(instance_id, name, description, [])
        self.snapshots.pop(image.ebs_snapshot.id, None)
        adopt(image, LabImage)
        assert isinstance(image, LabImage)
        image.system = (parent.system if parent else None) or system_of(image.owner_id, name)
        image.root_device_name, image.root_device_type = instance.root_device_name, "ebs"
        image.hypervisor, image.launch_permissions = "xen", []
        image.disks = {
            device: self._disk_of(image, instance, device, tags.get("snapshot", {}))
            for device in sorted(set(instance.block_device_mapping) - without, key=instance.root_device_name.__ne__)
        }
        image.ebs_snapshot = image.disks[instance.root_device_name]
        image.add_tags(dict(tags.get("image", {})))
        return image

    def _check_name(self, name: str) -> None:
        """An account has one image of a name."""
        for one in self.amis.values():
            if one.name == name and one.owner_id == self.account_id:
                raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {one.id}")

    def _disk_of(self, image: LabImage, instance: LabInstance, device: str, tags: Mapping[str, str]) -> LabSnapshot:
        made = self.create_snapshot(
            instance.block_device_mapping[device].volume_id,
            f"Created by CreateImage({instance.id}) for {image.id}",
        )
        assert isinstance(made, LabSnapshot)
        made.add_tags(dict(tags))
        if device == instance.root_device_name:
            keep_tree(self.world.store / "instances" / instance.id / "upper", self.world.disks.tree(made.id))
        return made

    def copied_image(self, image_id: str, region: str, name: str, description: str, **more: Any) -> LabImage:
        """CopyImage: a copy of all of its snapshots, without tags and permissions. ``more``: of copy_snapshot."""
        source_backend = ec2_backends[self.account_id][region]
        assert isinstance(source_backend, ImageEC2)
        source = source_backend.image_of(image_id)
        if source is None or source.disks is None:
            raise InvalidAMIIdError([image_id])
        if source.state != "available":
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")
        self._check_name(name)
        with self.unreal():
            image = Ami(self, _new_id(), source_ami=source, name=name, description=description)
        self.snapshots.pop(image.ebs_snapshot.id, None)
        adopt(image, LabImage)
        assert isinstance(image, LabImage)
        image.system, image.root_device_name, image.root_device_type = source.system, source.root_device_name, "ebs"
        disks: dict[str, LabSnapshot] = {}
        for device, one in source.disks.items():
            made = self.copy_snapshot(one.id, region, f"Copied for DestinationAmi {image.id} from SourceAmi", **more)
            assert isinstance(made, LabSnapshot)
            disks[device] = made
        image.disks, image.ebs_snapshot = disks, disks[image.root_device_name]
        self.amis[image.id] = image
        return image

    def delete_snapshot(self, snapshot_id: str) -> Any:
        """Not while an image stands on it."""
        for image in self.amis.values():
            if isinstance(image, LabImage) and snapshot_id in {one.id for one in (image.disks or {}).values()}:
                raise EC2ClientError(
                    "InvalidSnapshot.InUse", f"The snapshot {snapshot_id} is currently in use by {image.id}"
                )
        return super().delete_snapshot(snapshot_id)

    def deregister_image(self, ami_id: str) -> None:
        """Only its owner may; its snapshots stay."""
        if ami_id in self.amis and self.amis[ami_id].owner_id != self.account_id:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{ami_id}")
        super().deregister_image(ami_id)


def _new_id() -> str:
    from moto.ec2.utils import random_ami_id

    return str(random_ami_id())
