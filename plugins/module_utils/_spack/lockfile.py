# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read spack.lock, and the database of Spack's store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import RUNTIME, WRAPPER, Node, SpackError

#: What groups of specs are called in a spack.yaml: a stack's, and that of its compiler.
STACK = "stack-"
STACK_COMPILER = "compiler-"


def parse_lock(text: str) -> dict[str, Node]:
    """The packages of a spack.lock by hash; as Spack 1.0 to 1.2 write them.

    Raises SpackError when it is none.
    """
    try:
        lock = json.loads(text)
        roots: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for entry in lock["roots"]:
            roots[entry["hash"]].append(entry)
        return {key: _node(key, value, roots.get(key, ())) for key, value in lock["concrete_specs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SpackError(f"spack.lock is not what Spack writes: {error!r}. Remove it and run again.") from error


def stack_of(group: str) -> str:
    """The stack that a group of specs is, or whose compiler; empty where it belongs to none."""
    for prefix in (STACK, STACK_COMPILER):
        if group.startswith(prefix):
            return group[len(prefix) :]
    return ""


def _node(key: str, value: Mapping[str, Any], roots: Sequence[Mapping[str, Any]]) -> Node:
    external = value.get("external") or {}
    return Node(
        name=str(value["name"]),
        version=str(value["version"]),
        hash=key,
        external=(external.get("path") or "") if external else None,
        root=str(roots[0]["spec"]) if roots else None,
        dependencies={str(item["hash"]): _kinds(item) for item in value.get("dependencies", [])},
        variants=_variants(value.get("parameters") or {}),
        stacks=tuple(dict.fromkeys(stack_of(str(entry.get("group", ""))) for entry in roots)),
    )


def _variants(parameters: Mapping[str, Any]) -> str:
    """Variants and flags of compilers as words of a spec, those that have no value left out."""
    words = []
    for name, value in sorted(parameters.items()):
        if isinstance(value, bool):
            words.append(f"{'+' if value else '~'}{name}")
        elif value:
            values = [str(one) for one in value] if isinstance(value, list) else [str(value)]
            words.append(f"{name}={','.join(values)}".replace(" ", "_"))
    return " ".join(words)


def _kinds(dependency: Mapping[str, Any]) -> frozenset[str]:
    parameters = dependency.get("parameters") or {}
    return frozenset(parameters.get("deptypes", dependency.get("type", ())))


def parse_database(text: str) -> dict[str, str]:
    """Prefixes by hash of all that a store's ``index.json`` has as installed; empty when it cannot be read."""
    try:
        installs = json.loads(text)["database"]["installs"]
        return {key: str(record.get("path") or "") for key, record in installs.items() if record.get("installed")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def ordered(nodes: Mapping[str, Node]) -> list[Node]:
    """Packages so that each stands behind what it depends on; otherwise by name."""
    done: dict[str, Node] = {}

    def in_order(keys: Iterable[str]) -> list[str]:
        return sorted((key for key in keys if key in nodes and key not in done), key=lambda key: _place(nodes, key))

    for first in in_order(nodes):
        # Not by calling itself: a chain can be longer than Python lets calls be.
        way = [first]
        seen = {first}
        while way:
            ahead = [key for key in in_order(nodes[way[-1]].dependencies) if key not in seen]
            if ahead:
                way.append(ahead[0])
                seen.add(ahead[0])
            else:
                key = way.pop()
                done[key] = nodes[key]
    return list(done.values())


def _place(nodes: Mapping[str, Node], key: str) -> tuple[str, str]:
    return (nodes[key].name, key) if key in nodes else ("", key)


def by_stack(nodes: Mapping[str, Node]) -> dict[str, list[Node]]:
    """What each stack is made of, with all that its packages need; by its name, empty for the specs of none."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for key, node in nodes.items():
        for name in node.stacks:
            waiting[name].append(key)
    found = {}
    for name, asked in waiting.items():
        seen: dict[str, Node] = {}
        while asked:
            key = asked.pop()
            if key not in seen and key in nodes:
                seen[key] = nodes[key]
                asked.extend(nodes[key].dependencies)
        found[name] = list(seen.values())
    return found


def wrappers(nodes: Mapping[str, Node]) -> set[str]:
    """Hashes of what builds others and is to be on the volume all the same."""
    return {key for key, node in nodes.items() if node.name == WRAPPER and node.external is None}


def needed(
    nodes: Mapping[str, Node], installed: Iterable[str], cached: Iterable[str], besides: Iterable[str] = ()
) -> set[str]:
    """Hashes of what an installation has to bring: what is there is left out, and so is what only builds something
    that comes from a cache. Packages of the operating system take no time, and are left out too.

    :param besides: hashes of what is to be there as well, whatever it is for.
    """
    there, hits = set(installed), set(cached)
    found: set[str] = set()
    waiting = [*besides, *(key for key, node in nodes.items() if node.root is not None)]
    while waiting:
        key = waiting.pop()
        if key in found or key in there or key not in nodes:
            continue
        found.add(key)
        for dependency, kinds in nodes[key].dependencies.items():
            if key not in hits or kinds & RUNTIME:
                waiting.append(dependency)
    return {key for key in found if nodes[key].external is None}
