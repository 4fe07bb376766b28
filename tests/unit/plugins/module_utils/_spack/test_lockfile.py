# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""spack.lock and the store's database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.lockfile import (
    by_stack,
    needed,
    ordered,
    parse_database,
    parse_lock,
    wrappers,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node, SpackError

LINK = frozenset({"link"})
A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)


def entry(name: str, *dependencies: tuple[str, list[str]], **more: Any) -> dict[str, Any]:
    needs = [{"name": "x", "hash": key, "parameters": {"deptypes": kinds}} for key, kinds in dependencies]
    return {"name": name, "version": "1.0", "dependencies": needs, **more}


LOCK = {
    "_meta": {"file-type": "spack-lockfile", "lockfile-version": 7},
    "roots": [{"hash": A, "spec": "app", "group": "default"}],
    "concrete_specs": {
        A: entry("app", (B, ["build", "link"]), (C, ["build"])),
        B: entry("library", (D, ["build"])),
        C: entry("tool"),
        D: entry("make", external={"path": "/usr", "module": None}),
    },
}


def test_a_lock() -> None:
    nodes = parse_lock(json.dumps(LOCK))
    assert nodes[A].root == "app"
    assert nodes[A].label == "app@1.0"
    assert nodes[A].dependencies == {B: frozenset({"build", "link"}), C: frozenset({"build"})}
    assert nodes[B].root is None
    assert nodes[D].external == "/usr"
    assert [node.name for node in ordered(nodes)] == ["make", "library", "tool", "app"]


def test_which_stacks_ask_for_a_package() -> None:
    lock = json.loads(json.dumps(LOCK))
    lock["roots"] += [
        {"hash": B, "spec": "library", "group": "stack-mpich"},
        {"hash": A, "spec": "app+mpi", "group": "stack-mpich"},
        {"hash": B, "spec": "library@1", "group": "software"},
        {"hash": C, "spec": "tool", "group": "compiler-gnu"},
    ]
    nodes = parse_lock(json.dumps(lock))
    assert {key: node.stacks for key, node in nodes.items()} == {A: ("", "mpich"), B: ("mpich", ""), C: ("gnu",), D: ()}
    # The first that asks says what it stands for.
    assert (nodes[A].root, nodes[B].root) == ("app", "library")
    made = {name: sorted(node.name for node in mine) for name, mine in by_stack(nodes).items()}
    every = ["app", "library", "make", "tool"]
    assert made == {"": every, "mpich": every, "gnu": ["tool"]}
    # Spack before 1.2 has no groups.
    del lock["roots"][0]["group"]
    assert parse_lock(json.dumps(lock))[A].stacks == ("", "mpich")


def test_variants_as_a_spec_has_them() -> None:
    lock = json.loads(json.dumps(LOCK))
    lock["concrete_specs"][A]["parameters"] = {
        "mpi": True,
        "shared": False,
        "api": "v18",
        "languages": ["c", "fortran"],
        "cflags": [],
        "ldflags": ["-O2 -g"],
    }
    nodes = parse_lock(json.dumps(lock))
    assert nodes[A].variants == "api=v18 languages=c,fortran ldflags=-O2_-g +mpi ~shared"
    assert nodes[B].variants == ""


def test_dependencies_as_older_locks_write_them() -> None:
    lock = json.loads(json.dumps(LOCK))
    lock["concrete_specs"][A]["dependencies"] = [{"name": "library", "hash": B, "type": ["link"]}]
    assert parse_lock(json.dumps(lock))[A].dependencies == {B: frozenset({"link"})}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"roots": [], "concrete_specs": {"x": {}}}'])
def test_no_lock(text: str) -> None:
    with pytest.raises(SpackError, match=r"spack\.lock is not what Spack writes"):
        parse_lock(text)


def test_what_is_needed() -> None:
    nodes = parse_lock(json.dumps(LOCK))
    assert needed(nodes, [], []) == {A, B, C}
    # What only builds a package is not needed where that comes from a cache, or is there.
    assert needed(nodes, [], [A]) == {A, B}
    assert needed(nodes, [B], []) == {A, C}
    assert needed(nodes, [A], []) == set()


def test_the_wrapper_of_compilers_is_needed_whatever_comes_from_a_cache() -> None:
    lock = json.loads(json.dumps(LOCK))
    outside = {"path": "/usr", "module": None}
    lock["concrete_specs"][A]["dependencies"] += [{"hash": key, "type": ["build"]} for key in ("w" * 32, "x" * 32)]
    lock["concrete_specs"].update({"w" * 32: entry("compiler-wrapper"), "x" * 32: entry("gmake", external=outside)})
    nodes = parse_lock(json.dumps(lock))
    assert wrappers(nodes) == {"w" * 32}
    assert needed(nodes, [], [A], wrappers(nodes)) == {A, B, "w" * 32}
    assert needed(nodes, [A], [], wrappers(nodes)) == {"w" * 32}
    assert needed(nodes, [A, "w" * 32], [], wrappers(nodes)) == set()
    assert wrappers({"e": Node("compiler-wrapper", "1", "e", external="/usr")}) == set()


def test_the_database() -> None:
    installs = {
        A: {"path": "/opt/app", "installed": True},
        B: {"path": "/opt/library", "installed": False},
        D: {"path": None, "installed": True},
    }
    assert parse_database(json.dumps({"database": {"installs": installs}})) == {A: "/opt/app", D: ""}
    assert parse_database("{}") == {}
    assert parse_database("half a fi") == {}


def test_a_chain_may_be_longer_than_calls_can_be_nested() -> None:
    nodes = {f"{n:04}": Node(f"p{n:04}", "1", f"{n:04}", dependencies={f"{n + 1:04}": LINK}) for n in range(3000)}
    assert [node.hash for node in ordered(nodes)] == sorted(nodes, reverse=True)


def test_a_circle_has_an_order_too() -> None:
    nodes = {one: Node(one, "1", one, dependencies={other: LINK}) for one, other in ("ab", "bc", "ca")}
    assert [node.name for node in ordered(nodes)] == ["c", "b", "a"]
