# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container image with Open MPI and MPICH, and a program that is linked to each: OPENMPI-sum and MPICH-sum."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from image_registry import archive, debian, rootfs
from mpi_wheels import MPIS, unpack, wheels

#: Small messages, and large ones that take other ways between tasks; each task says that what it got is right.
_SUM = r"""
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT (1 << 20)

int main(int argc, char **argv)
{
    int rank, size, length, i;
    long one, sum;
    char library[MPI_MAX_LIBRARY_VERSION_STRING], host[MPI_MAX_PROCESSOR_NAME];
    long *mine = malloc(COUNT * sizeof *mine), *all = malloc(COUNT * sizeof *all);

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    one = rank + 1;
    MPI_Allreduce(&one, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    for (i = 0; i < COUNT; i++)
        mine[i] = (long)i * (rank + 1);
    MPI_Allreduce(mine, all, COUNT, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    for (i = 0; i < COUNT; i++)
        if (all[i] != i * sum)
            MPI_Abort(MPI_COMM_WORLD, 3);
    MPI_Sendrecv(mine, COUNT, MPI_LONG, (rank + 1) % size, 0, all, COUNT, MPI_LONG, (rank + size - 1) % size, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (i = 0; i < COUNT; i++)
        if (all[i] != (long)i * ((rank + size - 1) % size + 1))
            MPI_Abort(MPI_COMM_WORLD, 4);
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = '\0';
    MPI_Get_processor_name(host, &length);
    printf("%d of %d on %s: sum %ld, %s\n", rank, size, host, sum, library);
    MPI_Finalize();
    return 0;
}
"""


def why_not() -> str:
    """Why this machine cannot make one, or an empty string."""
    return "" if shutil.which("gcc") and shutil.which("ldd") else "the program is compiled, and there is no gcc"


def mpi_image(directory: Path, name: str = "mpi") -> Path:
    """An OCI archive with both. Raises NoWheelError."""
    busybox = debian(directory / "debian", "busybox-static") / "bin/busybox"
    tree = rootfs(directory / f"{name}.rootfs", busybox, {})
    source = directory / "sum.c"
    source.write_text(_SUM)
    for mpi, wheel in wheels(directory / "wheels").items():
        # Where it is in the image it is for the linker, too.
        prefix, program = tree / "opt" / mpi, tree / "opt/tools/bin" / f"{mpi}-sum"
        unpack(wheel, prefix)
        shutil.rmtree(prefix / "share/doc", ignore_errors=True)
        (library,) = (path for path in (prefix / "lib").glob("libmpi.so.*") if not path.is_symlink())
        link = [str(library), f"-Wl,-rpath,/opt/{mpi}/lib", "-Wl,--allow-shlib-undefined"]
        compiler = ["gcc", "-O2", "-o", str(program), str(source), f"-I{prefix}/include", *link]
        subprocess.run(compiler, check=True)
        _libraries_of_the_system(tree, [library, *(path for path in prefix.rglob("*.so*") if path.is_file())])
    variables = {"PATH": "/opt/tools/bin:/bin"}
    labels = {"org.opencontainers.image.description": f"A sum by each of {', '.join(MPIS)}"}
    return archive(directory / f"{name}.tar", tree, variables, labels)


def _libraries_of_the_system(tree: Path, files: list[Path]) -> None:
    """Copy what the files take from this machine: that is what the program was compiled with."""
    told = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    for place in sorted(set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE))):
        if Path(place).is_relative_to(tree):
            continue
        target = tree / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(place, target)


__all__ = ["mpi_image", "why_not"]
