"""Specs that one solution can have, and specs that need several builds of a package."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node
from ansible_collections.petal.hpc.plugins.module_utils._spack.unify import (
    FEW,
    ONE,
    Attempt,
    are_apart,
    attempts,
    several,
)

APART = [
    ["zlib@1.2.13", "zlib@1.3.1"],
    ["zlib@:1.2", "bzip2", "zlib@1.3:"],
    ["hdf5+mpi", "hdf5~mpi"],
    ["hdf5@1.14 %gcc@12", "hdf5@1.14 %gcc@13"],
    ["hdf5 %gcc", "hdf5 %llvm"],
    ["hdf5 %c=gcc", "hdf5 %c,cxx=llvm"],
    ["samtools ^zlib@1.2.13", "zlib@1.3.1"],
    ["samtools ^zlib@1.2.13", "bcftools ^zlib@1.3.1"],
    ["zlib target=x86_64", "zlib target=x86_64_v3"],
]
TOGETHER = [
    ["zlib@1.2.13", "zlib@1.2.13"],
    ["zlib@1.2.13", "zlib"],
    ["zlib@1.2.13", "zlib@1.2"],
    ["zlib@1.2.13", "zlib +pic"],
    ["hdf5+mpi", "hdf5+cxx"],
    ["hdf5 api=v18", "hdf5 api=v110"],
    ["hdf5 %gcc@12", "zlib %gcc@13"],
    ["hdf5 %gcc@12", "hdf5"],
    ["hdf5 %c=gcc", "hdf5 %fortran=llvm"],
    ["hdf5 %gcc@12", "hdf5 %cmake"],
    ["a ^zlib@1.2.13", "b ^zlib"],
    ["a ^[when='+x'] zlib@1.2.13", "zlib@1.3.1"],
    ["gcc@11.3.0", "hdf5 %gcc@12"],
    [],
]


@pytest.mark.parametrize("specs", APART, ids=" and ".join)
def test_builds_that_exclude_each_other(specs: list[str]) -> None:
    assert are_apart(specs)
    assert are_apart(specs[::-1])


@pytest.mark.parametrize("specs", TOGETHER, ids=" and ".join)
def test_builds_that_may_be_one(specs: list[str]) -> None:
    assert not are_apart(specs)
    assert not are_apart(specs[::-1])


def test_what_is_tried() -> None:
    assert attempts([[["zlib"], ["gcc"]]], closed=True) == [
        Attempt((ONE,), pruned=True),
        Attempt((ONE,), pruned=False, tells=True),
        Attempt((FEW,), pruned=True),
    ]
    assert attempts([[["zlib"]]], closed=False) == [
        Attempt((ONE,), pruned=False, tells=True),
        Attempt((FEW,), pruned=False),
    ]
    # Between groups nothing is shared that could exclude each other.
    assert attempts([[["gcc@13"], ["gcc@12", "zlib"]]], closed=False)[0].unify == (ONE,)
    assert attempts([[[], ["zlib@1.2", "zlib@1.3"]]], closed=True) == [
        Attempt((FEW,), pruned=True),
        Attempt((FEW,), pruned=False, tells=True),
    ]


def test_each_stack_is_tried_for_itself() -> None:
    apart, other = [[], ["zlib@1.2", "zlib@1.3"]], [[], ["zlib@1.2"]]
    assert [attempt.unify for attempt in attempts([apart, other, other], closed=False)] == [
        (FEW, ONE, ONE),
        (FEW, FEW, FEW),
    ]


def test_what_is_there_several_times() -> None:
    nodes = [
        Node("zlib", "1.3", "a"),
        Node("gmake", "4", "b"),
        Node("zlib", "1.2", "c"),
        Node("x", "1", "d"),
        Node("x", "1", "e"),
    ]
    assert several(nodes) == ["x 1, 1", "zlib 1.2, 1.3"]
