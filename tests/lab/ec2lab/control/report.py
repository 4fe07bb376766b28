"""What is left in the lab, as somebody who pays for it would see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.ssm.models import ssm_backends

from ec2lab.control.instances import InstanceEC2, LabInstance

Left = Iterator[tuple[Any, dict[str, Any]]]


def leaks() -> dict[str, list[dict[str, Any]]]:
    """Everything that a user made and did not take away, by kind, in all accounts and Regions."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for account, regions in list(ec2_backends.items()):
        for region, backend in list(regions.items()):
            if not isinstance(backend, InstanceEC2):
                continue
            for kind, left in KINDS.items():
                for resource, more in left(backend):
                    tags = (
                        {tag["key"]: tag["value"] for tag in resource.get_tags()}
                        if hasattr(resource, "get_tags")
                        else {}
                    )
                    found[kind].append({"id": resource.id, "account": account, "region": region, "tags": tags, **more})
    found["roles"] = [
        {"id": role.name, "account": account}
        for account, partitions in list(iam_backends.items())
        for iam in list(partitions.values())
        for role in list(iam.roles.values())
    ]
    found["buckets"] = [
        {"id": name, "account": account}
        for account, partitions in list(s3_backends.items())
        for s3 in list(partitions.values())
        for name in list(s3.buckets)
    ]
    # Of builds: others are what a site keeps there.
    found["build_keys"] = [
        {"id": name, "account": account, "region": region}
        for account, regions in list(ssm_backends.items())
        for region, ssm in list(regions.items())
        for name in list(ssm._parameters)
        if name.startswith("/petal/build-keys/")
    ]
    return found


def _instances(backend: InstanceEC2) -> Left:
    return ((one, {"state": one.state}) for one in backend.lab_instances() if one.state != "terminated")


def _volumes(backend: InstanceEC2) -> Left:
    for one in backend.volumes.values():
        # A root volume goes with its instance.
        root = bool(one.attachment and one.attachment.device == one.attachment.instance.root_device_name)
        yield one, {"state": one.status, "root": root}


def _snapshots(backend: InstanceEC2) -> Left:
    own = (one for one in backend.snapshots.values() if one.owner_id == backend.account_id)
    return ((one, {"state": one.status, "description": one.description}) for one in own)


def _images(backend: InstanceEC2) -> Left:
    return ((one, {"name": one.name}) for one in backend.amis.values() if one.owner_id == backend.account_id)


def _key_pairs(backend: InstanceEC2) -> Left:
    return ((one, {"name": one.key_name}) for one in backend.key_pairs.values())


def _security_groups(backend: InstanceEC2) -> Left:
    every = (one for groups in backend.groups.values() for one in groups.values())
    return ((one, {"name": one.name}) for one in every if one.name != "default")


def _spot_requests(backend: InstanceEC2) -> Left:
    for one in backend.spot_instance_requests.values():
        over = isinstance(one.instance, LabInstance) and not one.instance.alive
        if one.state in ("open", "active") and not over:
            yield one, {"state": one.state}


def _vpcs(backend: InstanceEC2) -> Left:
    return ((one, {}) for one in backend.vpcs.values() if one is not backend.default_vpc)


def _subnets(backend: InstanceEC2) -> Left:
    every = (one for subnets in backend.subnets.values() for one in subnets.values())
    return ((one, {}) for one in every if one.vpc_id != backend.default_vpc.id)


def _internet_gateways(backend: InstanceEC2) -> Left:
    return ((one, {}) for one in backend.internet_gateways.values())


def _route_tables(backend: InstanceEC2) -> Left:
    others = [one.id for one in backend.vpcs.values() if one is not backend.default_vpc]
    return ((one, {}) for one in backend.route_tables.values() if one.vpc_id in others)


def _network_interfaces(backend: InstanceEC2) -> Left:
    for one in backend.enis.values():
        if not isinstance(one.instance, LabInstance) or one.instance.state == "terminated":
            yield one, {}


def _addresses(backend: InstanceEC2) -> Left:
    return ((one, {}) for one in backend.addresses)


KINDS = {
    "instances": _instances,
    "volumes": _volumes,
    "snapshots": _snapshots,
    "images": _images,
    "key_pairs": _key_pairs,
    "security_groups": _security_groups,
    "spot_requests": _spot_requests,
    "vpcs": _vpcs,
    "subnets": _subnets,
    "internet_gateways": _internet_gateways,
    "route_tables": _route_tables,
    "network_interfaces": _network_interfaces,
    "addresses": _addresses,
}
