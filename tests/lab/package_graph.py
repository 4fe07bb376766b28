"""A Spack repository of small real C packages with dependencies, for tests and the benchmark.

    package_graph.py DIRECTORY [--functions N] [--sleep SECONDS]

writes DIRECTORY/spack_repo/petal_lab (repo.yaml, packages), their sources and DIRECTORY/specs. 21 packages, 8 roots,
longest chain 5; built with make and CMake; four are MPI programs, on an MPI that is one of them and knows a single
process. Sources have the same bytes on every machine and day, so that packages keep their hashes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

NAMESPACE = "petal_lab"
PREFIX = "lab-"
VERSION = "1.0"
#: Source files of each package: what `make -j` can do at once.
PARTS = 4


@dataclass(frozen=True)
class Package:
    """build: make, cmake or mpi. needs: names without PREFIX. mpi: its program is one of MPI."""

    build: str
    needs: tuple[str, ...] = ()
    mpi: bool = False


GRAPH = {
    "b1": Package("make"),
    "b2": Package("make"),
    "b3": Package("cmake"),
    "mpi": Package("mpi"),
    "b5": Package("make"),
    "m1": Package("make", ("b1",)),
    "m2": Package("cmake", ("b1", "b2")),
    "m3": Package("make", ("b3",)),
    "m4": Package("make", (), mpi=True),
    "n1": Package("make", ("m1", "m2")),
    "n2": Package("make", ("m3",)),
    "n3": Package("make", ("m4",), mpi=True),
    "k1": Package("make", ("n1",)),
    "r1": Package("make", ("k1",)),
    "r2": Package("make", ("n1", "b5")),
    "r3": Package("cmake", ("n2",)),
    "r4": Package("make", ("n3",), mpi=True),
    "r5": Package("make", ("m2",)),
    "r6": Package("make", ("b5",)),
    "r7": Package("make", ("m4",), mpi=True),
    "r8": Package("cmake", ("b3",)),
}
ROOTS = tuple(name for name in GRAPH if name.startswith("r"))
#: What is asked for. MPI is named: Spack would prefer another one.
SPECS = tuple(f"{PREFIX}{name} ^{PREFIX}mpi" if GRAPH[name].mpi else PREFIX + name for name in ROOTS)


def needs(name: str) -> tuple[str, ...]:
    """What a package depends on, its MPI included."""
    package = GRAPH[name]
    return (*package.needs, "mpi") if package.mpi else package.needs


def chain(name: str) -> list[str]:
    """The longest chain of packages that ends in this one, first built first."""
    longest: list[str] = max((chain(below) for below in needs(name)), key=len, default=[])
    return [*longest, name]


#: The longest chain of all: nobody builds the graph faster than these one after another.
LONGEST_CHAIN = max((chain(root) for root in ROOTS), key=len)


# -- sources ----------------------------------------------------------------------------------------------------


def _function(name: str, number: int) -> str:
    """A function that costs a compiler a few milliseconds, and another one for every name and number."""
    a, b, c, d = hashlib.sha256(f"{name}/{number}".encode()).digest()[:4]
    return dedent(f"""\
        double {name}_f{number}(const double *x, int n) {{
          double s = {a}.0, t = {b}.5, u = 1.0;
          for (int i = 0; i < n; i++) {{
            switch ((i * {a | 1} + {b}) % 7) {{
            case 0: s += x[i] * {c}.25; break;
            case 1: t -= s / (x[i] + {d}.5); break;
            case 2: u *= 1.0 + x[i] * x[(i + {a}) % n]; break;
            case 3: s = t * u - s; break;
            case 4: t = s > u ? s : u; break;
            default: u += (double)((i ^ {d}) & {c | 1});
            }}
            for (int j = 1; j <= {3 + a % 4}; j++) s += t * x[(i + j) % n] - u / (j + {b}.0);
          }}
          return s + t + u;
        }}
        """)


def _parts(name: str, functions: int) -> dict[str, str]:
    files = {}
    for part in range(PARTS):
        mine = range(part, functions, PARTS)
        calls = "".join(f" + {name}_f{number}(x, n)" for number in mine)
        body = "".join(_function(name, number) for number in mine)
        files[f"part{part}.c"] = f"{body}double {name}_part{part}(const double *x, int n) {{ return 0.0{calls}; }}\n"
    return files


def _library(name: str) -> str:
    below = GRAPH[name].needs
    declarations = "".join(f"int {need}_value(void);\n" for need in below)
    declarations += "".join(f"double {name}_part{part}(const double *x, int n);\n" for part in range(PARTS))
    parts = " + ".join(f"{name}_part{part}(x, 1)" for part in range(PARTS))
    value = "".join(f" + {need}_value()" for need in below)
    work = f"double {name}_work(void) {{ double x[1] = {{1.0}}; return {parts}; }}\n"
    return f"{declarations}{work}int {name}_value(void) {{ return 1{value}; }}\n"


def _program(name: str) -> str:
    """It says its name and how many packages stand below it: a number that only right libraries give."""
    mpi = GRAPH[name].mpi
    start = "int rank, size; MPI_Init(&argc, &argv); MPI_Comm_rank(MPI_COMM_WORLD, &rank);" if mpi else ""
    size = "MPI_Comm_size(MPI_COMM_WORLD, &size);" if mpi else ""
    words = (
        f'printf("{PREFIX}{name} %d on %d\\n", {name}_value(), size);'
        if mpi
        else f'printf("{PREFIX}{name} %d\\n", {name}_value());'
    )
    return dedent(f"""\
        #include <stdio.h>
        {"#include <mpi.h>" if mpi else ""}
        int {name}_value(void);
        int main(int argc, char **argv) {{
          (void)argc; (void)argv;
          {start} {size}
          {words}
          {"MPI_Finalize();" if mpi else ""}
          return 0;
        }}
        """)


def _makefile(name: str, sleep: float) -> str:
    full = PREFIX + name
    libraries = " ".join(f"-l{PREFIX}{need}" for need in GRAPH[name].needs)
    objects = " ".join(["lib.o", *(f"part{part}.o" for part in range(PARTS))])
    return (
        f"PREFIX ?= /usr/local\nCC ?= cc\nCFLAGS ?= -O2 -fPIC\nall: {full}\n"
        f"waited:\n\t{f'sleep {sleep:g}' if sleep else ':'}\n\ttouch waited\n"
        f"%.o: %.c | waited\n\t$(CC) $(CFLAGS) -c -o $@ $<\n"
        f"lib{full}.so: {objects}\n\t$(CC) -shared -o $@ {objects} {libraries}\n"
        f"{full}: main.o lib{full}.so\n\t$(CC) -o $@ main.o -L. -Wl,-rpath,$(PREFIX)/lib -l{full} {libraries}\n"
        f"install: all\n\tmkdir -p $(PREFIX)/bin $(PREFIX)/lib\n"
        f"\tcp {full} $(PREFIX)/bin/\n\tcp lib{full}.so $(PREFIX)/lib/\n"
        ".PHONY: all install\n"
    )


def _cmakelists(name: str, sleep: float) -> str:
    full = PREFIX + name
    libraries = " ".join(f"{PREFIX}{need}" for need in GRAPH[name].needs)
    sources = " ".join(["lib.c", *(f"part{part}.c" for part in range(PARTS))])
    return (
        f"cmake_minimum_required(VERSION 3.10)\nproject({name} C)\n"
        f"add_custom_command(OUTPUT waited COMMAND {f'sleep {sleep:g}' if sleep else 'true'} COMMAND touch waited)\n"
        "add_custom_target(wait DEPENDS waited)\n"
        f"add_library({full} SHARED {sources})\nadd_dependencies({full} wait)\n"
        f"target_link_libraries({full} {libraries})\n"
        f"add_executable({full}-program main.c)\ntarget_link_libraries({full}-program {full})\n"
        f"set_target_properties({full}-program PROPERTIES OUTPUT_NAME {full})\n"
        f"install(TARGETS {full} {full}-program)\n"
    )


#: MPI with one process: enough to compile, link and run what needs "an MPI".
_MPI = {
    "mpi.h": """\
        #pragma once
        typedef int MPI_Comm;
        #define MPI_COMM_WORLD 0
        #define MPI_SUCCESS 0
        int MPI_Init(int *argc, char ***argv);
        int MPI_Comm_rank(MPI_Comm comm, int *rank);
        int MPI_Comm_size(MPI_Comm comm, int *size);
        int MPI_Finalize(void);
        """,
    "mpi.c": """\
        #include "mpi.h"
        int MPI_Init(int *argc, char ***argv) { (void)argc; (void)argv; return MPI_SUCCESS; }
        int MPI_Comm_rank(MPI_Comm comm, int *rank) { (void)comm; *rank = 0; return MPI_SUCCESS; }
        int MPI_Comm_size(MPI_Comm comm, int *size) { (void)comm; *size = 1; return MPI_SUCCESS; }
        int MPI_Finalize(void) { return MPI_SUCCESS; }
        """,
    # Within Spack, `cc` is Spack's own wrapper; for a user it is the compiler of the loaded module.
    "mpicc.in": """\
        #!/bin/sh
        exec "${LAB_CC:-cc}" -I@PREFIX@/include "$@" -L@PREFIX@/lib -Wl,-rpath,@PREFIX@/lib -llab-mpi
        """,
    "mpiexec": """\
        #!/bin/sh
        # mpiexec [-n 1] PROGRAM …
        [ "$1" != -n ] || shift 2
        exec "$@"
        """,
}


def _mpi_makefile(sleep: float) -> str:
    objects = " ".join(["mpi.o", *(f"part{part}.o" for part in range(PARTS))])
    return (
        "PREFIX ?= /usr/local\nCC ?= cc\nCFLAGS ?= -O2 -fPIC\nall: liblab-mpi.so mpicc\n"
        f"waited:\n\t{f'sleep {sleep:g}' if sleep else ':'}\n\ttouch waited\n"
        "%.o: %.c | waited\n\t$(CC) $(CFLAGS) -c -o $@ $<\n"
        f"liblab-mpi.so: {objects}\n\t$(CC) -shared -o $@ {objects}\n"
        "mpicc: mpicc.in\n\tsed 's|@PREFIX@|$(PREFIX)|g' mpicc.in > mpicc\n\tchmod 755 mpicc mpiexec\n"
        "install: all\n\tmkdir -p $(PREFIX)/bin $(PREFIX)/lib $(PREFIX)/include\n"
        "\tcp mpicc mpiexec $(PREFIX)/bin/\n\tcp liblab-mpi.so $(PREFIX)/lib/\n\tcp mpi.h $(PREFIX)/include/\n"
        ".PHONY: all install\n"
    )


def sources(name: str, functions: int = 4, sleep: float = 0) -> dict[str, str]:
    """The files of a package's source."""
    parts = _parts(name, functions)
    if GRAPH[name].build == "mpi":
        return {**{path: dedent(text) for path, text in _MPI.items()}, **parts, "Makefile": _mpi_makefile(sleep)}
    files = {**parts, "lib.c": _library(name), "main.c": _program(name)}
    if GRAPH[name].build == "cmake":
        return {**files, "CMakeLists.txt": _cmakelists(name, sleep)}
    return {**files, "Makefile": _makefile(name, sleep)}


