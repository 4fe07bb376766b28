# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a stack may be: each broken one gives one error, with its place."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import HOST, LOCAL, changed, faults, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import stack_rules
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError


def stacks(*given: dict[str, Any], **software: Any) -> dict[str, Any]:
    made = changed(LOCAL, "software", "stacks", list(given))
    made["software"].update(software)
    return made


GOOD: list[dict[str, Any]] = [
    {
        "name": "a",
        "packages": ["hdf5+mpi", "openmpi@5.0.5"],
        "mpi": "openmpi@5",
        "compiler": "gcc@14",
        "target": "x86_64_v4",
    },
    {"name": "a", "mpi": "mpich"},
    {"name": "a", "mpi": "lab.fast-mpi@1", "packages": ["x ^lab.fast-mpi"]},
    {"name": "a", "mpi": "openmpi@5", "packages": ["hdf5 ^openmpi@5.0.1 %gcc@12", "x ^[virtuals=mpi] openmpi"]},
    {"name": "a", "compiler": "gcc@14", "packages": ["hdf5 %gcc@14.2", "x ^mpich", "y %cmake@3", "gcc@13"]},
    # What brings an MPI, too, is asked for as a compiler here.
    {"name": "a", "mpi": "openmpi", "packages": ["hdf5 %nvhpc"]},
    {"name": "a", "compiler": None, "mpi": None, "target": None, "packages": ["hdf5 ^mpich %llvm"]},
]

BROKEN: list[tuple[dict[str, Any], str, str]] = [
    (stacks({"packages": ["zlib"]}), "software.stacks[0].name", "missing"),
    (stacks({"name": "Open-MPI", "packages": ["zlib"]}), "software.stacks[0].name", "no name of a stack"),
    (stacks({"name": "../x", "packages": ["zlib"]}), "software.stacks[0].name", "no name of a stack"),
    (stacks({"name": "x" * 31, "packages": ["zlib"]}), "software.stacks[0].name", "31 characters"),
    (stacks(GOOD[1], GOOD[1]), "software.stacks[1].name", "another entry has this name"),
    (stacks({"name": "a"}), "software.stacks[0]", "nothing to install"),
    (stacks({"name": "a", "packages": []}), "software.stacks[0]", "nothing to install"),
    (stacks({"name": "a", "packages": ["zlib@@1"]}), "software.stacks[0].packages[0]", "no Spack spec"),
    (stacks({"name": "a", "packages": ["zlib os=rocky9"]}), "software.stacks[0].packages[0]", "is for os=debian12"),
    (stacks({"name": "a", "packages": ["x"], "spec": []}), "software.stacks[0].spec", "unknown"),
    (stacks({"name": "a", "mpi": "zlib"}), "software.stacks[0].mpi", "zlib is no MPI"),
    (stacks(GOOD[1], {"name": "b", "mpi": "mpi"}), "software.stacks[1].mpi", "mpi is no MPI"),
    (stacks({"name": "a", "mpi": "^mpich"}), "software.stacks[0].mpi", "no Spack spec"),
    (
        stacks({"name": "a", "packages": ["x"], "compiler": "clang"}),
        "software.stacks[0].compiler",
        "no package of Spack 1.x",
    ),
    (stacks({"name": "a", "packages": ["x"], "compiler": "zlib"}), "software.stacks[0].compiler", "no compiler"),
    (
        stacks({"name": "a", "packages": ["x"], "target": "neoverse_v1"}),
        "software.stacks[0].target",
        "no x86_64 processor",
    ),
    (stacks({"name": "a", "packages": ["x"], "target": "X86 64"}), "software.stacks[0].target", "no target"),
    (stacks(GOOD[1], spack={"version": "v1.1.0"}), "software.stacks", "need Spack 1.2 or later, and"),
    (stacks(GOOD[1], spack={"version": "releases/v1.0"}), "software.stacks", "need Spack 1.2 or later, and"),
    *(
        (
            stacks({"name": "a", "mpi": "openmpi@5", "packages": ["zlib", text]}),
            "software.stacks[0].packages[1]",
            message,
        )
        for text, message in (
            ("mpich", "it asks for mpich, and the MPI of the stack is openmpi@5"),
            ("hdf5 ^mpich@4", "it asks for mpich@4, and"),
            ("hdf5 ^openmpi@4", "it asks for openmpi@4, and"),
            ("openmpi@4", "it asks for openmpi@4, and"),
            ("a ^hdf5 ^[virtuals=mpi] lab.one", "it asks for one, and"),
        )
    ),
    *(
        (stacks({"name": "a", "compiler": "gcc@14", "packages": [text]}), "software.stacks[0].packages[0]", message)
        for text, message in (
            ("hdf5 %gcc@12", "it asks for gcc@12, and the compiler of the stack is gcc@14"),
            ("hdf5 %c=llvm", "it asks for llvm, and"),
            ("a ^hdf5 %intel-oneapi-compilers", "it asks for intel-oneapi-compilers, and"),
        )
    ),
]


@pytest.mark.parametrize("stack", GOOD, ids=str)
def test_good_ones(stack: dict[str, Any]) -> None:
    assert faults(stacks(stack)) == {}


@pytest.mark.parametrize(("data", "path", "message"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_broken_ones(data: dict[str, Any], path: str, message: str) -> None:
    found = faults(data)
    assert list(found) == [path]
    assert message in found[path]


def test_what_only_a_build_can_see() -> None:
    """A branch or a commit does not say of which release it is."""
    for version in ("develop", "9377a7b31dab3cb3880326de764d0ebb4f782d4f", "v1.2.0", "v1.10.0"):
        assert faults(stacks(GOOD[1], spack={"version": version})) == {}


def test_what_is_doubtful() -> None:
    doubtful = ["zlib", "zlib", "hdf5@develop", "hdf5 %gcc@12 +cxx", "zlib/abcdef"]
    found = [str(one) for one in seed(stacks({"name": "a", "packages": doubtful, "mpi": "mpich@main"})).warnings]
    places = [one.partition(":")[0] for one in found]
    assert sorted(places) == [
        "software.stacks[0].mpi",
        *(f"software.stacks[0].packages[{index}]" for index in (1, 2, 3, 4)),
    ]


def test_what_is_a_vendors() -> None:
    stack = {"name": "a", "packages": ["hdf5"], "mpi": "cray-mpich", "compiler": "nvhpc"}
    found = [str(one) for one in seed(stacks(stack)).warnings]
    assert [one.partition(":")[0] for one in found] == ["software.stacks[0].mpi", "software.stacks[0].compiler"]
    assert all("does not let it be handed on" in one for one in found)


def test_stacks_are_something_to_install() -> None:
    alone = changed(stacks(GOOD[1]), "software", "spack_packages", [])
    assert seed(alone, HOST).warnings == ()
    with pytest.raises(SeedError) as caught:
        seed(changed(alone, "software", "stacks", 0, "mpi", "zlib"), HOST)
    assert len(caught.value.problems) == 1


def test_all_are_in_force() -> None:
    named = {rule.__name__ for _level, rule in stack_rules.RULES}
    own = {
        name for name, value in vars(stack_rules).items() if getattr(value, "__module__", "") == stack_rules.__name__
    }
    assert {name for name in own if name[0] != "_"} == named
