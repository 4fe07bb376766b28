# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS ParallelCluster asks of a seed of provider aws, said before anything is built.

Its validators (3.16.1) say the same, but only with an account, and when the volume is there already: a rule names its
validator. `make pcluster-check` compares both. What depends on the site's own keys is in _pcluster/rules.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import instances, nodes
from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import DEFAULT_MAX_COUNT, Draft, Finding, Rule
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import WITHOUT_IMAGE
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path

#: The first user of each image (OS_MAPPING of ParallelCluster).
FIRST_USERS: Mapping[str, str] = {
    "alinux2023": "ec2-user",
    "rhel8": "ec2-user",
    "rhel9": "ec2-user",
    "rocky8": "rocky",
    "rocky9": "rocky",
    "ubuntu2204": "ubuntu",
    "ubuntu2404": "ubuntu",
}
#: What ParallelCluster's cookbook makes on every node.
PCLUSTER_USERS = frozenset({"pcluster-admin", "slurm", "munge", "dcv", "dcvextauth"})
#: The id of the image's first user.
FIRST_USERS_ID = 1000
#: Where ParallelCluster mounts the local disks of nodes (DEFAULT_EPHEMERAL_DIR).
SCRATCH = "/scratch"
OWN_IMAGE = "make one with `pcluster build-image` and name it in compute.custom_ami"


def _queues(seed: Draft) -> Iterator[tuple[Path, Mapping[str, Any], tuple[nodes.Resource, ...]]]:
    """The queues of a cluster on AWS with their compute resources; not those whose counts are wrong anyway."""
    for path, queue in seed.entries("compute", "queues") if seed.provider == "aws" else ():
        least, most = queue.get("min_count", 0), queue.get("max_count", DEFAULT_MAX_COUNT)
        types = [name for name in queue.get("instance_types") or () if name]
        if types and least <= most:
            yield path, queue, nodes.resources(queue.get("name", "queue"), types, least, most)


def _types(seed: Draft, build: bool = False) -> Iterator[tuple[Path, str]]:
    """Every instance type of a cluster on AWS, and of its build host where that is asked for."""
    if seed.provider != "aws":
        return
    named: list[tuple[Path, Any]] = [(("compute", "head_node"), seed.get("compute", "head_node"))]
    for path, queue in seed.entries("compute", "queues"):
        named += [((*path, "instance_types", i), name) for i, name in enumerate(queue.get("instance_types") or ())]
    named += [(("software", "build", "instance_type"), seed.get("software", "build", "instance_type"))] if build else []
    yield from ((path, name) for path, name in named if name)


# -- instance types ---------------------------------------------------------------------------------------------


def types_exist(seed: Draft) -> Iterator[Finding]:
    """InstanceTypeValidator, where EC2 has answered, or the table is sure."""
    region = seed.get("cluster", "region") or ""
    for finding, sure in _doubts(seed):
        there = _asked(seed)
        if there is not None and finding.value not in there:
            message = f"EC2 has no such instance type in {region}"
            yield Finding(finding.path, message, finding.value, finding.expected, finding.hint)
        elif there is None and sure:
            yield finding


def types_may_exist(seed: Draft) -> Iterator[Finding]:
    """The same where EC2 may be ahead of the table, and was not asked."""
    for finding, sure in _doubts(seed):
        if not sure and _asked(seed) is None:
            yield finding


def _doubts(seed: Draft) -> Iterator[tuple[Finding, bool]]:
    """What the table says of instance types that it does not have, or not in this Region, and whether it is sure."""
    region = seed.get("cluster", "region") or ""
    for path, name in _types(seed, build=True):
        sure, message, instead = nodes.unknown(name)
        places = nodes.not_sold_in(name, region)
        if sure:
            yield Finding(path, message, name, instead), True
        elif message:
            hint = instead or "it may be newer, or no longer sold: AWS will know"
            yield Finding(path, message, name, hint=hint), False
        elif places:
            message = f"{name.split('.')[0]} was not sold in {region} on {instances.DATE}"
            yield Finding(path, message, name, hint="where it was: " + ", ".join(places)), False


