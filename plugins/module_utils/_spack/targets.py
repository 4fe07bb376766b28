# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nodes need to know to tell which modules they can run: the rules of archspec, Spack's library of processors.

A processor runs what was built for it and for its ancestors. It is one of archspec's where it is of that one's vendor,
or that one is generic, and where it has all of its features.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GENERIC = "generic"
ARM = "aarch64"


@dataclass(frozen=True)
class Processor:
    """One of archspec's."""

    name: str
    family: str
    vendor: str
    features: frozenset[str]
    ancestors: tuple[str, ...]

    @classmethod
    def of(cls, name: str, told: Mapping[str, Any]) -> Processor:
        """From what Spack told. Raises KeyError where it lacks something."""
        features = set(told["features"])
        # Linux names it by itself only where it stands alone (as pni), and archspec adds it.
        features -= {"sse3"} if "ssse3" in features else set()
        return cls(name, told["family"], told["vendor"], frozenset(features), tuple(told["ancestors"]))

    @property
    def is_mere(self) -> bool:
        """Whether it is a version of Arm's architecture: it has no features, and archspec takes no processor for it."""
        return self.vendor == GENERIC and self.family == ARM and self.name != ARM

    @property
    def rank(self) -> tuple[int, int, str]:
        """Higher for the better one: archspec's order is that of generations."""
        return len(self.ancestors), len(self.features), self.name


def node_targets(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the files of Lua and the profile hold, from what scripts/modules.py tells. Raises KeyError.

    :return: built (targets, the better first: name, whether it has a way of its own, and the ways to run it, each a
        vendor and features, its own first), others (what of that each processor of archspec's runs), vendors (of Arm's
        by their codes), modules (names and files by what they need), choices (see :func:`_choices`).
    """
    if not told.get("built"):
        return {}
    known = {name: Processor.of(name, entry) for name, entry in told["processors"].items()}
    built = sorted((known[name] for name in told["built"]), key=lambda one: one.rank, reverse=True)
    modules: dict[str, list[list[str]]] = defaultdict(list)
    for module in told["modules"]:
        if module["needs"]:
            modules[module["needs"]].append([module["name"], module["file"]])
    return {
        "built": [{"name": one.name, "own": not one.is_mere, "ways": _ways(one, known)} for one in built],
        "others": {
            name: " ".join(one.name for one in built if one.name == name or one.name in processor.ancestors)
            for name, processor in sorted(known.items())
        },
        "vendors": dict(told["vendors"]) if any(one.family == ARM for one in built) else {},
        "modules": dict(modules),
        "choices": _choices(told["modules"], known),
    }


def _ways(target: Processor, known: Mapping[str, Processor]) -> list[list[str]]:
    """Vendors and features of processors that run a target: its own, then those of descendants that have not all."""
    heirs = [one for one in known.values() if target.name in one.ancestors]
    found: list[Processor] = []
    for one in [target, *sorted(heirs, key=lambda heir: (len(heir.features), heir.name))]:
        if not one.is_mere and not any(
            before.vendor in (GENERIC, one.vendor) and before.features <= one.features for before in found
        ):
            found.append(one)
    return [[one.vendor, " ".join(sorted(one.features))] for one in found]


def _choices(modules: Sequence[Mapping[str, Any]], known: Mapping[str, Processor]) -> list[list[list[str]]]:
    """Names and needs of builds of one package in one level that differ in their targets, the better first.

    First are those of the version that is taken where all can be run: the newest of the first list.
    """
    places: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for module in modules:
        places[module["level"], module["name"].rpartition("/")[0]].append(module)
    found = []
    for builds in places.values():
        if len({build["needs"] for build in builds} - {""}) > 1:
            first = min(build["list"] for build in builds)
            newest = max(build["version"] for build in builds if build["list"] == first)

            def order(build: Mapping[str, Any], newest: int = newest) -> tuple[Any, ...]:
                rank = max((known[name].rank for name in build["needs"].split()), default=(0, 0, ""))
                return build["version"] == newest, rank, build["version"], -build["list"], -len(build["name"])

            best: dict[str, str] = {}
            for build in sorted(builds, key=order, reverse=True):
                best.setdefault(build["needs"], build["name"])
            found.append([[name, needs] for needs, name in best.items()])
    return found
