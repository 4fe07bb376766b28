# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does MPI run across nodes: the program, the job, and what its output says. No I/O."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._check.model import Check, Result, tail, unfit
from ansible_collections.petal.hpc.plugins.module_utils._check.slurm import CLEAN, Asked, as_user, check_node

IMPLEMENTATIONS = ("openmpi", "mpich", "mvapich", "mvapich2", "mvapich-plus", "intel-oneapi-mpi", "cray-mpich", "mpt")
_MPI4PY = re.compile(r"mpi4py(?![A-Za-z0-9._-]*[A-Za-z0-9_])", re.IGNORECASE)
# Each process adds its number, counted from one, to the sum of all: nobody knows it without the others.
_PYTHON = (
    "from mpi4py import MPI; c = MPI.COMM_WORLD; "
    "print('{mark}', c.rank, c.size, c.allreduce(c.rank + 1), MPI.Get_processor_name(), flush=True)"
)
_C = r"""
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv) {
    int rank, size, mine, sum, length;
    char name[MPI_MAX_PROCESSOR_NAME];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(name, &length);
    mine = rank + 1;
    MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf("%s %d %d %d %s\n", argv[1], rank, size, sum, name);
    MPI_Finalize();
    return 0;
}
"""


@dataclass(frozen=True)
class MpiCheck:
    """A module that brings MPI; ``python`` if it brings it for Python only, so that nothing is compiled."""

    check: Check
    python: bool

    @property
    def name(self) -> str:
        """How results name it."""
        return f"{self.check.name} (MPI across nodes)"

    def shell_line(self, nodes: int, mark: str) -> str:
        """The line that a login shell runs inside an allocation of so many nodes: one process on each."""
        load = Check(self.check.name, self.check.load, ()).shell_line()
        start = ["mpiexec", "-n", str(nodes)]
        if self.python:
            return f"{load} && {shlex.join([*start, 'python', '-c', _PYTHON.format(mark=mark)])}"
        steps = [
            load,
            "program=$(mktemp)",
            f'printf %s {shlex.quote(_C)} >"$program.c"',
            'mpicc -o "$program" "$program.c"',
            'sbcast --force "$program" "$program"',
            f'{shlex.join(start)} "$program" {mark}',
        ]
        # sbcast leaves it on each node.
        tidy = 'srun --quiet rm -f "$program"; rm -f "$program" "$program.c"'
        return f"{' && '.join(steps)}; status=$?; {tidy}; exit $status"


def find_mpi(manifest: Mapping[str, Any]) -> MpiCheck | None:
    """The module of a manifest with which MPI is tried: a default one first, compilers' MPI before Python's.

    Raises PetalError where the manifest is malformed.
    """
    modules = sorted(manifest.get("modules") or [], key=lambda entry: not entry.get("default"))
    for entry in modules:
        if entry.get("kind") == "spack" and str(entry.get("name")).partition("/")[0] in IMPLEMENTATIONS:
            return MpiCheck(Check.from_mapping(entry), False)
    software = (manifest.get("seed") or {}).get("software") or {}
    python = {
        f"{environment.get('name')}/{environment.get('version')}"
        for environment in software.get("python_environments") or []
        if any(_MPI4PY.match(str(package)) for package in environment.get("packages") or [])
    }
    for entry in modules:
        if entry.get("kind") == "python" and entry.get("name") in python:
            return MpiCheck(Check.from_mapping(entry), True)
    return None


def mpi_argv(asked: Asked, nodes: Sequence[str], script: str) -> list[str]:
    """The command, for root, that runs a script on this host with an allocation of all these nodes."""
    among = ",".join(check_node(node) for node in nodes)
    salloc = ["salloc", "--quiet", "--job-name=petal-verify-mpi", f"--nodelist={among}", f"--nodes={len(nodes)}"]
    salloc += [f"--ntasks={len(nodes)}", "--ntasks-per-node=1", "--chdir=/", f"--immediate={asked.queue_timeout}"]
    return as_user(asked.user, [*salloc, *asked.options, "/bin/bash", "-c", script])


def mpi_script(mpi: MpiCheck, nodes: int, timeout: int, mark: str) -> str:
    """What runs in the allocation."""
    shell = ["timeout", "--kill-after=10", str(timeout), "/bin/bash", "--login", "-c", mpi.shell_line(nodes, mark)]
    return f"{CLEAN}\n{shlex.join(shell)} </dev/null"


def read_mpi(
    stdout: str, stderr: str, rc: int, seconds: float, mpi: MpiCheck, nodes: Sequence[str], mark: str
) -> Result:
    """Right is: one process on each node, and all of them know the sum."""
    size = len(nodes)
    lines = re.findall(rf"^{mark} (\d+) (\d+) (\d+) (\S+)\s*$", stdout, re.MULTILINE)
    ranks = {
        int(rank) for rank, count, total, _host in lines if (int(count), int(total)) == (size, size * (size + 1) // 2)
    }
    hosts = {host for _rank, _count, _total, host in lines}
    right = rc == 0 and ranks == set(range(size)) and len(hosts) == size
    output = tail(stdout, stderr)
    if rc == 0 and not right:
        output += f"\nexpected {size} processes on {size} hosts that know their sum, got {len(ranks)} on {len(hosts)}"
    command = mpi.shell_line(size, mark).replace(_C, "…")
    needs = "" if right else unfit(output)
    return Result(mpi.name, right, rc, round(seconds, 2), command, output.strip(), ",".join(nodes), needs)
