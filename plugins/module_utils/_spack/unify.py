# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether several specs can have one solution with one build of each package, as Spack's ``unify: true`` asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS, Spec, parse
from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import VersionError
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node

_WORDS = ("namespace", "platform", "os", "target", "hash")

#: Values of ``concretizer:unify``: one build of each package, or as many as it takes and as few as can be.
ONE: bool | str = True
FEW: bool | str = "when_possible"


def are_apart(specs: Iterable[str]) -> bool:
    """Whether two of the specs ask for builds of one package that exclude each other: ``zlib@1.2`` and ``zlib@1.3``,
    ``hdf5+mpi`` and ``hdf5~mpi``, ``hdf5 %gcc`` and ``hdf5 %llvm``, ``samtools ^zlib@1.2`` and ``zlib@1.3``.

    What recipes add to that, only Spack can tell. Raises SpecError where a text is no spec.
    """
    asked: dict[str, list[Spec]] = defaultdict(list)
    for text in dict.fromkeys(specs):
        for node in _nodes(parse(text)):
            asked[node.name].append(node)
    return any(not _together(one, two) for nodes in asked.values() for one, two in combinations(nodes, 2))


def _nodes(spec: Spec) -> Iterator[Spec]:
    """A spec and the dependencies of which there is one for all (``^``); a ``%`` speaks of its package alone."""
    yield spec
    for edge in spec.dependencies:
        if not edge.direct and edge.when is None:
            yield from _nodes(edge.spec)


def _together(one: Spec, two: Spec) -> bool:
    """Whether one build of a package can be what both ask for, as far as the two texts tell."""
    if any(getattr(one, word) and getattr(two, word) not in ("", getattr(one, word)) for word in _WORDS):
        return False
    try:
        one.versions.intersection(two.versions)
    except VersionError:
        return False
    # Of named values it is not known whether there can be several at once.
    switches = {variant.name: variant.value for variant in one.variants if isinstance(variant.value, bool)}
    for variant in two.variants:
        if isinstance(variant.value, bool) and switches.get(variant.name, variant.value) != variant.value:
            return False
    return _same_compilers(one, two)


def _same_compilers(one: Spec, two: Spec) -> bool:
    first, second = ([edge for edge in spec.dependencies if edge.direct and edge.when is None] for spec in (one, two))
    for mine in first:
        for other in second:
            if mine.spec.name == other.spec.name:
                if not _together(mine.spec, other.spec):
                    return False
            elif {mine.spec.name, other.spec.name} <= set(COMPILERS) and (
                set(mine.virtuals) & set(other.virtuals) or not (mine.virtuals and other.virtuals)
            ):
                return False
    return True


def several(nodes: Iterable[Node]) -> list[str]:
    """Packages of which there are several among the nodes, as ``zlib 1.2.13, 1.3.1``."""
    found: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        found[node.name].append(node.version)
    return [f"{name} {', '.join(sorted(versions))}" for name, versions in sorted(found.items()) if len(versions) > 1]


@dataclass(frozen=True)
class Attempt:
    """One try to solve an environment. unify: of the specs of no stack, and of each stack. pruned: without the packages
    that cannot be needed. tells: whether what Spack says of its failure is worth telling: a solver that was told too
    little, or that was asked for less, says little.
    """

    unify: tuple[bool | str, ...]
    pruned: bool
    tells: bool = False


def attempts(lists: Iterable[Iterable[Sequence[str]]], closed: bool) -> list[Attempt]:
    """What to try for specs, the best first: one build of each package where the texts do not exclude it, and several
    only where there is no such solution. lists: the specs of no stack, and those of each, as groups that are solved
    together. closed: whether anything can be left out, which is faster.
    """
    first = tuple(FEW if any(map(are_apart, groups)) else ONE for groups in lists)
    found = [Attempt(first, pruned=True)] if closed else []
    found.append(Attempt(first, pruned=False, tells=True))
    if ONE in first:
        found.append(Attempt((FEW,) * len(first), pruned=closed))
    return found
