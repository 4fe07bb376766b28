"""A few upstream recipes and nothing else: Spack reads them in a second, and has little to decide."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

PACKAGES = "v2026.06.0"
#: What every build needs; recipes are named as their directories are.
BASE = ("gcc", "gcc_runtime", "glibc", "compiler_wrapper", "gmake", "musl")


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
    git = ["git", f"--git-dir={mirror}/spack-packages.git", "archive", PACKAGES, "--"]
    paths = [f"repos/spack_repo/builtin/{path}" for path in wanted]
    data = subprocess.run([*git, *paths], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(target, filter="data")
    for recipe in target.glob("repos/spack_repo/builtin/packages/*/package.py"):
        recipe.write_text(ast.unparse(Strip(every).visit(ast.parse(recipe.read_text()))))
