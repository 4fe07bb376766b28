# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a seed asks of Spack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import spec


def specs(software: Mapping[str, Any]) -> list[str]:
    """The specs of a seed's ``software``, as Seed.to_dict has it: what must be built is installed as well, and so is
    the MPI of a stack; what is in the image has its module on the volume. Each is there once.
    """
    found = specs_of(software, "")
    for stack in software.get("stacks", ()):
        found += with_mpi(stack["mpi"], stack["packages"])
    return list(dict.fromkeys(found))


def specs_of(software: Mapping[str, Any], name: str) -> list[str]:
    """Those of one stack by its name; of none where that is empty. Raises KeyError where there is no such stack."""
    if not name:
        lists = (software.get("in_ami", ()), software["spack_packages"], software["build_from_source"])
        return list(dict.fromkeys(text for one in lists for text in one))
    stack = {one["name"]: one for one in software.get("stacks", ())}[name]
    return with_mpi(stack["mpi"], stack["packages"])


def with_mpi(mpi: str | None, packages: Sequence[str]) -> list[str]:
    """All that a stack asks for: its MPI first, unless one of its packages is that."""
    if mpi is None or spec.parse(mpi).name in {spec.parse(text).name for text in packages}:
        return list(packages)
    return [mpi, *packages]
