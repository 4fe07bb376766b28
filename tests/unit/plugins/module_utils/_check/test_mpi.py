"""Which module brings MPI, and whether its processes knew of each other."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._check.model import Check
from ansible_collections.petal.hpc.plugins.module_utils._check.mpi import (
    MpiCheck,
    find_mpi,
    mpi_argv,
    mpi_script,
    read_mpi,
)
from ansible_collections.petal.hpc.plugins.module_utils._check.slurm import Asked

PYTHON = MpiCheck(Check("sci/1", ("sci/1",), ()), True)
COMPILED = MpiCheck(Check("openmpi/4.1.4", ("gcc/11.3.0", "openmpi/4.1.4"), ()), False)


def manifest(packages: list[str]) -> dict[str, Any]:
    return {
        "modules": [{"name": "sci/1", "kind": "python", "load": ["sci/1"]}],
        "seed": {"software": {"python_environments": [{"name": "sci", "version": "1", "packages": packages}]}},
    }


@pytest.mark.parametrize(
    ("packages", "found"),
    [(["mpi4py"], True), (["numpy", "mpi4py==4.1.*"], True), (["mpi4py-fft"], False), ([], False), (["numpy"], False)],
)
def test_python_environments_with_mpi4py(packages: list[str], found: bool) -> None:
    assert (find_mpi(manifest(packages)) is not None) == found


def test_an_mpi_of_spack_comes_first_and_is_compiled_for() -> None:
    both = manifest(["mpi4py"])
    both["modules"].append({"name": "openmpi/4.1.4", "kind": "spack", "load": ["gcc/11.3.0", "openmpi/4.1.4"]})
    assert find_mpi(both) == COMPILED
    assert find_mpi({}) is None


@pytest.mark.parametrize("mpi", [PYTHON, COMPILED])
def test_the_job_has_one_process_on_each_node(mpi: MpiCheck) -> None:
    argv = mpi_argv(Asked("alice", 30, 60), ["c1", "c2"], mpi_script(mpi, 2, 30, "M"))
    salloc = shlex.split(argv[-1])
    assert salloc[0] == "salloc"
    assert {"--nodelist=c1,c2", "--nodes=2", "--ntasks-per-node=1"} <= set(salloc)
    assert "mpiexec -n 2" in salloc[-1]


def test_right_is_one_process_on_each_of_the_hosts_and_the_sum() -> None:
    def ok(stdout: str, rc: int = 0) -> bool:
        return read_mpi(stdout, "", rc, 1.0, PYTHON, ["c1", "c2"], "M").ok

    assert ok("M 0 2 3 c1\nnoise\nM 1 2 3 c2\n")
    assert not ok("M 0 2 3 c1\nM 1 2 3 c2\n", 1)
    assert not ok("M 0 2 3 c1\nM 1 2 3 c1\n")
    # Two lone processes: mpiexec and library are not of one MPI.
    assert not ok("M 0 1 1 c1\nM 0 1 1 c2\n")
    assert not ok("")


def test_what_was_wrong_is_said_without_the_whole_program() -> None:
    result = read_mpi("M 0 1 1 c1\n", "", 0, 1.0, COMPILED, ["c1", "c2"], "M")
    assert "expected 2 processes on 2 hosts" in result.output
    assert result.node == "c1,c2"
    assert "MPI_Init" not in result.command
