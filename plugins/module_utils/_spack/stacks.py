# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stacks of an environment: each a group of specs of Spack 1.2, with a compiler, an MPI and a target of its own.

Each group is solved as if it were alone, so that what else is wanted changes nothing of it. What comes out the same, as
most of what does not depend on the compiler or the MPI, has the same hash and is there once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import asked
from ansible_collections.petal.hpc.plugins.module_utils._spack import makers, plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.lockfile import STACK, STACK_COMPILER
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    EnvironmentRequest,
    Probe,
    SpackError,
    Stack,
)


def check(wanted: EnvironmentRequest, probe: Probe) -> None:
    """Raises SpackError where this Spack, or this host, cannot have the stacks."""
    if not wanted.stacks:
        return
    if probe.version < plan.HAS_GROUPS:
        release = ".".join(map(str, probe.version))
        raise SpackError(
            f"Stacks need Spack 1.2 or later, which solves groups of specs; this is Spack {release}. Take another "
            "release (software.spack.version), or ask for all packages without stacks (software.spack_packages)."
        )
    for number, (stack, facts) in enumerate(zip(wanted.stacks, probe.stacks)):
        if facts.no_mpi:
            raise SpackError(
                f"The stack {stack.name} names {stack.mpi} as its MPI, and no recipe of that name provides one. "
                "Expected a package such as openmpi or mpich, or one of a repository of recipes that this Spack knows."
            )
        if stack.compiler and not facts.external and facts.older:
            raise SpackError(
                f"The stack {stack.name} asks for {stack.compiler}, which is older than the compilers of this host and "
                "would have to be built before anything else is solved. That can be done for the compiler of all "
                "(software.compiler), not for that of a stack."
            )
        makers.check_languages(as_request(wanted, stack), _as_probe(probe, stack, number))


def as_request(wanted: EnvironmentRequest, stack: Stack) -> EnvironmentRequest:
    """What an environment would be that has a stack alone."""
    return replace(
        wanted,
        specs=with_mpi(stack),
        compiler=stack.compiler or wanted.compiler,
        target=stack.target or wanted.target,
        stacks=(),
    )


def with_mpi(stack: Stack) -> tuple[str, ...]:
    """All that a stack asks for."""
    return tuple(asked.with_mpi(stack.mpi, stack.specs))


def _as_probe(probe: Probe, stack: Stack, number: int) -> Probe:
    """What was found out about the environment that has a stack alone."""
    mine = probe.stacks[number]
    alone = replace(probe, compiled=mine.compiled, needs=mine.needs, stacks=())
    if stack.compiler is None:
        return alone
    return replace(alone, external=mine.external, older=mine.older, languages=mine.languages, built=())


def lists(wanted: EnvironmentRequest) -> list[Sequence[Sequence[str]]]:
    """The specs of no stack, and those of each, as groups that are solved together."""
    return [plan.split_compiler(one) for one in (wanted, *(as_request(wanted, stack) for stack in wanted.stacks))]


def spack_yaml(wanted: EnvironmentRequest, probe: Probe, unify: Sequence[bool | str]) -> str:
    """The spack.yaml of an environment, as JSON, which is YAML.

    :param unify: of the specs of no stack, and of each stack.
    """
    found = plan.environment(wanted, probe, unify[0])
    # Which group has which compiler, of those that are built.
    compilers: dict[tuple[str | None, str | None], str] = {}
    if wanted.compiler and not probe.external:
        compilers[wanted.compiler, wanted.target] = plan.COMPILER_GROUP
    for number, stack in enumerate(wanted.stacks):
        request = as_request(wanted, stack)
        alone = plan.environment(request, _as_probe(probe, stack, number))
        found["specs"] += _groups(stack, request, alone, compilers, unify[number + 1])
    return json.dumps({"spack": found}, indent=2) + "\n"


def _groups(
    stack: Stack,
    request: EnvironmentRequest,
    alone: Mapping[str, Any],
    compilers: dict[tuple[str | None, str | None], str],
    unify: bool | str,
) -> list[dict[str, Any]]:
    """The groups of a stack, from the environment that has it alone; notes that of its compiler."""
    rules = _rules(stack)
    specs: list[Any] = alone["specs"]
    if not any(isinstance(entry, dict) for entry in specs):
        given = {name: rule for name, rule in alone.get("packages", {}).items() if name != "all"}
        return [_group(stack, specs, (), {**given, **rules}, unify)]
    key = request.compiler, request.target
    # A stack that says how its compiler is to be has it so.
    if specs[0]["specs"] != [request.compiler] or key not in compilers:
        compiler = STACK_COMPILER + stack.name
        compilers.setdefault(key, compiler)
        target = {name: rule for name, rule in rules.items() if name == "all"}
        override = {"override": {"packages": target}} if target else {}
        found = [{"group": compiler, "specs": specs[0]["specs"], **override}]
    else:
        compiler, found = compilers[key], []
    for software in specs[1:]:
        given = {**software["override"]["packages"], **rules}
        found.append(_group(stack, software["specs"], [compiler], given, unify))
    return found


def _group(
    stack: Stack, specs: Sequence[str], needs: Sequence[str], packages: Mapping[str, Any], unify: bool | str
) -> dict[str, Any]:
    # Nothing of what lies in the store already has a say.
    override: dict[str, Any] = {"concretizer": {"unify": unify, "reuse": False}}
    if packages:
        override["packages"] = packages
    found: dict[str, Any] = {"group": STACK + stack.name, "specs": list(specs), "override": override}
    return {**found, "needs": list(needs)} if needs else found


def _rules(stack: Stack) -> dict[str, Any]:
    """What a stack asks of all its packages. The colons replace what the environment and the host's settings ask."""
    rules: dict[str, Any] = {}
    if stack.target:
        rules["all"] = {"require:": [f"target={stack.target}"]}
    if stack.mpi:
        rules["mpi"] = {"require:": [stack.mpi]}
    return rules


def stack_that_was_solved(output: str) -> str:
    """The stack at which Spack was when its solver gave up, by what it printed; empty where it was at none."""
    found = ""
    for line in output.splitlines():
        start, _quote, rest = line.partition("Concretizing the '")
        if rest and start.strip() in ("", "==>"):
            group = rest.partition("'")[0]
            found = group[len(STACK) :] if group.startswith(STACK) else ""
    return found
