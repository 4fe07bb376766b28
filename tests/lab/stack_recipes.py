"""Recipes of which there are several builds: a library in two versions, two MPI, and a program on each of them.

What is built says what it is: ``stack-lib`` its version, ``stack-app`` its MPI and the version of the library.
"""

from __future__ import annotations

from pathlib import Path

NAMESPACE = "petal_stacks"
_HEAD = """\
from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class {class_name}(Package):
    \"\"\"A package of a test. It says what it is.\"\"\"

    has_code = False
    version("1.3.1")
    version("1.2.13")
"""
_LIBRARY = """\
    variant("fast", default=False, description="Another build")
    variant("small", default=False, description="Yet another build")

    def install(self, spec, prefix):
        mkdirp(prefix.bin)
        with open(prefix.bin.join("stack-lib"), "w") as stream:
            stream.write("#!/bin/sh\\necho " + str(spec.version) + " " + str(spec.target) + "\\n")
        set_executable(prefix.bin.join("stack-lib"))
"""
_MPI = """\
    provides("mpi")
    depends_on("stack-lib", type=("link", "run"))

    def install(self, spec, prefix):
        mkdirp(prefix.bin)
        with open(prefix.bin.join("mpirun"), "w") as stream:
            stream.write("#!/bin/sh\\necho " + self.name + " " + str(spec.version) + "\\n")
        set_executable(prefix.bin.join("mpirun"))
"""
_PROGRAM = """\
    variant("mpi", default=True, description="Run on several nodes")
    depends_on("c", type="build")
    depends_on("stack-lib")
    depends_on("mpi", when="+mpi")

    def install(self, spec, prefix):
        mpi = spec["mpi"].name if spec.satisfies("+mpi") else "none"
        says = mpi + " " + str(spec["stack-lib"].version) + " " + str(spec.target)
        with open("main.c", "w") as stream:
            stream.write('#include <stdio.h>\\nint main(void) {{ puts("' + says + '"); return 0; }}\\n')
        mkdirp(prefix.bin)
        Executable(spack_cc)("-o", prefix.bin.join("stack-app"), "main.c")
"""
RECIPES = {"stack_lib": _LIBRARY, "stack_one": _MPI, "stack_two": _MPI, "stack_app": _PROGRAM}


def write(repository: Path) -> Path:
    """Write them as a repository of recipes; gives its directory."""
    for name, body in RECIPES.items():
        recipe = repository / "packages" / name / "package.py"
        recipe.parent.mkdir(parents=True)
        class_name = "".join(part.capitalize() for part in name.split("_"))
        recipe.write_text(_HEAD.format(class_name=class_name) + body.replace("{{", "{").replace("}}", "}"))
    (repository / "repo.yaml").write_text(f"repo:\n  namespace: {NAMESPACE}\n  api: v2.0\n")
    return repository
