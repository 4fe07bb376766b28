# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a seed asks of Spack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import spec


def specs(software: Mapping[str, Any]) -> list[str]:
    """The specs of a seed's ``software``, as Seed.to_dict has it: what must be built is installed as well, and so is
    the MPI of a stack. Each is there once.
    """
    found = [*software["spack_packages"], *software["build_from_source"]]
    for stack in software.get("stacks", ()):
        found += of_stack(stack)
    return list(dict.fromkeys(found))


def of_stack(stack: Mapping[str, Any]) -> list[str]:
    """The specs of a stack: its MPI first, unless one of its packages is that."""
    packages = list(stack["packages"])
    mpi = stack["mpi"]
    if mpi is None or spec.parse(mpi).name in {spec.parse(text).name for text in packages}:
        return packages
    return [mpi, *packages]
