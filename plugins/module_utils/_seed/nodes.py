# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the nodes of a queue become compute resources of ParallelCluster, and what ParallelCluster asks of nodes.

A compute resource is one kind of node for Slurm, so its instance types must agree in vCPUs, in GPUs and other
accelerators, and in their makers (InstancesCPUValidator and InstancesAcceleratorsValidator of ParallelCluster 3.16.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import instances
from ansible_collections.petal.hpc.plugins.module_utils._seed.instances import InstanceType

#: ParallelCluster's MAX_COMPUTE_RESOURCES_PER_QUEUE and MAX_NUMBER_OF_COMPUTE_RESOURCES_PER_CLUSTER are one number.
MOST_RESOURCES = 50
#: Its NameValidator.
LONGEST_NAME = 25
#: Families whose GPUs the drivers of the official images do not know (NVIDIA_OPENRM_UNSUPPORTED_INSTANCE_TYPES).
OLD_GPUS = frozenset({"p2", "p3", "p3dn", "g2", "g3", "g3s"})


@dataclass(frozen=True)
class Resource:
    """A compute resource: its name, the instance types that it takes, and how many nodes."""

    name: str
    instance_types: tuple[str, ...]
    min_count: int
    max_count: int

    @property
    def rented_for_network(self) -> bool:
        """Whether it gets EFA unasked. Its types are all alike in that."""
        return instances.rented_for_network(self.instance_types[0])


def resources(queue: str, instance_types: Iterable[str], least: int, most: int) -> tuple[Resource, ...]:
    """The compute resources of a queue, in the order in which their first instance types stand there.

    queue: its name, which the first one bears; the others bear that of their first instance type. least, most: its
    min_count and max_count, which are the queue's: most is divided evenly, the first ones get what is left over, and
    least is filled in from the first on.

    >>> [(one.name, one.min_count, one.max_count) for one in resources("q", ["c5.4xlarge", "c5.9xlarge"], 4, 5)]
    [('q', 3, 3), ('c5-9xlarge', 1, 2)]
    """
    found = alike(instance_types)
    each, left = divmod(most, len(found)) if found else (0, 0)
    made = []
    for number, (name, types) in enumerate(zip(_names(queue, found), found)):
        share = each + (number < left)
        made.append(Resource(name, types, min(least, share), share))
        least -= made[-1].min_count
    return tuple(made)


def alike(instance_types: Iterable[str]) -> list[tuple[str, ...]]:
    """Instance types in groups that may be one compute resource. One that is unknown stands alone; none is twice."""
    groups: dict[Any, list[str]] = {}
    for name in dict.fromkeys(instance_types):
        groups.setdefault(_class(name), []).append(name)
    return [tuple(group) for group in groups.values()]


def _class(name: str) -> Any:
    kind = instances.find(name)
    if kind is None:
        return name
    agree = (kind.vcpus, kind.gpus, kind.gpu_maker, kind.accelerators, kind.accelerator_maker)
    # ParallelCluster gives a mixed resource the fewest cards of all, and no EFA where one has none: where the network
    # is what is paid for, that would be a loss without a word.
    return (*agree, kind.cards, kind.efa) if kind.rented_for_network else agree


def _names(queue: str, groups: Sequence[Sequence[str]]) -> list[str]:
    names: list[str] = []
    for group in groups:
        wanted = re.sub(r"[^a-z0-9-]", "-", group[0])[:LONGEST_NAME] if names else queue
        name, number = wanted, 1
        while name in names:
            number += 1
            name = f"{wanted[: LONGEST_NAME - 1 - len(str(number))]}-{number}"
        names.append(name)
    return names


# -- what ParallelCluster asks ----------------------------------------------------------------------------------


def disagreement(instance_types: Iterable[str], by_cores: bool = False) -> str:
    """In what the types of one compute resource differ that must not, with their values; empty where they agree.

    by_cores: hyper-threading is off there, and cores count, not vCPUs.
    """
    known = [kind for kind in map(instances.find, instance_types) if kind is not None]
    asked = {
        **({"cores": "cores"} if by_cores else {"vcpus": "vCPUs"}),
        "gpus": "GPUs",
        "gpu_maker": "maker of GPUs",
        "accelerators": "accelerators",
        "accelerator_maker": "maker of accelerators",
    }
    for key, what in asked.items():
        values = {getattr(kind, key) for kind in known}
        if len(values) > 1:
            return f"{what}: " + ", ".join(f"{kind.name} {getattr(kind, key) or 'none'}" for kind in known)
    return ""


def memory_for(nodes: int) -> float:
    """GiB that a head node needs for so many nodes (HeadNodeMemorySizeValidator)."""
    return min(nodes / 25 + 0.6, 16)


def short_head(head_node: str, nodes: int) -> str:
    """Why a head node is too small for so many nodes; empty where it is not, or where it is unknown."""
    kind = instances.find(head_node)
    if kind is None or kind.memory / 1024 >= memory_for(nodes):
        return ""
    needed = round(memory_for(nodes), 2)
    return f"{kind.memory / 1024:g} GiB of memory do not manage {nodes} nodes: ParallelCluster asks for {needed:g} GiB"


def larger_head(head_node: str, nodes: int) -> str:
    """The smallest type of the same family that is large enough, or nothing."""
    for name in instances.sizes(head_node.split(".")[0]):
        if not short_head(name, nodes):
            return name
    return ""


def several_interfaces(kind: InstanceType, efa: bool) -> str:
    """Why AWS gives a node no public address (MultiNetworkInterfacesInstancesValidator); empty where it can."""
    if kind.cards > 1:
        return f"{kind.name} has {kind.cards} network cards"
    if efa and kind.efa == kind.cards and kind.two_interfaces:
        return f"{kind.name} has a second interface for EFA"
    return ""


def unknown(name: str) -> tuple[bool, str, str]:
    """What is to be said of an instance type: whether it is surely wrong, what, and what there is instead.

    ('', '') where the table has it. A size that a known family lacks is surely wrong; a family that the table does not
    know may be newer than the table.
    """
    if instances.find(name) is not None:
        return False, "", ""
    family = name.split(".")[0]
    there = instances.sizes(family)
    if there:
        return True, f"{family} has no such size", "one of " + ", ".join(there)
    near = instances.nearest(family)
    return False, f"{family} is no family in the table of {instances.DATE}", f"did you mean {near}?" if near else ""


def old_gpus(name: str) -> bool:
    """Whether the drivers of the official images do not know its GPUs."""
    return name.split(".")[0] in OLD_GPUS


def not_sold_in(name: str, region: str) -> tuple[str, ...]:
    """The Regions that have its family, where this Region has none of it; empty where it has, or it is not known."""
    if not any(region in places for places in instances.regions().values()):
        return ()
    places = instances.regions().get(name.split(".")[0], ())
    return () if region in places else places


def numbered(names: Iterable[Resource]) -> Iterator[str]:
    """Compute resources for people: ``3 of c5.4xlarge``."""
    for one in names:
        yield f"{one.max_count} of {' or '.join(one.instance_types)}"
