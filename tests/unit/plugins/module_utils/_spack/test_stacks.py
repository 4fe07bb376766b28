# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stacks as groups of specs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    EnvironmentRequest,
    Probe,
    SpackError,
    Stack,
    StackProbe,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.stacks import (
    check,
    lists,
    spack_yaml,
    stack_that_was_solved,
    with_mpi,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.unify import FEW, ONE

NEW = Probe((1, 2, 0), languages=("c", "cxx"))
GIVEN: dict[str, Any] = {
    "name": "x",
    "specs": ["zlib"],
    "compiler": "gcc@12",
    "target": None,
    "build_from_source": [],
    "deprecated": True,
}


def made(wanted: EnvironmentRequest, probe: Probe) -> dict[str, Any]:
    found = json.loads(spack_yaml(wanted, probe, (ONE,) * (1 + len(wanted.stacks))))["spack"]
    assert isinstance(found, dict)
    return found


def groups(wanted: EnvironmentRequest, probe: Probe) -> dict[str, Any]:
    return {entry["group"]: entry for entry in made(wanted, probe)["specs"] if isinstance(entry, dict)}


def wanted_with(*stacks: Stack, compiler: str | None = None) -> EnvironmentRequest:
    return EnvironmentRequest("x", ("zlib@1.2.13", "zlib@1.3.1"), compiler, stacks=stacks)


def test_two_mpi_and_a_target() -> None:
    stacks = (
        Stack("openmpi", ("hdf5",), mpi="openmpi@5"),
        Stack("v4", ("hdf5", "mpich@4"), mpi="mpich", target="x86_64_v4"),
    )
    probe = replace(NEW, stacks=(StackProbe(), StackProbe()))
    found = json.loads(spack_yaml(wanted_with(*stacks), probe, (FEW, ONE, FEW)))["spack"]
    assert found["concretizer"] == {"unify": FEW}
    assert "packages" not in found
    assert found["specs"] == [
        "zlib@1.2.13",
        "zlib@1.3.1",
        {
            "group": "stack-openmpi",
            "specs": ["openmpi@5", "hdf5"],
            "override": {
                "concretizer": {"unify": ONE, "reuse": False},
                "packages": {"mpi": {"require:": ["openmpi@5"]}},
            },
        },
        {
            "group": "stack-v4",
            "specs": ["hdf5", "mpich@4"],
            "override": {
                "concretizer": {"unify": FEW, "reuse": False},
                "packages": {"all": {"require:": ["target=x86_64_v4"]}, "mpi": {"require:": ["mpich"]}},
            },
        },
    ]


def test_without_stacks_nothing_is_added() -> None:
    assert made(EnvironmentRequest("x", ("zlib",)), NEW) == {
        "view": False,
        "concretizer": {"unify": True},
        "config": {"deprecated": True},
        "specs": ["zlib"],
    }


def test_a_compiler_of_the_host_for_a_stack() -> None:
    probe = replace(NEW, stacks=(StackProbe(languages=("c", "cxx", "fortran")), StackProbe()))
    wanted = wanted_with(Stack("llvm", ("hdf5",), "llvm@17"), Stack("plain", ("hdf5",)), compiler="gcc@12")
    assert made(wanted, probe)["packages"] == {language: {"require": ["gcc@12"]} for language in ("c:", "cxx:")}
    found = groups(wanted, probe)
    required = {f"{language}:": {"require": ["llvm@17"]} for language in ("c", "cxx", "fortran")}
    assert found["stack-llvm"]["override"]["packages"] == required
    # That of all.
    assert found["stack-plain"]["override"]["packages"]["c:"] == {"require": ["gcc@12"]}
    assert not any("needs" in group for group in found.values())


def test_a_compiler_that_is_built_for_a_stack() -> None:
    mine = StackProbe(external=False, languages=("c",), compiled=("hdf5",))
    stacks = (
        Stack("one", ("hdf5", "nextflow"), "gcc@14", target="x86_64_v4"),
        Stack("two", ("hdf5",), "gcc@14", target="x86_64_v4", mpi="mpich"),
        Stack("three", ("hdf5",), "gcc@14"),
        Stack("own", ("hdf5", "gcc@14.2 +binutils"), "gcc@14"),
    )
    found = groups(wanted_with(*stacks), replace(NEW, stacks=(mine,) * 4))
    assert list(found) == [
        *("compiler-one", "stack-one", "stack-two"),
        *("compiler-three", "stack-three", "compiler-own", "stack-own"),
    ]
    target = {"all": {"require:": ["target=x86_64_v4"]}}
    assert found["compiler-one"] == {"group": "compiler-one", "specs": ["gcc@14"], "override": {"packages": target}}
    assert found["stack-one"]["specs"] == ["hdf5 %gcc@14", "nextflow"]
    assert found["stack-one"]["override"]["packages"] == {"c:": {"prefer": ["gcc@14"]}, **target}
    # The same compiler for the same target is one.
    assert found["stack-two"]["needs"] == found["stack-one"]["needs"] == ["compiler-one"]
    assert found["compiler-three"] == {"group": "compiler-three", "specs": ["gcc@14"]}
    # As it says itself.
    assert found["compiler-own"]["specs"] == ["gcc@14.2+binutils"] or found["compiler-own"]["specs"] == [
        "gcc@14.2 +binutils"
    ]
    assert found["stack-own"]["needs"] == ["compiler-own"]


def test_the_compiler_of_all_is_built_once() -> None:
    probe = replace(NEW, external=False, compiled=("zlib@1.2.13",), stacks=(StackProbe(compiled=("hdf5", "mpich")),))
    found = groups(wanted_with(Stack("mpich", ("hdf5",), mpi="mpich"), compiler="gcc@14"), probe)
    assert list(found) == ["compiler", "software", "stack-mpich"]
    assert found["stack-mpich"]["specs"] == ["mpich %gcc@14", "hdf5 %gcc@14"]
    assert found["stack-mpich"]["needs"] == ["compiler"]
    # Even where nothing else is built with it.
    only = groups(replace(wanted_with(Stack("a", ("hdf5",)), compiler="gcc@14"), specs=()), probe)
    assert list(only) == ["compiler", "stack-a"]


def test_a_stack_that_is_its_compiler_alone() -> None:
    mine = StackProbe(external=False, languages=("c",))
    found = groups(wanted_with(Stack("one", ("gcc@14",), "gcc@14")), replace(NEW, stacks=(mine,)))
    assert list(found) == ["compiler-one"]


def test_an_mpi_is_asked_for_once() -> None:
    assert with_mpi(Stack("a", ("hdf5",), mpi="mpich")) == ("mpich", "hdf5")
    assert with_mpi(Stack("a", ("hdf5", "mpich@4 +slurm"), mpi="mpich@4")) == ("hdf5", "mpich@4 +slurm")
    assert with_mpi(Stack("a", ("hdf5",))) == ("hdf5",)
    assert lists(wanted_with(Stack("a", ("hdf5",), "gcc@14", "mpich"))) == [
        ([], ["zlib@1.2.13", "zlib@1.3.1"]),
        (["gcc@14"], ["mpich", "hdf5"]),
    ]


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (
            Probe((1, 1, 1)),
            r"^Stacks need Spack 1\.2 or later, .*; this is Spack 1\.1\.1\. Take another release \(soft",
        ),
        (replace(NEW, stacks=(StackProbe(external=False, older=True),)), "asks for gcc@9, which is older than"),
        (
            replace(NEW, stacks=(StackProbe(external=False, languages=("c",), needs={"hdf5": ("c", "fortran")}),)),
            "gcc@9 compiles c, and hdf5 needs fortran too",
        ),
        (replace(NEW, stacks=(StackProbe(no_mpi=True),)), "The stack old names zlib as its MPI, and no recipe of"),
    ],
)
def test_what_cannot_be(probe: Probe, message: str) -> None:
    with pytest.raises(SpackError, match=message):
        check(wanted_with(Stack("old", ("hdf5",), "gcc@9", "zlib")), probe)


