# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a compiler that is to be built can build the rest, whether it does, and what nobody asked for is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS, parse
from ansible_collections.petal.hpc.plugins.module_utils._spack import lockfile, messages, unify
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    RUNTIME,
    EnvironmentRequest,
    Node,
    Probe,
    SpackError,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.plan import GCC_LANGUAGES, own_compilers, split_compiler


def check_languages(wanted: EnvironmentRequest, probe: Probe) -> None:
    """Refuse a gcc that is to be built without a language that a package is written in. Raises SpackError.

    The host has another gcc, and a package can be built with one of them only: the solver would look for a long time,
    and say little.
    """
    if wanted.compiler is None or probe.external or parse(wanted.compiler).name != "gcc":
        return
    for text, languages in probe.needs.items():
        lacking = [GCC_LANGUAGES[one] for one in languages if one not in probe.languages]
        if lacking and not own_compilers(text):
            has = [GCC_LANGUAGES[one] for one in GCC_LANGUAGES if one in probe.languages]
            raise SpackError(
                f"{wanted.compiler} compiles {', '.join(has) or 'nothing'}, and {text} needs {', '.join(lacking)} too. "
                f"Expected languages={','.join([*has, *lacking])} of this compiler, as no package is built with two "
                "gcc; or name another compiler for this package (%gcc@VERSION)."
            )


def made_otherwise(wanted: EnvironmentRequest, probe: Probe, nodes: Mapping[str, Node]) -> list[str]:
    """What a solution has built by another compiler than the one that is to be built for it, though no spec asks for
    that, as ``zlib@1.3.1 (gcc@12.2.0)``: of the roots a compiler can be required, of what they need it is preferred.
    """
    if wanted.compiler is None or probe.external:
        return []
    mine, others = split_compiler(wanted)
    # Each stack has a compiler of its own.
    nodes = {node.hash: node for node in lockfile.by_stack(nodes).get("", ())} if wanted.stacks else nodes
    names = {parse(text).name for text in mine}
    free = {parse(text).name for text in others if own_compilers(text)}
    roots = [node for node in nodes.values() if node.root is not None]
    compilers = {node.hash for node in roots if node.name in names}
    waiting = [node.hash for node in roots if node.name not in names | free]
    seen: set[str] = set()
    found = []
    while waiting:
        key = waiting.pop()
        if key in seen or key not in nodes or nodes[key].external is not None:
            continue
        seen.add(key)
        node = nodes[key]
        waiting += [one for one, kinds in node.dependencies.items() if kinds & RUNTIME]
        makers = [
            one
            for one, kinds in node.dependencies.items()
            if not kinds & RUNTIME and one in nodes and nodes[one].name in COMPILERS
        ]
        if makers and not compilers & set(makers) and not node.name.endswith("-runtime"):
            found.append(f"{node.label} ({', '.join(sorted(nodes[one].label for one in makers))})")
    return sorted(found)


def warnings(
    wanted: EnvironmentRequest, nodes: Mapping[str, Node], several: bool, otherwise: Sequence[str]
) -> Iterator[str]:
    """Sentences on what is in a solution though nobody asked for it.

    :param several: whether there is more than one build of a package.
    :param otherwise: what ``made_otherwise`` says.
    """
    installed = lockfile.needed(nodes, (), nodes)
    for name, mine in lockfile.by_stack(nodes).items() if several else ():
        found = unify.several(node for node in mine if node.hash in installed)
        if found or not wanted.stacks:
            yield messages.several_message(found, name)
    if otherwise:
        yield messages.makers_message(str(wanted.compiler), otherwise)
