# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Launching the host of a build: what is asked for, which host is kept, and what a refusal means."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import (
    BUILD_ID,
    FINGERPRINT,
    KEY_PAIR_ID,
    from_aws,
    tag_filters,
    tag_specifications,
)

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# No room where it was asked for: another zone, or on demand, may have some.
NO_ROOM = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "SpotMaxPriceTooLow",
        "Unsupported",
    }
)
# No Spot Instances for this account now, in whatever zone.
NO_SPOT = frozenset(
    {
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
        "MaxSpotInstanceCountExceeded",
        "VcpuLimitExceeded",
    }
)
# Why a host was taken away that did not even run.
WITHDRAWN = frozenset(
    {"Server.InsufficientInstanceCapacity", "Server.SpotInstanceShutdown", "Server.SpotInstanceTermination"}
)

# The instance of this client token has ended, and EC2 may have forgotten it: another token is needed.
SPENT = "IdempotentInstanceTerminated"

NEXT = "next"
ON_DEMAND = "on-demand"
FAIL = "fail"

LIVE = ("pending", "running")
ENDING = ("shutting-down",)
ENDED = ("terminated",)


@dataclass(frozen=True)
class Launch:
    """What is wanted. Sizes in GiB."""

    name: str
    image_id: str
    instance_type: str
    key_name: str
    key_pair_id: str
    tags: Mapping[str, str]
    spot: bool = True
    subnet_ids: Sequence[str] = ()
    availability_zone: str = ""
    security_group_ids: Sequence[str] = ()
    root_size_gb: int | None = None
    root_device: str = ""
    user_data: str = ""
    iam_instance_profile: str = ""
    client_token_seed: str = ""

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of the instance."""
        return {**self.tags, "Name": self.name, KEY_PAIR_ID: self.key_pair_id}


@dataclass(frozen=True)
class Attempt:
    """One way to get a host; without a subnet it is the default VPC's."""

    spot: bool
    subnet_id: str = ""


@dataclass(frozen=True)
class Choice:
    """What to do with the hosts that there are: keep one, replace others and say why, wait until others have ended.

    gone: ids of those that have ended; a client token must not bring them back.
    """

    keep: Mapping[str, Any] | None
    replace: dict[str, str] = field(default_factory=dict)
    ending: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def check_tags(tags: Mapping[str, Any], *, whole: bool = True) -> dict[str, str]:
    """Tags as texts. Raises PetalError when those are missing by which an instance is found.

    :param whole: whether both fingerprint and build id have to be there; else one of them is enough.
    """
    missing = [key for key in (FINGERPRINT, BUILD_ID) if not tags.get(key)]
    if missing if whole else len(missing) == 2:
        raise PetalError(f"tags lack {' and '.join(missing)}, by which the instance is found")
    return {str(key): str(value) for key, value in tags.items()}


def launch_of(params: Mapping[str, Any]) -> Launch:
    """A module's parameters as what is wanted. Raises PetalError."""
    return Launch(
        name=params["name"],
        image_id=params["image_id"],
        instance_type=params["instance_type"],
        key_name=params["key_name"] or params["name"],
        key_pair_id=params["key_pair_id"],
        tags=check_tags(params["tags"]),
        spot=params["spot"],
        subnet_ids=tuple(params["subnet_ids"]),
        availability_zone=params["availability_zone"] or "",
        security_group_ids=tuple(params["security_group_ids"]),
        root_size_gb=params["root_size_gb"],
        root_device=params["root_device"] or "",
        user_data=params["user_data"] or "",
        iam_instance_profile=params["iam_instance_profile"] or "",
        client_token_seed=params["client_token_seed"] or "",
    )


def filters(name: str, tags: Mapping[str, str], *, build: bool) -> list[dict[str, Any]]:
    """``Filters`` that find the hosts of a fingerprint; with build only those of that build."""
    keys = (FINGERPRINT, BUILD_ID) if build else (FINGERPRINT,)
    return tag_filters({"Name": name, **{key: tags[key] for key in keys if key in tags}})