def test_what_can_be() -> None:
    check(EnvironmentRequest("x", ("zlib",)), Probe((1, 0, 0)))
    check(wanted_with(Stack("a", ("hdf5",))), replace(NEW, stacks=(StackProbe(),)))


def test_where_the_solver_was() -> None:
    groups_said = [f"==> Concretizing the '{name}' group of specs\n" for name in ("compiler-a", "stack-a")]
    said = "".join(groups_said) + "==> Error: no\n"
    assert stack_that_was_solved(said) == "a"
    assert stack_that_was_solved(said.replace("stack-a", "software")) == ""
    assert stack_that_was_solved("==> Error: no") == ""


def test_options_are_read() -> None:
    given = {"name": "mpich", "packages": ["hdf5 @1.14", "hdf5@1.14"], "mpi": "mpich @4", "compiler": "gcc @12"}
    found = EnvironmentRequest.checked({**GIVEN, "stacks": [{**given, "target": ""}]})
    # The compiler of all is not one of its own.
    assert found.stacks == (Stack("mpich", ("hdf5@1.14",), None, "mpich@4", None),)
    assert EnvironmentRequest.checked({**GIVEN, "stacks": None}).stacks == ()


@pytest.mark.parametrize(
    ("stacks", "message"),
    [
        (
            [{"name": "Open MPI", "packages": ["a"]}],
            r"stacks\[0\]\.name: 'Open MPI' is not allowed: expected at most 30",
        ),
        ([{"name": "a", "packages": ["b", "zlib@@1"]}], r"stacks\[0\]\.packages\[1\]: unexpected '@'"),
        ([{"name": "a", "packages": [], "mpi": "^x"}], r"stacks\[0\]\.mpi: "),
        ([{"name": "a", "packages": []}], r"stacks\[0\]: there is nothing to install"),
        (
            [{"name": "a", "packages": ["b"]}, {"name": "a", "packages": ["c"]}],
            r"stacks\[1\]\.name: another stack is called",
        ),
    ],
)
def test_bad_options(stacks: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SpackError, match=message):
        EnvironmentRequest.checked({**GIVEN, "stacks": stacks})
