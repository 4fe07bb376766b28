# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site adds to a seed: networks, access, login nodes, where nodes fetch the hook, the volume that is there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import SNAPSHOT_ID
from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar, schema
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import (
    Array,
    Choice,
    Flag,
    Integer,
    Key,
    Record,
    Report,
    Shape,
    Text,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot


class PclusterError(PetalError):
    """No ParallelCluster configuration can be made.

    problems: everything that is wrong. subject: what they are about, for the first line.
    """

    def __init__(self, problems: Sequence[Problem], subject: str) -> None:
        self.problems = list(problems)
        lines = [subject + ":"]
        for problem in self.problems:
            lines += ["  " + line for line in problem.to_lines()]
        super().__init__("\n".join(lines))


def _id(prefix: str, what: str) -> Text:
    expected = f"{what}: {prefix}- and 8 or 17 hexadecimal digits"
    return Text(expected, grammar.pattern(rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", f"this is no {what}"))


SUBNET = _id("subnet", "subnet id")
ZONE = Text("a zone such as us-east-1a", grammar.pattern(r"[a-z]{2,4}(-[a-z0-9]+)+[a-z]", "this is no zone"))
POLICY = Text(
    "the ARN of an IAM policy",
    grammar.pattern(r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+", "this is no policy's ARN"),
)
NAME = Text(
    "a lower-case letter first, then lower-case letters, digits and hyphens, at most 25 in all",
    grammar.pattern(r"[a-z][a-z0-9-]*", "ParallelCluster takes no such name"),
    limit=25,
)
HOOK_URL = Text(
    "s3://BUCKET/KEY or https://…",
    grammar.pattern(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()-]+)+|https://[^\s\"'<>\\]+",
        "this is no such address",
    ),
    limit=1000,
)
LOGIN_POOL = Record(
    {
        "name": Key(NAME, required=True),
        "instance_type": Key(schema.INSTANCE_TYPE, required=True),
        "count": Key(Integer(0, 1000, "nodes")),
        "subnet_id": Key(SUBNET, null=True),
        "iam_policies": Key(Array(POLICY, "policies' ARNs")),
    },
    "a pool of login nodes",
)
VOLUME = Record(
    {
        "volume_id": Key(_id("vol", "volume id")),
        "availability_zone": Key(ZONE, null=True),
        "size_gb": Key(Integer(1, 65536, "GiB"), null=True),
        "snapshot_id": Key(Text(), null=True),
        "to_build": Key(Flag()),
    },
    "a volume that is there",
)


IMAGE = Record(
    {
        "image_id": Key(_id("ami", "image id"), required=True),
        "fingerprint": Key(Text(), null=True),
    },
    "an image that has the software",
)


@dataclass(frozen=True)
class Overrides(Shape):
    """Keys of ParallelCluster, of which only ParallelCluster knows what they may be."""

    def wanted(self) -> str:
        return "a mapping with keys of ParallelCluster"

    def check(self, value: Any, path: tuple[str | int, ...], report: Report) -> dict[str, Any] | None:
        if isinstance(value, Mapping):
            return dict(value)
        self.reject(value, path, report)
        return None


SETTINGS = Record(
    {
        "head_node_subnet_id": Key(SUBNET, required=True),
        "head_node_zone": Key(ZONE, null=True),
        "compute_subnet_ids": Key(Array(SUBNET, "subnet ids"), null=True),
        "key_name": Key(Text("the name of an EC2 key pair"), null=True),
        "additional_security_group_ids": Key(Array(_id("sg", "security group id"), "security group ids")),
        "login_nodes": Key(Array(LOGIN_POOL, "pools of login nodes", most=10)),
        "efa_queues": Key(Array(NAME, "names of queues"), null=True),
        "hook_url": Key(HOOK_URL, null=True),
        "hook_revision": Key(Text("letters and digits", grammar.pattern(r"[A-Za-z0-9]+", "this is none")), null=True),
        "s3_writable_buckets": Key(Array(schema.BUCKET, "buckets")),
        "data_deletion_policy": Key(Choice(("Retain", "Delete", "Snapshot"))),
        "volume": Key(VOLUME, null=True),
        "image": Key(IMAGE, null=True),
        "overrides": Key(Overrides(), null=True),
    },
    "settings of the site",
)


@dataclass(frozen=True)
class Volume:
    """A volume that is there already. size_gb: in GiB. snapshot_id: what it was made from. None: not known.

    to_build: the cluster comes first, and the software is built on it; without volume_id it is still to be made.
    """

    volume_id: str = ""
    availability_zone: str | None = None
    size_gb: int | None = None
    snapshot_id: str | None = None
    to_build: bool = False


@dataclass(frozen=True)
class SoftwareImage:
    """An image with the software of the seed. fingerprint: of that; None where it is not known."""

    image_id: str
    fingerprint: str | None = None


@dataclass(frozen=True)
class LoginPool:
    """A pool of login nodes; subnet_id None is the head node's."""

    name: str
    instance_type: str
    count: int = 1
    subnet_id: str | None = None
    iam_policies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Settings of a site, complete.

    compute_subnet_ids: empty is the head node's. efa_queues: None leaves it to the instance types.
    hook_url: where nodes fetch the node hook's bootstrap; None is no hook. hook_revision: changes with its content.
    image: with the software in its root, in place of a volume of a snapshot.
    """

    head_node_subnet_id: str
    head_node_zone: str | None = None
    compute_subnet_ids: tuple[str, ...] = ()
    key_name: str | None = None
    additional_security_group_ids: tuple[str, ...] = ()
    login_nodes: tuple[LoginPool, ...] = ()
    efa_queues: tuple[str, ...] | None = None
    hook_url: str | None = None
    hook_revision: str | None = None
    s3_writable_buckets: tuple[str, ...] = ()
    data_deletion_policy: str = "Retain"
    volume: Volume | None = None
    image: SoftwareImage | None = None
    overrides: Mapping[str, Any] | None = None

    @classmethod
    def from_mapping(cls, data: Any) -> Settings:
        """Settings from plain data. Raises PclusterError with everything that is wrong."""
        report = Report()
        clean = SETTINGS.check(data, (), report) or {}
        given = clean.get("volume")
        if given is not None and not given.get("volume_id") and not given.get("to_build"):
            report.add(("volume", "volume_id"), "it is missing")
        if report.problems:
            raise PclusterError(report.problems, "the settings of the ParallelCluster configuration cannot be used")
        pools = tuple(LoginPool(**_tuples(pool)) for pool in clean.pop("login_nodes", ()))
        volume, image = clean.pop("volume", None), clean.pop("image", None)
        return cls(
            **_tuples(clean),
            login_nodes=pools,
            volume=volume and Volume(**volume),
            image=image and SoftwareImage(**image),
        )


def _tuples(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in mapping.items()}


def snapshot_of(record: Any) -> Snapshot:
    """A snapshot from its record, as the modules return it. Raises PclusterError for what is none."""
    problems = []
    if not isinstance(record, Mapping):
        raise PclusterError([Problem("snapshot", "it is no record of a snapshot")], "the snapshot cannot be used")
    if not re.fullmatch(SNAPSHOT_ID, str(record.get("snapshot_id"))):
        problems.append(Problem("snapshot.snapshot_id", "this is none", expected="snap- and 17 hexadecimal digits"))
    size = record.get("size_gb")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        problems.append(Problem("snapshot.size_gb", "this is no size", expected="a whole number of GiB"))
    if problems:
        raise PclusterError(problems, "the snapshot cannot be used")
    needed = {"fingerprint": "", "name": "", "os": "", "architecture": "", "created": "", "provider": "aws"}
    known = {field.name for field in fields(Snapshot)}
    return Snapshot(**{**needed, **{key: value for key, value in record.items() if key in known}})
