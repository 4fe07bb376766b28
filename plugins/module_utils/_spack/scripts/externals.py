# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python``: which packages of an image are the ones that are wanted, and what Spack detects there.

    spack python externals.py ARGUMENTS.json OUTPUT.json

ARGUMENTS: wanted (specs), offered (specs), detect (names of packages, and the directories in which Spack looks for
their programs, in pairs). OUTPUT: found (for each such pair what ``spack external find`` would write), fits (for each
of wanted the numbers of what is offered, or behind that found, and satisfies it), version (Spack's, as numbers),
providers (where one of wanted is no package but what several provide: these, first those that Spack prefers; nothing
else is said then).

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


def detected(names: Sequence[str], paths: Sequence[str]) -> list[dict[str, Any]]:
    """What Spack finds of some packages: externals, each once."""
    asked = module("cmd.external").packages_to_search_for(names=list(names), tags=["detectable"], exclude=[])
    found: list[dict[str, Any]] = []
    for specs in module("detection").by_path(asked, path_hints=list(paths)).values():
        for spec in specs:
            entry = {"spec": str(spec), "prefix": str(spec.external_path)}
            if spec.extra_attributes:
                entry["extra_attributes"] = json.loads(json.dumps(spec.extra_attributes))
            if entry not in found:
                found.append(entry)
    return found


def providers(name: str) -> list[str]:
    """What provides a virtual package; empty where it is a package itself."""
    repository = module("repo").PATH
    if not name or not repository.is_virtual(name):
        return []
    every = sorted({spec.name for spec in repository.providers_for(name)})
    preferred = ((module("config").CONFIG.get("packages") or {}).get("all") or {}).get("providers", {}).get(name, [])
    return list(dict.fromkeys([one for one in map(str, preferred) if one in every] + every))


def answered(question: dict[str, Any]) -> dict[str, Any]:
    make = module("spec").Spec
    wanted = [make(text) for text in question["wanted"]]
    virtual = {spec.name: providers(spec.name) for spec in wanted}
    if any(virtual.values()):
        return {"providers": {name: every for name, every in virtual.items() if every}}
    found = [detected(names, paths) for names, paths in question["detect"]]
    offered = [make(text) for text in [*question["offered"], *(one["spec"] for group in found for one in group)]]
    return {
        "found": found,
        "fits": [
            [i for i, one in enumerate(offered) if one.name == spec.name and one.satisfies(spec)] for spec in wanted
        ],
        "version": [int(number) for number in str(importlib.import_module("spack").spack_version).split(".")[:2]],
    }


def main(given: str, output: str) -> None:
    answer = answered(json.loads(Path(given).read_text(encoding="utf-8")))
    Path(output).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
