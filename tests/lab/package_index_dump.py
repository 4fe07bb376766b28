"""What Spack knows of its packages: ``spack python package_index_dump.py OUTPUT [NAME…]``.

Writes JSON: ``packages`` gives for each name its versions, newest first, each with whether it is deprecated, and its
variants, those of its build systems included, each with whether it is on or off only; ``virtuals`` is a list of names.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

path: Any = importlib.import_module("spack.repo").PATH


def versions(package: Any) -> list[tuple[str, bool]]:
    return [
        (str(version), bool(package.versions[version].get("deprecated")))
        for version in sorted(package.versions, reverse=True)
    ]


def variants(package: Any) -> dict[str, bool]:
    """A variant may be defined several times, each for some versions."""
    found: dict[str, bool] = {}
    for definitions in package.variants.values():
        for name, definition in definitions.items():
            switch = set(definition.values or ()) == {True, False}
            if found.setdefault(name, switch) != switch:
                raise ValueError(f"{package.name}: {name} is on or off in one version and takes a value in another")
    return found


output, *wanted = sys.argv[1:]
names = wanted or path.all_package_names()
packages = {name: path.get_pkg_class(name) for name in names if not path.is_virtual(name)}
Path(output).write_text(
    json.dumps(
        {
            "packages": {name: [versions(package), variants(package)] for name, package in packages.items()},
            "virtuals": [name for name in wanted if path.is_virtual(name)] or list(path.provider_index.providers),
        }
    ),
    encoding="utf-8",
)