def archive(name: str, functions: int = 4, sleep: float = 0) -> bytes:
    """The source as a .tar.gz without times, owners and the like."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, text in sorted(sources(name, functions, sleep).items()):
            data = text.encode()
            entry = tarfile.TarInfo(f"{PREFIX}{name}-{VERSION}/{path}")
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as stream:
        stream.write(raw.getvalue())
    return packed.getvalue()


# -- recipes ----------------------------------------------------------------------------------------------------


def recipe(name: str, url: str, sha256: str) -> str:
    """The package.py of a package for Spack 1.x."""
    package = GRAPH[name]
    system, base = ("cmake", "CMakePackage") if package.build == "cmake" else ("makefile", "MakefilePackage")
    dependencies = "".join(f'    depends_on("{PREFIX}{need}")\n' for need in package.needs)
    if package.mpi:
        dependencies += '    depends_on("mpi")\n'
    text = (
        f"from spack_repo.builtin.build_systems.{system} import {base}\n\nfrom spack.package import *\n\n\n"
        f"class Lab{name.capitalize()}({base}):\n"
        f'    """A small C package of petal.hpc\'s tests."""\n\n'
        f'    homepage = "https://example.com/{PREFIX}{name}"\n    url = "{url}"\n\n'
        f'    version("{VERSION}", sha256="{sha256}")\n\n'
        f'    depends_on("c", type="build")\n{dependencies}'
    )
    if package.build == "mpi":
        text += '    provides("mpi@3.1")\n'
    if package.build == "cmake":
        return text
    compiler = 'spec["mpi"].mpicc' if package.mpi else '"cc"'
    text += (
        "\n    def build(self, spec, prefix):\n"
        f'        make("PREFIX=" + prefix, "CC=" + {compiler})\n'
        "\n    def install(self, spec, prefix):\n"
        f'        make("PREFIX=" + prefix, "CC=" + {compiler}, "install")\n'
    )
    if package.build == "mpi":
        text += (
            "\n    def setup_dependent_package(self, module, dependent_spec):\n"
            '        self.spec.mpicc = join_path(self.prefix.bin, "mpicc")\n'
        )
    return text