def instances_of(reservations: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The instances of an answer to DescribeInstances."""
    return [instance for reservation in reservations for instance in reservation.get("Instances", ())]


def state_of(instance: Mapping[str, Any]) -> str:
    """pending, running, shutting-down, terminated, stopping or stopped."""
    return str(instance.get("State", {}).get("Name", ""))


def choose(instances: Sequence[Mapping[str, Any]], launch: Launch) -> Choice:
    """Which host is kept: the build's own, with its key and where the volume is; a running one before a pending one."""
    keep: Mapping[str, Any] | None = None
    replaced: dict[str, str] = {}
    order = sorted(instances, key=lambda one: (state_of(one) != "running", str(one.get("LaunchTime", ""))))
    for instance in order:
        if state_of(instance) in ENDING + ENDED:
            continue
        wrong = unfit(instance, launch) or ("it is a second one" if keep is not None else "")
        if wrong:
            replaced[str(instance["InstanceId"])] = wrong
        else:
            keep = instance
    ids = {state: [str(one["InstanceId"]) for one in instances if state_of(one) == state] for state in ENDING + ENDED}
    return Choice(keep, replaced, ids["shutting-down"], sorted([*ids["terminated"], *ids["shutting-down"]]))


def unfit(instance: Mapping[str, Any], launch: Launch) -> str:
    """Why a host cannot be used, as a clause; empty when it can."""
    tags = from_aws(instance.get("Tags"))
    zone = str(instance.get("Placement", {}).get("AvailabilityZone", ""))
    if state_of(instance) not in LIVE:
        return f"it is {state_of(instance)}"
    if tags.get(BUILD_ID) != launch.tags.get(BUILD_ID):
        return f"it is of the build {tags.get(BUILD_ID, 'unknown')}"
    if tags.get(KEY_PAIR_ID) != launch.key_pair_id:
        return "its private key is not here"
    if launch.iam_instance_profile and not instance.get("IamInstanceProfile"):
        return "it has no instance profile"
    if launch.availability_zone and zone != launch.availability_zone:
        return f"it is in {zone}, the volume in {launch.availability_zone}"
    return ""


def attempts(launch: Launch) -> list[Attempt]:
    """The ways to get a host in the order in which they are tried: Spot everywhere, then on demand everywhere."""
    markets = (True, False) if launch.spot else (False,)
    return [Attempt(spot, subnet) for spot in markets for subnet in launch.subnet_ids or ("",)]


def meaning(code: str, spot: bool) -> str:
    """What to do after AWS has refused: try the next way, only on demand any more, or fail."""
    if code in NO_ROOM:
        return NEXT
    return ON_DEMAND if spot and code in NO_SPOT else FAIL


def parameters(launch: Launch, attempt: Attempt, gone: Sequence[str]) -> dict[str, Any]:
    """The parameters of RunInstances.

    :param gone: hosts of this build that have ended. The same token would give them back.
    """
    ebs: dict[str, Any] = {"DeleteOnTermination": True, "Encrypted": True, "VolumeType": "gp3"}
    if launch.root_size_gb:
        ebs["VolumeSize"] = launch.root_size_gb
    tags = launch.all_tags
    # Not by the volume's name: that is the one with the software.
    root_tags = {**launch.tags, "Name": f"{launch.name}-root"}
    kinds = ["instance", "network-interface", *(["spot-instances-request"] if attempt.spot else [])]
    wanted: dict[str, Any] = {
        "ImageId": launch.image_id,
        "InstanceType": launch.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": launch.key_name,
        "BlockDeviceMappings": [{"DeviceName": launch.root_device, "Ebs": ebs}],
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "TagSpecifications": [*tag_specifications(kinds, tags), *tag_specifications(["volume"], root_tags)],
    }
    if launch.security_group_ids:
        wanted["SecurityGroupIds"] = list(launch.security_group_ids)
    if attempt.subnet_id:
        wanted["SubnetId"] = attempt.subnet_id
    elif launch.availability_zone:
        wanted["Placement"] = {"AvailabilityZone": launch.availability_zone}
    if launch.user_data:
        wanted["UserData"] = launch.user_data
    if launch.iam_instance_profile:
        by = "Arn" if launch.iam_instance_profile.startswith("arn:") else "Name"
        wanted["IamInstanceProfile"] = {by: launch.iam_instance_profile}
    if attempt.spot:
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        wanted["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    return {**wanted, "ClientToken": client_token(launch, wanted, gone)}


def client_token(launch: Launch, wanted: Mapping[str, Any], gone: Sequence[str]) -> str:
    """64 hex digits: the same for the same request of the same build, as long as no host of it has ended."""
    seed = launch.client_token_seed or f"{launch.tags.get(BUILD_ID, '')} {launch.key_pair_id}"
    text = json.dumps([seed, sorted(gone), wanted], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def ended_because(instance: Mapping[str, Any]) -> tuple[str, str]:
    """EC2's code and sentence for why an instance has ended."""
    reason = instance.get("StateReason") or {}
    code = str(reason.get("Code") or "")
    said = str(reason.get("Message") or instance.get("StateTransitionReason") or "no reason given")
    return code, said


def record(instance: Mapping[str, Any]) -> dict[str, Any]:
    """An instance as the module returns it."""
    return {
        "instance_id": str(instance.get("InstanceId", "")),
        "state": state_of(instance),
        "availability_zone": str(instance.get("Placement", {}).get("AvailabilityZone", "")),
        "subnet_id": instance.get("SubnetId"),
        "vpc_id": instance.get("VpcId"),
        "public_ip": instance.get("PublicIpAddress"),
        "private_ip": instance.get("PrivateIpAddress"),
        "spot": instance.get("InstanceLifecycle") == "spot",
        "instance_type": instance.get("InstanceType"),
        "image_id": instance.get("ImageId"),
    }
