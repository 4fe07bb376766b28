# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of EC2's instance types: their processors, memory, accelerators and networks.

The table in the tree is dated, and EC2 brings new types: what it lacks is unknown, which is not the same as wrong.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import instance_table
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import ARCHITECTURES

DATE = instance_table.DATE

#: Instance types that are rented for their network (EFA): the hpc family, and the largest of the training families.
#: Others that have EFA are named by the site. Source: Amazon EC2 user guide, Elastic Fabric Adapter.
_RENTED_FOR_NETWORK = re.compile(
    r"hpc[0-9][a-z0-9]*\..+|(p4de?|p5[a-z]*|p6[a-z0-9-]*|trn[0-9]n?)\.(24|32|36|48|72)xlarge"
)


@dataclass(frozen=True)
class InstanceType:
    """An instance type. memory: in MiB. gpus, accelerators: how many and whose; none: 0 and empty.

    cards: network cards. efa: EFA interfaces, 0 without EFA. two_interfaces: whether its first card takes two.
    placement: whether it goes into a cluster placement group. spot: whether it is sold so. disks: it has local ones.
    """

    name: str
    architecture: str
    vcpus: int
    cores: int
    memory: int
    gpus: int = 0
    gpu_maker: str = ""
    accelerators: int = 0
    accelerator_maker: str = ""
    cards: int = 1
    efa: int = 0
    two_interfaces: bool = True
    placement: bool = True
    spot: bool = True
    disks: bool = False

    @property
    def rented_for_network(self) -> bool:
        """Whether its network is what it is rented for, so that it gets EFA and a placement group unasked."""
        return rented_for_network(self.name)


def rented_for_network(name: str) -> bool:
    """The same by the name alone, for types that the table does not know."""
    return bool(_RENTED_FOR_NETWORK.fullmatch(name))


def from_ec2(described: Mapping[str, Any]) -> InstanceType | None:
    """An entry of EC2's DescribeInstanceTypes; None for a machine that no Linux of ours runs on (Macs)."""
    architectures = set(described["ProcessorInfo"]["SupportedArchitectures"]) & set(ARCHITECTURES)
    if not architectures:
        return None
    network = described["NetworkInfo"]
    cards = network.get("NetworkCards") or [{}]
    efa = network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 1) if network.get("EfaSupported") else 0
    gpus, gpu_maker = _devices(described.get("GpuInfo", {}).get("Gpus", ()))
    accelerators, maker = _devices(described.get("InferenceAcceleratorInfo", {}).get("Accelerators", ()))
    return InstanceType(
        name=described["InstanceType"],
        architecture=min(architectures),
        vcpus=described["VCpuInfo"]["DefaultVCpus"],
        cores=described["VCpuInfo"].get("DefaultCores") or described["VCpuInfo"]["DefaultVCpus"],
        memory=described["MemoryInfo"]["SizeInMiB"],
        gpus=gpus,
        gpu_maker=gpu_maker,
        accelerators=accelerators,
        accelerator_maker=maker,
        cards=len(cards),
        efa=efa,
        two_interfaces=cards[0].get("MaximumNetworkInterfaces", 2) > 1,
        placement="cluster" in described.get("PlacementGroupInfo", {}).get("SupportedStrategies", ()),
        spot="spot" in described.get("SupportedUsageClasses", ()),
        disks=bool(described.get("InstanceStorageSupported")),
    )


def _devices(devices: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    found = list(devices)
    return sum(device.get("Count", 0) for device in found), str(found[0].get("Manufacturer", "")) if found else ""


# -- the table --------------------------------------------------------------------------------------------------
#
# A line for each family: its name, architecture, and for each size SIZE:VCPUS:CORES:MEMORY and what is not as usual:
# gN, gMAKER of GPUs, aN, aMAKER of accelerators, cN network cards, eN EFA interfaces, and the letters of _MARKS.

_MARKS = {"one": "two_interfaces", "apart": "placement", "bought": "spot", "disks": "disks"}


def write(kinds: Iterable[InstanceType]) -> list[str]:
    """The lines of a table, in the order of names."""
    families: dict[tuple[str, str], list[str]] = {}
    for kind in sorted(kinds, key=lambda kind: (kind.name.split(".")[0], kind.vcpus, kind.memory, kind.name)):
        family, size = kind.name.split(".", 1)
        families.setdefault((family, kind.architecture), []).append(_written(size, kind))
    return [" ".join((family, architecture, *sizes)) for (family, architecture), sizes in families.items()]


def _written(size: str, kind: InstanceType) -> str:
    usual = InstanceType("", "", 0, 0, 0)
    parts = [size, str(kind.vcpus), str(kind.cores), str(kind.memory)]
    parts += [f"g{kind.gpus}", f"g{kind.gpu_maker}"] if kind.gpu_maker else []
    parts += [f"a{kind.accelerators}", f"a{kind.accelerator_maker}"] if kind.accelerator_maker else []
    parts += [f"c{kind.cards}"] if kind.cards != 1 else []
    parts += [f"e{kind.efa}"] if kind.efa else []
    return ":".join(parts + [mark for mark, key in _MARKS.items() if getattr(kind, key) != getattr(usual, key)])


@functools.cache
def table() -> Mapping[str, InstanceType]:
    """All that the table in the tree knows, by name."""
    found: dict[str, InstanceType] = {}
    for line in instance_table.LINES.strip().splitlines():
        family, architecture, *sizes = line.split()
        for size in sizes:
            kind = _read(family, architecture, size)
            found[kind.name] = kind
    return found


def _read(family: str, architecture: str, written: str) -> InstanceType:
    size, vcpus, cores, memory, *more = written.split(":")
    values: dict[str, Any] = {}
    for part in more:
        if part in _MARKS:
            key = _MARKS[part]
            values[key] = key == "disks"
        elif part[1:].isdigit():
            values[{"g": "gpus", "a": "accelerators", "c": "cards", "e": "efa"}[part[0]]] = int(part[1:])
        else:
            values[{"g": "gpu_maker", "a": "accelerator_maker"}[part[0]]] = part[1:]
    return InstanceType(f"{family}.{size}", architecture, int(vcpus), int(cores), int(memory), **values)


def find(name: str) -> InstanceType | None:
    """What is known of an instance type; None where the table does not have it."""
    return table().get(name)


def sizes(family: str) -> list[str]:
    """The instance types of a family, smallest first; none of a family that the table does not know."""
    return [name for name in table() if name.split(".")[0] == family]


def nearest(family: str) -> str:
    """The family whose name is nearest to an unknown one, or nothing."""
    known = sorted({name.split(".")[0] for name in table()})
    close = difflib.get_close_matches(family, known, 1, 0.5)
    return close[0] if close else ""


@functools.cache
def regions() -> Mapping[str, tuple[str, ...]]:
    """The Regions in which each family is sold. What is not in it is not known."""
    names = instance_table.REGIONS.split()
    found = {}
    for entry in instance_table.OFFERED.split():
        family, bits = entry.split(":")
        found[family] = tuple(name for number, name in enumerate(names) if int(bits, 16) >> number & 1)
    return found
