"""From moto's record of an instance to what a host is started from."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from moto.ec2.models.amis import Ami
from moto.ec2.models.instances import Instance

from ec2lab.control.images import System
from ec2lab.data.host import Spec
from ec2lab.data.metadata import Metadata
from ec2lab.data.network import Interface
from ec2lab.settings import Settings, access_key


def mappings_of(image: Ami, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The block devices of a launch: those of the image, changed and extended by those that were asked for."""
    merged: dict[str, dict[str, Any]] = {}
    for one in image.block_device_mappings:
        ebs = one["Ebs"]
        merged[one["DeviceName"]] = {
            "VolumeSize": ebs["VolumeSize"],
            "VolumeType": ebs["VolumeType"],
            "DeleteOnTermination": ebs["DeleteOnTermination"],
            # Of AWS's own images the lab keeps no bytes.
            **({"SnapshotId": ebs["SnapshotId"]} if getattr(image, "disks", None) else {}),
        }
    for one in asked:
        if "Ebs" in one and one.get("NoDevice") is None:
            defaults = {"VolumeType": "gp2", "DeleteOnTermination": True}
            merged[one["DeviceName"]] = {
                **merged.get(one["DeviceName"], defaults),
                **{key: value for key, value in one["Ebs"].items() if value is not None},
            }
        elif one.get("DeviceName") != image.root_device_name:
            merged.pop(one.get("DeviceName", ""), None)
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in merged.items()]


def spec_of(instance: Instance, settings: Settings) -> Spec:
    """What the host of an instance is started from."""
    backend = instance.ec2_backend
    system: System = vars(instance)["system"]
    nic = instance.nics[0]
    vpc = backend.get_vpc(nic.subnet.vpc_id)
    key = backend.key_pairs.get(instance.key_name)
    hostname = instance.private_dns_name.partition(".")[0]
    items = {
        "ami-id": instance.image_id,
        "hostname": instance.private_dns_name,
        "instance-id": instance.id,
        "instance-life-cycle": instance.lifecycle or "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name,
        "local-ipv4": str(nic.private_ip_address),
        "mac": nic.mac_address,
        "placement/availability-zone": str(instance.availability_zone),
        "placement/region": backend.region_name,
        "security-groups": "\n".join(group.name for group in nic.group_set),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    if nic.public_ip:
        items.update({"public-ipv4": nic.public_ip, "public-hostname": str(instance.public_dns_name)})
    if key is not None:
        items.update({"public-keys": f"0={key.key_name}", "public-keys/0/openssh-key": key.public_key})
    if instance.metadata_options.instance_metadata_tags == "enabled":
        items.update({f"tags/instance/{tag['key']}": tag["value"] for tag in instance.get_tags()})
    if profile := backend.iam_instance_profile_associations.get(instance.id):
        items.update(_credentials(profile.iam_instance_profile, backend.account_id))
    identity = {
        "accountId": backend.account_id,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "pendingTime": f"{instance.launch_time:%Y-%m-%dT%H:%M:%SZ}",
        "privateIp": nic.private_ip_address,
        "region": backend.region_name,
        "version": "2017-09-30",
    }
    user_data = instance.user_data
    metadata = Metadata(
        items,
        identity,
        base64.b64decode(str(user_data)) if user_data else b"",
        instance.metadata_options.http_tokens == "required",
    )
    interface = Interface(vpc.id, vpc.cidr_block, str(nic.private_ip_address), nic.public_ip)
    return Spec(
        instance.id,
        hostname,
        system.user,
        system.os_release if settings.os_release == "image" else "",
        interface,
        metadata,
        settings.shares,
        system.agent,
    )


def _credentials(profile: Any, account: str) -> dict[str, str]:
    """The role of an instance profile, as the metadata service hands it out."""
    now = datetime.now(timezone.utc)
    document = {
        "Code": "Success",
        "LastUpdated": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "Type": "AWS-HMAC",
        "AccessKeyId": access_key(account),
        "SecretAccessKey": "lab",
        "Token": "lab",
        "Expiration": f"{now + timedelta(hours=6):%Y-%m-%dT%H:%M:%SZ}",
    }
    return {f"iam/security-credentials/{role.name}": json.dumps(document) for role in profile.roles}
