# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policy documents against the API calls that a lab saw: what they do not allow, and what they allow for nothing.

usage: iam_policy.py POLICY… <CALLS        CALLS is what ``python -m ec2lab calls --json`` prints

A part of IAM's rules: allowing statements, the resource types of each call, and those conditions that a request decides
by itself. The tags of what is there already are not in a request: conditions on ``aws:ResourceTag`` count as met.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Call = Mapping[str, Any]
Context = dict[str, list[str]]

# Calls that need no permission, Service Authorization Reference of AWS STS.
FREE = {"sts:GetCallerIdentity"}

# Resource types that are looked at for each call, Service Authorization Reference of Amazon EC2. Calls that are not
# here have none: they need a statement for `*`.
RESOURCES: Mapping[str, tuple[str, ...]] = {
    "AssociateRouteTable": ("route-table", "subnet"),
    "AttachInternetGateway": ("internet-gateway", "vpc"),
    "AttachVolume": ("instance", "volume"),
    "AuthorizeSecurityGroupEgress": ("security-group",),
    "AuthorizeSecurityGroupIngress": ("security-group",),
    "CopyImage": ("image", "snapshot"),
    "CopySnapshot": ("snapshot",),
    "CreateImage": ("image", "instance", "snapshot"),
    "CreateInternetGateway": ("internet-gateway",),
    "CreateRoute": ("route-table",),
    "CreateRouteTable": ("route-table", "vpc"),
    "CreateSecurityGroup": ("security-group", "vpc"),
    "CreateSnapshot": ("snapshot", "volume"),
    "CreateSubnet": ("subnet", "vpc"),
    "CreateVolume": ("volume",),
    "CreateVpc": ("vpc",),
    "DeregisterImage": ("image",),
    "DeleteInternetGateway": ("internet-gateway",),
    "DeleteKeyPair": ("key-pair",),
    "DeleteRouteTable": ("route-table",),
    "DeleteSecurityGroup": ("security-group",),
    "DeleteSnapshot": ("snapshot",),
    "DeleteSubnet": ("subnet",),
    "DeleteVolume": ("volume",),
    "DeleteVpc": ("vpc",),
    "DetachInternetGateway": ("internet-gateway", "vpc"),
    "DetachVolume": ("instance", "volume"),
    "DisassociateRouteTable": ("route-table", "subnet"),
    "ImportKeyPair": ("key-pair",),
    "DescribeImageAttribute": ("image",),
    "DisableImageDeprecation": ("image",),
    "EnableImageDeprecation": ("image",),
    "ModifyImageAttribute": ("image",),
    "ModifySnapshotAttribute": ("snapshot",),
    "GetConsoleOutput": ("instance",),
    "ModifySubnetAttribute": ("subnet",),
    "ModifyVolume": ("volume",),
    "ModifyVpcAttribute": ("vpc",),
    "RevokeSecurityGroupEgress": ("security-group",),
    "RevokeSecurityGroupIngress": ("security-group",),
    "RunInstances": ("image", "instance", "key-pair", "network-interface", "security-group", "subnet", "volume"),
    "StopInstances": ("instance",),
    "TerminateInstances": ("instance",),
}
# The permissions behind calls of other services that are called otherwise, and S3's are.
PERMISSIONS: Mapping[str, str] = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
}
# Who calls, as the lab's sessions name him.
VARIABLE = re.compile(r"\$\{aws:user(id|name)\}")
# Of resources whose ARN names no account.
NO_ACCOUNT = ("image", "snapshot")
KINDS: Mapping[str, str] = {
    "ami": "image",
    "eni": "network-interface",
    "i": "instance",
    "igw": "internet-gateway",
    "key": "key-pair",
    "rtb": "route-table",
    "sg": "security-group",
    "sir": "spot-instances-request",
    "snap": "snapshot",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
}


@dataclass(frozen=True)
class Need:
    """A permission that a call needs: an action on a resource, and what the request says of it."""

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict)

    def __str__(self) -> str:
        said = " ".join(f"{key}={','.join(values)}" for key, values in sorted(self.context.items()))
        return f"{self.action} on {self.resource}" + (f" ({said})" if said else "")


@dataclass(frozen=True)
class Findings:
    """denied: needs of calls that no statement allows. unused: allowed actions that were never made."""

    denied: list[str]
    unused: list[str]