def _asked(seed: Draft) -> frozenset[str] | None:
    """Which of the doubtful types EC2 has; None where it was not asked."""
    names = frozenset(str(finding.value) for finding, _sure in _doubts(seed))
    region = seed.get("cluster", "region")
    return seed.sold(region, names) if region and names else None


def gpus_have_drivers(seed: Draft) -> Iterator[Finding]:
    """InstanceTypeBaseAMICompatibleValidator."""
    for path, name in () if seed.get("compute", "custom_ami") else _types(seed):
        if nodes.old_gpus(name):
            hint = f"take a later family, such as g4dn, g5 or p4d, or an image with older drivers: {OWN_IMAGE}"
            yield Finding(path, "the drivers of ParallelCluster's images do not know its GPUs", name, hint=hint)


def accelerators_have_drivers(seed: Draft) -> Iterator[Finding]:
    """InstanceTypeAcceleratorManufacturerValidator."""
    for path, name in () if seed.get("compute", "custom_ami") else _types(seed):
        kind = instances.find(name)
        if kind and (kind.gpu_maker not in ("", "NVIDIA") or kind.accelerator_maker not in ("", "AWS")):
            maker = kind.gpu_maker or kind.accelerator_maker
            yield Finding(path, f"ParallelCluster's images have no drivers for accelerators of {maker}", name)


def spot_is_sold(seed: Draft) -> Iterator[Finding]:
    """CapacityTypeValidator."""
    for path, queue, _resources in _queues(seed):
        for index, name in enumerate(queue.get("instance_types") or () if queue.get("spot") else ()):
            kind = instances.find(name) if name else None
            if kind and not kind.spot:
                yield Finding((*path, "instance_types", index), "it is not sold as spot", name, hint="set spot: false")


# -- compute resources ------------------------------------------------------------------------------------------


def enough_nodes_for_all_kinds(seed: Draft) -> Iterator[Finding]:
    """MaxCount of a compute resource is 1 at least."""
    for path, queue, made in _queues(seed):
        most = queue.get("max_count", DEFAULT_MAX_COUNT)
        if most < len(made):
            kinds = "; ".join(", ".join(one.instance_types) for one in made)
            yield Finding(
                (*path, "max_count"),
                f"ParallelCluster takes these instance types as {len(made)} kinds of nodes ({kinds}), of one node each "
                "at least",
                most,
                f"{len(made)} or more",
                "or name fewer instance types",
            )


def queues_are_split(seed: Draft) -> Iterator[Finding]:
    """InstancesCPUValidator, InstancesAcceleratorsValidator: what they would refuse is divided."""
    for path, queue, made in _queues(seed):
        if 1 < len(made) <= queue.get("max_count", DEFAULT_MAX_COUNT):
            kinds = ", ".join(nodes.numbered(made))
            yield Finding(
                (*path, "instance_types"),
                f"{len(made)} kinds of nodes, which share the queue's max_count: at most {kinds}",
                hint="give a kind a queue of its own where it shall have more",
            )


def at_most_fifty_resources(seed: Draft) -> Iterator[Finding]:
    """MaxCountValidator."""
    number = sum(len(made) for _path, _queue, made in _queues(seed))
    if number > nodes.MOST_RESOURCES:
        message = f"{number} kinds of nodes in all queues, ParallelCluster takes {nodes.MOST_RESOURCES}"
        yield Finding(("compute", "queues"), message, hint="name fewer instance types that differ in vCPUs or GPUs")


def head_node_is_large_enough(seed: Draft) -> Iterator[Finding]:
    """HeadNodeMemorySizeValidator."""
    head = seed.get("compute", "head_node")
    if seed.provider != "aws" or not head:
        return
    total = sum(one.max_count for _path, _queue, made in _queues(seed) for one in made)
    message = nodes.short_head(head, total)
    if message:
        larger = nodes.larger_head(head, total)
        hint = f"take {larger}, or lower the queues' max_count" if larger else "take a larger one"
        yield Finding(("compute", "head_node"), message, head, hint=hint)