def write(directory: Path, functions: int = 4, sleep: float = 0) -> Path:
    """Write the repository and its sources below a directory, and return the repository's own directory.

    functions: generated C functions of each package, which is the work of the compiler; sleep: seconds that each
    build waits in addition, which imitates a long build without using this machine's cores.
    """
    archives, repository = directory / "sources", directory / "spack_repo" / NAMESPACE
    for path in (archives, repository):
        path.mkdir(parents=True, exist_ok=True)
    (repository / "repo.yaml").write_text(f"repo:\n  namespace: {NAMESPACE}\n  api: v2.0\n")
    for name in GRAPH:
        data = archive(name, functions, sleep)
        file = archives.absolute() / f"{PREFIX}{name}-{VERSION}.tar.gz"
        file.write_bytes(data)
        home = repository / "packages" / f"{PREFIX}{name}".replace("-", "_")
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.py").write_text(recipe(name, file.as_uri(), hashlib.sha256(data).hexdigest()))
    (directory / "specs").write_text("".join(f"{spec}\n" for spec in SPECS))
    return repository


# -- how long it takes by hand ----------------------------------------------------------------------------------


def build_by_hand(name: str, prefix: Path, functions: int, sleep: float = 0, jobs: int = 1) -> float:
    """Configure, compile and install one package without Spack, below what it needs in prefix; seconds."""
    with tempfile.TemporaryDirectory() as directory:
        for path, text in sources(name, functions, sleep).items():
            Path(directory, path).write_text(text)
        lib, mpicc = prefix / "lib", prefix / "bin" / "mpicc"
        compiler = f"{mpicc if GRAPH[name].mpi else 'cc'}"
        if GRAPH[name].build == "cmake":
            options = [f"-DCMAKE_INSTALL_PREFIX={prefix}", f"-DCMAKE_SHARED_LINKER_FLAGS=-L{lib}", "-B", "build"]
            commands = [["cmake", *options, f"-DCMAKE_EXE_LINKER_FLAGS=-L{lib} -Wl,-rpath-link,{lib}", "."]]
            commands += [["cmake", "--build", "build", f"-j{jobs}"], ["cmake", "--install", "build"]]
        else:
            compiler += f" -L{lib} -Wl,-rpath-link,{lib}"
            commands = [["make", f"-j{jobs}", f"PREFIX={prefix}", f"CC={compiler}", "install"]]
        started = time.monotonic()
        for command in commands:
            subprocess.run(command, cwd=directory, check=True, capture_output=True)
        return time.monotonic() - started