class Policy:
    """The statements of one or more policy documents, as one principal has them."""

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Raises ValueError for what this part of IAM's rules does not know."""
        self.statements = [statement for document in documents for statement in document["Statement"]]
        for statement in self.statements:
            unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
            if unknown or statement["Effect"] != "Allow":
                raise ValueError(f"statement {statement.get('Sid')}: only Allow, Action, Resource, Condition are known")

    @classmethod
    def read(cls, *paths: Path) -> Policy:
        """Out of files."""
        return cls(json.loads(path.read_text()) for path in paths)

    def allows(self, need: Need) -> bool:
        """Whether one of the statements does."""
        return any(_allows(statement, need) for statement in self.statements)

    def actions(self, but: Collection[str] = ()) -> set[str]:
        """What is allowed at all, by the names in the statements, but for statements whose Sid begins so."""
        return {
            action
            for statement in self.statements
            if not str(statement.get("Sid", "")).startswith(tuple(but))
            for action in _list(statement["Action"])
        }


def compare(policy: Policy, calls: Iterable[Call], optional: Collection[str] = ("Optional",)) -> Findings:
    """Hold a policy against calls.

    :param calls: the lab's, each with service, action, region, account, parameters.
    :param optional: beginnings of the Sids of statements that a build may do without.
    """
    needs = {str(need): need for call in calls for need in needs_of(call)}
    made = {need.action.lower() for need in needs.values()}
    return Findings(
        denied=sorted(text for text, need in needs.items() if not policy.allows(need)),
        unused=sorted(
            action for action in policy.actions(optional) if not any(fnmatchcase(one, action.lower()) for one in made)
        ),
    )


def needs_of(call: Call) -> Iterator[Need]:
    """The permissions that a call needs, those for the tags and the role that it hands over among them."""
    action = f"{call['service']}:{call['action']}"
    if action in FREE:
        return
    region = {"aws:RequestedRegion": [str(call["region"])], "ec2:Region": [str(call["region"])]}
    parameters: Mapping[str, str] = call["parameters"]
    if call["service"] != "ec2":
        given = _direct_tags(parameters)
        for resource in _others(call):
            yield Need(PERMISSIONS.get(action, action), resource, {**region, **_request_tags(given)})
            if action == "ssm:PutParameter" and given:
                yield Need("ssm:AddTagsToResource", resource, {**region, **_request_tags(given)})
        return
    tags = dict(_tag_specifications(parameters))
    for kind in _resources(str(call["action"]), parameters):
        context = {**region, **_request_tags(tags.get(kind, {})), **_details(kind, parameters)}
        if call["action"] in ("CreateTags", "DeleteTags"):
            context = {**region, **_request_tags(_direct_tags(parameters))}
        yield Need(action, _arn(kind, call), context)
    for kind, given in tags.items():
        yield Need(
            "ec2:CreateTags",
            _arn(kind, call),
            {**region, **_request_tags(given), "ec2:CreateAction": [str(call["action"])]},
        )
    for name, profile in parameters.items():
        if name.startswith("IamInstanceProfile."):
            # A request names no role; one that is made with its profile bears the profile's name.
            role = f"arn:aws:iam::{call['account']}:role/{profile.rpartition('/')[2]}"
            yield Need("iam:PassRole", role, {"iam:PassedToService": ["ec2.amazonaws.com"]})


def _others(call: Call) -> Sequence[str]:
    """The resources of a call of S3, SSM or KMS; any of other services."""
    parameters: Mapping[str, str] = call["parameters"]
    place = f"{call['region']}:{call['account']}"
    if call["service"] == "s3" and "Bucket" in parameters:
        return ["/".join([f"arn:aws:s3:::{parameters['Bucket']}", *filter(None, [parameters.get("Key")])])]
    if call["service"] == "kms":
        # By whatever name it is called, its key is what is asked for.
        return [f"arn:aws:kms:{place}:key/x"]
    if call["action"] == "StartSession":
        document = parameters.get("DocumentName", "SSM-SessionManagerRunShell")
        return [f"arn:aws:ec2:{place}:instance/{parameters['Target']}", f"arn:aws:ssm:{place}:document/{document}"]
    if call["service"] == "ssm" and (name := parameters.get("Name") or parameters.get("ResourceId")):
        return [f"arn:aws:ssm:{place}:parameter/{name.lstrip('/')}"]
    if call["action"] == "TerminateSession":
        return [f"arn:aws:ssm:{place}:session/{parameters['SessionId']}"]
    return ["*"]


