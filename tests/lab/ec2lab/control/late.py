"""What was just made and is not to be seen yet: AWS answers before all that Describe calls read know of it."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ec2lab.control.faults import Fault


@dataclass(frozen=True)
class Kind:
    """A kind of resource: the element of its id, the call that lists it, and the error for an id that is not there."""

    element: str
    describe: str
    code: str


SNAPSHOT = Kind("snapshotId", "DescribeSnapshots", "InvalidSnapshot.NotFound")
IMAGE = Kind("imageId", "DescribeImages", "InvalidAMIID.NotFound")
KEY_PAIR = Kind("keyPairId", "DescribeKeyPairs", "InvalidKeyPair.NotFound")
# By the call that makes one.
KINDS = {
    "CopyImage": IMAGE,
    "CopySnapshot": SNAPSHOT,
    "CreateImage": IMAGE,
    "CreateInternetGateway": Kind("internetGatewayId", "DescribeInternetGateways", "InvalidInternetGatewayID.NotFound"),
    "CreateKeyPair": KEY_PAIR,
    "CreateRouteTable": Kind("routeTableId", "DescribeRouteTables", "InvalidRouteTableID.NotFound"),
    "CreateSecurityGroup": Kind("groupId", "DescribeSecurityGroups", "InvalidGroup.NotFound"),
    "CreateSnapshot": SNAPSHOT,
    "CreateSubnet": Kind("subnetId", "DescribeSubnets", "InvalidSubnetID.NotFound"),
    "CreateVolume": Kind("volumeId", "DescribeVolumes", "InvalidVolume.NotFound"),
    "CreateVpc": Kind("vpcId", "DescribeVpcs", "InvalidVpcID.NotFound"),
    "ImportKeyPair": KEY_PAIR,
    "RunInstances": Kind("instanceId", "DescribeInstances", "InvalidInstanceID.NotFound"),
}


@dataclass(frozen=True)
class Hidden:
    """An id that no Describe call shows until a moment."""

    kind: Kind
    identifier: str
    name: str
    until: float


class Late:
    """What is not to be seen yet. ``clock`` gives seconds; a test has its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing."""
        self._clock = clock
        self._hidden: list[Hidden] = []

    def made(self, action: str, body: bytes, fault: Fault) -> None:
        """Hide what a call that went well has made."""
        kind = KINDS[action]
        root = ET.fromstring(body)
        until = self._clock() + (fault.after or 0.0)
        for element in _all(root, kind.element):
            name = next((one.text or "" for one in _all(root, "keyName")), "")
            self._hidden.append(Hidden(kind, element.text or "", name, until))

    def refuses(self, action: str, parameters: Mapping[str, str]) -> Fault | None:
        """The error for a Describe call that asks for something hidden by its id or its name."""
        if not action.startswith("Describe"):
            return None
        for one in self._now():
            for key, value in parameters.items():
                named = key.startswith("KeyName") and value == one.name
                if not key.startswith("Filter") and (value == one.identifier or named):
                    message = f"The ID '{value}' does not exist (the lab shows it later)"
                    return Fault("late", code=one.kind.code, status=400, message=message)
        return None

    def without(self, action: str, body: bytes) -> bytes:
        """The answer of a Describe call without what is hidden."""
        hidden = {one.identifier: one.kind for one in self._now() if one.kind.describe == action}
        if not any(identifier.encode() in body for identifier in hidden):
            return body
        root = ET.fromstring(body)
        space = re.match(r"\{(.*)\}", root.tag)
        if space:
            ET.register_namespace("", space[1])
        element = next(iter(hidden.values())).element
        for parent in list(root.iter()):
            for child in list(parent):
                if any(_name(one) == element and one.text in hidden for one in child):
                    parent.remove(child)
        # A reservation without instances is none.
        for parent in list(root.iter()):
            for child in list(parent):
                if any(_name(one) == "instancesSet" and not len(one) for one in child):
                    parent.remove(child)
        shown: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
        return shown

    def _now(self) -> list[Hidden]:
        self._hidden = [one for one in self._hidden if one.until > self._clock()]
        return self._hidden


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _all(root: ET.Element, name: str) -> list[ET.Element]:
    return [one for one in root.iter() if _name(one) == name]
