# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys of a stack must mean together. What holds for specs anywhere is in software_rules.py."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.agreement import can_be, names_compiler, short
from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import Draft, Finding, Rule
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR

# Packages that provide MPI. Source: the package repository of June 2026, but for nvhpc and charmpp, which one asks for
# by other reasons.
MPIS = (
    *("openmpi", "mpich", "mvapich", "mvapich-plus", "mvapich2", "intel-oneapi-mpi", "cray-mpich", "cray-mvapich2"),
    *("hpcx-mpi", "spectrum-mpi", "fujitsu-mpi", "mpitrampoline", "mpilander", "mpi-serial", "mpt", "msmpi", "nmad"),
)
#: nvhpc and charmpp bring an MPI beside what one asks them for.
_MPIS = (*MPIS, "nvhpc", "charmpp")


def stacks_have_something(seed: Draft) -> Iterator[Finding]:
    for path, stack in seed.entries("software", "stacks"):
        wrong = any(seed.report.is_wrong((*path, key)) for key in ("packages", "mpi"))
        if not wrong and not stack.get("packages") and not stack.get("mpi"):
            yield Finding(path, "there is nothing to install: it is a stack of no packages", expected="packages")


def stacks_need_groups(seed: Draft) -> Iterator[Finding]:
    """A branch or a commit does not say of which release it is: a build looks before it solves anything."""
    ref = seed.get("software", "spack", "version") or ""
    release = re.match(r"(?:releases/|releases-)?v?1\.([0-9]+)", ref)
    if seed.get("software", "stacks") and release and int(release[1]) < 2:
        yield Finding(
            ("software", "stacks"),
            f"stacks need Spack 1.2 or later, and software.spack.version is {ref}",
            hint="leave software.spack.version out, name a later release, or ask for all packages in spack_packages",
        )


def mpi_is_one(seed: Draft) -> Iterator[Finding]:
    for path, stack in seed.entries("software", "stacks"):
        if stack.get("mpi"):
            wanted = spec.parse(stack["mpi"])
            if not _is_mpi(wanted):
                yield Finding(
                    (*path, "mpi"),
                    f"{wanted.name} is no MPI",
                    stack["mpi"],
                    "one of " + ", ".join(MPIS),
                    hint="one with a recipe of your own is named with its namespace: NAMESPACE.NAME",
                )


def _is_mpi(one: spec.Spec | None) -> bool:
    return one is not None and (one.name in _MPIS or one.namespace not in ("", "builtin"))


def stacks_agree_with_themselves(seed: Draft) -> Iterator[Finding]:
    """A package that asks for another MPI or another compiler than its stack belongs into another stack."""
    for path, stack in seed.entries("software", "stacks"):
        for index, text in enumerate(stack.get("packages", ())):
            for what, other in _others(stack, text) if text else ():
                yield Finding(
                    (*path, "packages", index),
                    f"it asks for {short(other)}, and the {what} of the stack is {stack[_KEYS[what]]}",
                    text,
                    hint=f"leave it out, or move the package to a stack of its own with that {what}",
                )


_KEYS = {"MPI": "mpi", "compiler": "compiler"}


def _others(stack: Mapping[str, Any], text: str) -> Iterator[tuple[str, spec.Spec]]:
    """What a spec asks for that its stack has otherwise."""
    wanted = {what: spec.parse(stack[key]) for what, key in _KEYS.items() if stack.get(key)}
    if not _is_mpi(wanted.get("MPI")):
        # That is the fault then.
        wanted.pop("MPI", None)
    root = spec.parse(text)
    waiting = [root]
    if "MPI" in wanted and root.name in MPIS and not can_be(root, wanted["MPI"]):
        yield "MPI", root
    while waiting:
        for edge in waiting.pop().dependencies:
            waiting.append(edge.spec)
            is_mpi = "mpi" in edge.virtuals or edge.spec.name in MPIS
            if is_mpi and "MPI" in wanted and not can_be(edge.spec, wanted["MPI"]):
                yield "MPI", edge.spec
            elif names_compiler(edge) and "compiler" in wanted and not can_be(edge.spec, wanted["compiler"]):
                yield "compiler", edge.spec


RULES: tuple[tuple[str, Rule], ...] = (
    (ERROR, stacks_have_something),
    (ERROR, stacks_need_groups),
    (ERROR, mpi_is_one),
    (ERROR, stacks_agree_with_themselves),
)