def _resources(action: str, parameters: Mapping[str, str]) -> Sequence[str]:
    if action in ("CreateTags", "DeleteTags"):
        ids = [value for name, value in parameters.items() if name.startswith("ResourceId.")]
        return sorted({KINDS[one.rpartition("-")[0]] for one in ids})
    kinds = RESOURCES.get(action, ("*",))
    if action == "RunInstances" and "InstanceMarketOptions.MarketType" in parameters:
        return (*kinds, "spot-instances-request")
    if action == "CreateVolume" and "SnapshotId" in parameters:
        return (*kinds, "snapshot")
    return kinds


def _arn(kind: str, call: Call) -> str:
    account = "" if kind in NO_ACCOUNT else call["account"]
    return "*" if kind == "*" else f"arn:aws:ec2:{call['region']}:{account}:{kind}/x"


def _tag_specifications(parameters: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Resource type and tags of each TagSpecification."""
    for name, kind in parameters.items():
        if found := re.fullmatch(r"(TagSpecification\.\d+)\.ResourceType", name):
            yield kind, _tags(parameters, f"{found[1]}.Tag.")


def _direct_tags(parameters: Mapping[str, str]) -> dict[str, str]:
    return _tags(parameters, "Tag.")


def _tags(parameters: Mapping[str, str], prefix: str) -> dict[str, str]:
    keys = {name: value for name, value in parameters.items() if re.fullmatch(re.escape(prefix) + r"\d+\.Key", name)}
    return {key: parameters.get(f"{name.removesuffix('.Key')}.Value", "") for name, key in keys.items()}


def _request_tags(tags: Mapping[str, str]) -> Context:
    if not tags:
        return {}
    return {"aws:TagKeys": sorted(tags), **{f"aws:RequestTag/{key}": [value] for key, value in tags.items()}}


def _details(kind: str, parameters: Mapping[str, str]) -> Context:
    """What the conditions of the policies ask for beside tags."""
    found: Context = {}
    if kind == "instance" and "MetadataOptions.HttpTokens" in parameters:
        found["ec2:MetadataHttpTokens"] = [parameters["MetadataOptions.HttpTokens"]]
    if kind == "volume":
        encrypted = [
            value for name, value in parameters.items() if name == "Encrypted" or name.endswith("Ebs.Encrypted")
        ]
        # One volume that is not encrypted is enough to be refused.
        found["ec2:Encrypted"] = ["false" if "false" in encrypted else "true"] if encrypted else []
    return {key: values for key, values in found.items() if values}


def _allows(statement: Mapping[str, Any], need: Need) -> bool:
    return (
        any(fnmatchcase(need.action.lower(), action.lower()) for action in _list(statement["Action"]))
        and any(fnmatchcase(need.resource, VARIABLE.sub("lab", resource)) for resource in _list(statement["Resource"]))
        and all(
            _holds(operator, key, _list(values), need.context)
            for operator, conditions in statement.get("Condition", {}).items()
            for key, values in conditions.items()
        )
    )


def _holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    """Whether a condition holds. Raises ValueError for an operator that is not known."""
    if key.startswith(("aws:ResourceTag/", "ec2:ResourceTag/", "ssm:resourceTag/")):
        return True
    quantifier, _colon, plain = operator.rpartition(":")
    given = context.get(key, [])
    if plain == "Null":
        return (not given) == (str(wanted[0]).lower() == "true")
    if plain in ("StringEquals", "Bool"):
        met = [
            any(value.lower() == str(one).lower() if plain == "Bool" else value == one for one in wanted)
            for value in given
        ]
    elif plain in ("StringLike", "ArnLike"):
        met = [any(fnmatchcase(value, one) for one in wanted) for value in given]
    else:
        raise ValueError(f"condition operator {operator} is not known here")
    # For all of none holds, as in IAM; for any of none, and a key that is missing, does not.
    return all(met) if quantifier == "ForAllValues" else any(met)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main() -> int:
    """Policies as arguments, calls on stdin; status 1 if a call is not allowed."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    findings = compare(Policy.read(*map(Path, sys.argv[1:])), json.load(sys.stdin))
    for need in findings.denied:
        print(f"not allowed: {need}")
    for action in findings.unused:
        print(f"never made:  {action}")
    return 1 if findings.denied else 0


if __name__ == "__main__":
    sys.exit(main())
