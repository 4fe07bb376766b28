# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What two specs have to do with each other, by their names and versions, and which part of a spec names a compiler."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS, LEGACY_COMPILERS, Edge, Spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import VersionError

LANGUAGES = frozenset({"c", "cxx", "fortran"})


def can_be(one: Spec, other: Spec) -> bool:
    """Whether a spec can be what another one asks for, by its name and versions."""
    if one.name != other.name:
        return False
    try:
        one.versions.intersection(other.versions)
    except VersionError:
        return False
    return True


def short(one: Spec) -> str:
    """A spec by its name and versions alone."""
    return one.name if one.versions.is_any else f"{one.name}@{one.versions}"


def names_compiler(edge: Edge) -> bool:
    """Whether a dependency says what builds the package: ``%llvm@17``, ``%c=gcc@12``."""
    known = edge.spec.name in (*COMPILERS, *LEGACY_COMPILERS)
    return edge.direct and known and set(edge.virtuals) <= LANGUAGES
