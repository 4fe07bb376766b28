"""A few upstream recipes and nothing else: Spack reads them in a second, and has little to decide."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import spack_at_hand

#: What every build needs; recipes are named as their directories are.
BASE = ("gcc", "gcc_runtime", "glibc", "compiler_wrapper", "gmake", "musl")

# A compiler that is quickly built: the host's own, under versions that are newer and older than any.
_COMPILER = '''\
from spack_repo.builtin.build_systems.compiler import CompilerPackage
from spack_repo.builtin.build_systems.generic import Package
from spack_repo.builtin.packages.gcc.package import Gcc as Upstream

from spack.package import *


class Gcc(Package, CompilerPackage):
    """The compiler of the host."""

    has_code = False
    compiler_languages = ["c", "cxx"]
    version("99.0")
    version("9.0")
    variant("languages", default="c,c++", values=("c", "c++", "fortran"), multi=True, description="Languages")
    provides("c", when="languages=c")
    provides("cxx", when="languages=c++")
    depends_on("c", type="build")
    {needs}
    supported_languages = Upstream.supported_languages
    compiler_wrapper_link_paths = Upstream.compiler_wrapper_link_paths
    runtime_constraints = Upstream.__dict__["runtime_constraints"]

    def _cc_path(self):
        return self.prefix.bin.gcc

    def _cxx_path(self):
        return self.prefix.bin.join("g++")

    def install(self, spec, prefix):
        mkdirp(prefix.bin)
        for tool in ("gcc", "g++"):
            with open(prefix.bin.join(tool), "w") as stream:
                stream.write("#!/bin/sh\\nexec /usr/bin/" + tool + ' "$@"\\n')
            set_executable(prefix.bin.join(tool))
'''


class Strip(ast.NodeTransformer):
    """Takes the dependencies on packages that are not among the recipes out of one."""

    def __init__(self, recipes: Sequence[str]) -> None:
        self._known = {name.replace("_", "-") for name in recipes} | {"c", "cxx", "fortran", "libc"}

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, (ast.ClassDef, ast.With)):
            node.body = [part for part in node.body if not self._foreign(part)] or [ast.Pass()]
        return node

    def _foreign(self, part: ast.stmt) -> bool:
        call = part.value if isinstance(part, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "depends_on":
            return False
        spec = call.args[0]
        name = re.match(r"[\w-]+", str(spec.value)) if isinstance(spec, ast.Constant) else None
        return name is None or name.group() not in self._known


def write(mirror: Path, target: Path, recipes: Sequence[str]) -> None:
    """Write a repository of BASE and these recipes, as spack-packages has it, below a directory.

    mirror: a mirror directory with spack-packages.git.
    """
    every = [*BASE, *recipes]
    wanted = ["build_systems", "repo.yaml", "__init__.py", *(f"packages/{name}" for name in every)]
    git = ["git", f"--git-dir={mirror}/spack-packages.git", "archive", spack_at_hand.PACKAGES_REF, "--"]
    paths = [f"repos/spack_repo/builtin/{path}" for path in wanted]
    data = subprocess.run([*git, *paths], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(target, filter="data")
    for recipe in target.glob("repos/spack_repo/builtin/packages/*/package.py"):
        recipe.write_text(ast.unparse(Strip(every).visit(ast.parse(recipe.read_text()))))


def compiler(*needs: str) -> str:
    """The recipe of a package gcc with the versions 99.0 and 9.0; needs: directives about its dependencies."""
    return _COMPILER.replace("{needs}", "\n    ".join(needs))
