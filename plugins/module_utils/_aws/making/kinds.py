# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a build makes one of on AWS, how AWS calls it, and what its state means for who waits for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import to_aws

READY = "ready"
WAIT = "wait"
GONE = "gone"
FAILED = "failed"
# AWS has it under this name or with these addresses, or made it for this token, and its lists may not know it yet.
THERE = frozenset({"IdempotentParameterMismatch", "InvalidGroup.Duplicate", "InvalidSubnet.Conflict"})


@dataclass(frozen=True)
class Kind:
    """A kind of resource.

    make, describe: methods of boto3's client. found: where the answer to describe has the list. identifier: the key of
    the id. ids: the parameter that asks for ids. resource_type: in TagSpecifications. token: whether the call that
    makes one takes a client token. within: the key under which its answer has the resource; empty: it is the answer.
    """

    make: str
    describe: str
    found: str
    identifier: str
    ids: str
    resource_type: str
    token: bool = False
    within: str = ""


KINDS: Mapping[str, Kind] = {
    "volume": Kind("create_volume", "describe_volumes", "Volumes", "VolumeId", "VolumeIds", "volume", token=True),
    "security_group": Kind(
        "create_security_group", "describe_security_groups", "SecurityGroups", "GroupId", "GroupIds", "security-group"
    ),
    "subnet": Kind("create_subnet", "describe_subnets", "Subnets", "SubnetId", "SubnetIds", "subnet", within="Subnet"),
}


def filters_of(filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``Filters`` of a Describe call. Raises PetalError without any: everything in the account would be found."""
    if not filters:
        raise PetalError("filters are missing, by which the resource is found")
    values = {name: value if isinstance(value, list) else [value] for name, value in filters.items()}
    return [{"Name": name, "Values": [str(one) for one in values[name]]} for name in sorted(values)]


def parameters(
    kind: Kind, given: Mapping[str, Any], tags: Mapping[str, Any], seed: str, generation: int
) -> dict[str, Any]:
    """The parameters of the call that makes one.

    :param seed: what the client token is made of, where the call takes one: the same for the same build, so that who
        asks again is given the same one.
    :param generation: how many that were made with this seed are gone.
    """
    wanted = {name: value for name, value in given.items() if value not in (None, "")}
    specification = {
        "ResourceType": kind.resource_type,
        "Tags": to_aws({str(key): str(value) for key, value in tags.items()}),
    }
    token = hashlib.sha256(json.dumps([kind.make, seed, generation]).encode("utf-8")).hexdigest()
    return {**wanted, "TagSpecifications": [specification], **({"ClientToken": token} if kind.token else {})}


def progress_of(resource: Mapping[str, Any] | None) -> str:
    """What to do about a resource as Describe shows it; None: it is not shown (yet)."""
    if resource is None:
        return WAIT
    # Security groups have no state: they are there.
    state = str(resource.get("State", "available"))
    if state in ("available", "in-use"):
        return READY
    return {"creating": WAIT, "pending": WAIT, "deleting": GONE, "deleted": GONE}.get(state, FAILED)


def oldest(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one that is gone on with: of several the oldest that is not about to go."""
    living = [one for one in found if progress_of(one) in (READY, WAIT)]
    return min(living, key=lambda one: str(one.get("CreateTime", "")), default=None)
