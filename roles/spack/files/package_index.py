# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what Spack knows of its packages; run as ``spack python package_index.py REF COMMIT OUTPUT [NAME…]``.

OUTPUT is an index of them. REF and COMMIT are those of the package repository and go into the first line. Names: the
packages of which lines are wanted; all by default. The form is told in module_utils/_seed/packages.py, which reads it.
Variants are those that a package has for any of its versions, with those of its build systems. Behind what several
packages provide stand their names, in front those that Spack's configuration prefers.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

path: Any = importlib.import_module("spack.repo").PATH
settings: Any = importlib.import_module("spack.config").CONFIG.get("packages") or {}


def versions(package: Any) -> list[str]:
    newest_first = sorted(package.versions, reverse=True)
    return [("!" if package.versions[version].get("deprecated") else "") + str(version) for version in newest_first]


def variants(package: Any) -> list[str]:
    """Those that are on or off behind a +. A variant may be defined several times, each for some versions."""
    found: dict[str, bool] = {}
    for definitions in package.variants.values():
        for name, definition in definitions.items():
            values = definition.values
            switch = isinstance(values, (tuple, list)) and set(values) == {True, False}
            # One that takes a value in some version is none that is on or off.
            found[name] = found.get(name, True) and switch
    found.pop("build_system", None)
    return [("+" if found[name] else "") + name for name in sorted(found)]


def providers(name: str) -> list[str]:
    every = sorted({spec.name for spec in path.providers_for(name)})
    preferred = [text.partition("@")[0] for text in (settings.get("all") or {}).get("providers", {}).get(name, [])]
    return list(dict.fromkeys([one for one in preferred if one in every] + every))


def line(name: str) -> str:
    if path.is_virtual(name):
        return " ".join([name, "virtual", *providers(name)])
    package = path.get_pkg_class(name)
    numbers, names = versions(package), variants(package)
    return " ".join([name, *numbers, *(["|", *names] if names or not numbers else [])])


ref, commit, output, *wanted = sys.argv[1:]
names = wanted or [*path.all_package_names(), *path.provider_index.providers]
head = [
    f"# Spack's package repository {ref}, commit {commit}",
    "# Made by Spack, with package_index.py of role petal.hpc.spack; the form is told in _seed/packages.py.",
]
Path(output).write_text("\n".join([*head, *sorted(map(line, names))]) + "\n", encoding="ascii")