def chain_by_hand(prefix: Path, functions: int, sleep: float = 0, jobs: int = 1) -> float:
    """Seconds of the longest chain, one package after another; what its packages need beside it does not count."""
    wanted = set(LONGEST_CHAIN)
    for name in reversed(GRAPH):  # in which what is needed comes first
        wanted |= set(needs(name)) if name in wanted else set()
    seconds = 0.0
    for name in GRAPH:
        if name in LONGEST_CHAIN:
            seconds += build_by_hand(name, prefix, functions, sleep, jobs)
        elif name in wanted:
            build_by_hand(name, prefix, PARTS)
    return seconds


def functions_for(seconds: float, sample: int = 80) -> int:
    """How many functions cost this machine's compiler about so many seconds on one core."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "sample.c")
        source.write_text("".join(_function("sample", number) for number in range(sample)))
        # The processor's time: what else runs on this machine does not count.
        before = os.times()
        subprocess.run(["cc", "-O2", "-fPIC", "-c", "-o", "/dev/null", str(source)], check=True)
        after = os.times()
        each = (after.children_user + after.children_system - before.children_user - before.children_system) / sample
    return max(PARTS, round(seconds / each / PARTS) * PARTS)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--functions", type=int, default=4)
    parser.add_argument("--sleep", type=float, default=0)
    given = parser.parse_args(arguments)
    repository = write(given.directory, given.functions, given.sleep)
    print(f"{repository}: {len(GRAPH)} packages, {len(ROOTS)} roots, longest chain {len(LONGEST_CHAIN)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