# -- images, users and mounts -----------------------------------------------------------------------------------


def image_is_there(seed: Draft) -> Iterator[Finding]:
    """OsCustomAmiValidator."""
    if (
        seed.provider == "aws"
        and seed.get("compute")
        and seed.os in WITHOUT_IMAGE
        and not seed.get("compute", "custom_ami")
    ):
        message = "ParallelCluster has no image of Rocky Linux"
        yield Finding(("cluster", "os"), message, seed.os, hint=f"take rhel9 or alinux2023; or {OWN_IMAGE}")


def system_of_p6e(seed: Draft) -> Iterator[Finding]:
    """InstanceTypeOSCompatibleValidator."""
    for path, name in _types(seed):
        if name.startswith("p6e-gb200.") and seed.os in ("rhel8", "rocky8", "rhel9"):
            yield Finding(path, f"ParallelCluster does not run it with {seed.os}", name, "another cluster.os")


def names_are_free(seed: Draft) -> Iterator[Finding]:
    """The node hook could not make such a user, or would change one that the node needs."""
    taken = dict.fromkeys(PCLUSTER_USERS, "ParallelCluster's own")
    taken[FIRST_USERS.get(seed.os, "")] = "the image's first user"
    for path, user in seed.entries("users") if seed.provider == "aws" and seed.get("compute") else ():
        whose = taken.get(user.get("name") or "root")
        if whose:
            message = f"this user is there on every node: {whose}"
            yield Finding((*path, "name"), message, user["name"], "another name")


def ids_are_free(seed: Draft) -> Iterator[Finding]:
    """ParallelCluster's own (from 400, reserved_base_uid of its cookbook) are below what any seed may have."""
    for path, user in seed.entries("users") if seed.provider == "aws" and seed.get("compute") else ():
        for key in ("uid", "gid"):
            if user.get(key) == FIRST_USERS_ID:
                message = "the image's first user has this id"
                yield Finding((*path, key), message, user[key], "best 5000 or more")


def local_disks_apart(seed: Draft) -> Iterator[Finding]:
    """OverlappingMountDirValidator, which compares the names of volumes by mistake and so finds none."""
    disks = [name for _path, name in _types(seed) if getattr(instances.find(name), "disks", False)]
    for path, volume in seed.entries("shared_storage") if disks else ():
        if (volume.get("mount_dir") or "").startswith(SCRATCH + "/"):
            message = f"it lies inside {SCRATCH}, where the local disks of {disks[0]} are mounted"
            yield Finding((*path, "mount_dir"), message, volume["mount_dir"])


def local_disks_hidden(seed: Draft) -> Iterator[Finding]:
    """DuplicateMountDirValidator."""
    disks = [name for _path, name in _types(seed) if getattr(instances.find(name), "disks", False)]
    for path, volume in seed.entries("shared_storage") if disks else ():
        if volume.get("mount_dir") == SCRATCH:
            message = f"the local disks of {disks[0]} are mounted there too"
            yield Finding((*path, "mount_dir"), message, SCRATCH)


RULES: tuple[tuple[str, Rule], ...] = (
    (ERROR, types_exist),
    (WARNING, types_may_exist),
    (ERROR, gpus_have_drivers),
    (WARNING, accelerators_have_drivers),
    (ERROR, spot_is_sold),
    (ERROR, enough_nodes_for_all_kinds),
    (WARNING, queues_are_split),
    (ERROR, at_most_fifty_resources),
    (ERROR, head_node_is_large_enough),
    (ERROR, image_is_there),
    (ERROR, system_of_p6e),
    (ERROR, names_are_free),
    (ERROR, ids_are_free),
    (ERROR, local_disks_apart),
    (WARNING, local_disks_hidden),
)
