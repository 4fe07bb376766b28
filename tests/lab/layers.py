# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of plugins/module_utils: which package stands on which, and every import that points upwards.

Read by tests/unit/test_layers.py and by ``make house``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.petal.hpc.plugins"
MODULE_UTILS = ROOT / "plugins" / "module_utils"
DOOR_KINDS = ("action", "modules", "filter", "lookup", "callback")

#: The packages of plugins/module_utils, the lowest first: each may import those before it, and nothing behind it.
PACKAGES = (
    "_core",
    "_seed",
    "_run",
    "_awx",
    "_build",
    "_host",
    "_git",
    "_lmod",
    "_namespace",
    "_fstab",
    "_layout",
    "_sandbox",
    "_preflight",
    "_check",
    "_components",
    "_vulnerabilities",
    "_apptainer",
    "_aws",
    "_trust",
    "_objects",
    "_snapshot",
    "_lock",
    "_provenance",
    "_comparison",
    "_volume",
    "_registry",
    "_lookup",
    "_image",
    "_sharing",
    "_audit",
    "_exchange",
    "_buildcache",
    "_python",
    "_containers",
    "_spack",
    "_base",
    "_report",
    "_tiers",
    "_pcluster",
)


def utilities() -> list[Path]:
    """Every file of module_utils."""
    return sorted(MODULE_UTILS.glob("_*/**/*.py"))


def doors() -> list[Path]:
    """Every plugin that Ansible calls."""
    return sorted(path for kind in DOOR_KINDS for path in (ROOT / "plugins" / kind).glob("*.py"))


def is_service(path: Path) -> bool:
    """Whether a file of module_utils may talk to disk, AWS and HTTP: ``api.py``, ``X_api.py``, or in ``api``."""
    return path.stem == "api" or path.stem.endswith("_api") or path.parent.name == "api"


def is_core(path: Path) -> bool:
    """Whether a file of module_utils is pure: data and decisions.

    What stands in a folder ``scripts`` is neither: it is handed over as text and runs inside Spack, by Spack's rules.
    """
    return not is_service(path) and path.parent.name != "scripts"


def package(path: Path) -> str:
    """The package that a file of module_utils is of."""
    inside = path.relative_to(MODULE_UTILS)
    return inside.parts[0]


def imports(path: Path) -> set[str]:
    """The dotted names of everything that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def imported_names(path: Path) -> set[str]:
    """The same, and for ``from a import b`` also a.b, which may be a file."""
    found = imports(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_files(path: Path) -> set[Path]:
    """The files of the collection that a file imports."""
    inside = {name.removeprefix(f"{COLLECTION}.") for name in imported_names(path) if name.startswith(COLLECTION)}
    files = {ROOT / "plugins" / f"{name.replace('.', '/')}.py" for name in inside}
    return {file for file in files if file.is_file()}


def with_all_it_imports(path: Path) -> set[Path]:
    """A plugin and everything of the collection that travels with it."""
    found: set[Path] = set()
    ahead = [path]
    while ahead:
        current = ahead.pop()
        found.add(current)
        ahead += imported_files(current) - found
    return found


def _upwards() -> Iterator[tuple[Path, Path]]:
    height = {name: number for number, name in enumerate(PACKAGES)}
    for path in utilities():
        for other in sorted(imported_files(path)):
            if other.is_relative_to(MODULE_UTILS) and height[package(other)] > height[package(path)]:
                yield path, other


def knots() -> list[str]:
    """Every import that points upwards, one a line: who imports what, and which package stands above which.

    Raises KeyError for a package that is not in PACKAGES.
    """
    return [
        f"{path.relative_to(ROOT)} imports {other.relative_to(ROOT)}: {package(other)} stands above {package(path)}"
        for path, other in _upwards()
    ]
