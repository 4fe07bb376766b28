# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives packages that the Python that runs this has to a small environment: ``python carry.py TARGET NAME…``.

What they need of others goes along. The environment has the interpreter that this one is made of, which a node has at
the same place; pip is left out. Nothing is fetched: what is installed here was compared with its digests. Prints
``changed`` or ``unchanged``.

This file travels as text, so it imports nothing of the collection.
"""

from __future__ import annotations

import compileall
import json
import os
import re
import shutil
import sys
import sysconfig
import venv
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

#: What the environment was made from: a complete one has it.
MARK = "petal.json"


def plain(name: str) -> str:
    """A package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(names: Iterable[str], requires: Mapping[str, Iterable[str]]) -> list[str]:
    """The packages and what they need, as far as it is there; sorted.

    :param requires: requirements of what is there, by its normalised name. One for an extra is none.
    """
    found: set[str] = set()
    left = [plain(name) for name in names]
    while left:
        name = left.pop()
        if name not in found and name in requires:
            found.add(name)
            left += [_name(text) for text in requires[name] if "extra ==" not in text]
    return sorted(found)


def _name(requirement: str) -> str:
    return plain(re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0])


def described(item: metadata.Distribution) -> dict[str, str]:
    """Name, version and licence, the last empty where the package does not say it in a word."""
    said: Any = item.metadata
    licence = said.get("License-Expression") or said.get("License") or ""
    return {
        "name": plain(said["Name"]),
        "version": item.version,
        "license": licence if re.fullmatch(r"[A-Za-z0-9.+-]{1,64}", licence) else "",
    }


def carry(target: Path, names: Iterable[str]) -> bool:
    """Make the environment where it is not there as it would be made."""
    there = {plain(item.metadata["Name"]): item for item in metadata.distributions()}
    wanted = needed(names, {name: item.requires or () for name, item in there.items()})
    made = {"python": sys.version, "packages": [described(there[name]) for name in wanted]}
    if _read(target / MARK) == made:
        return False
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    venv.create(target, symlinks=True, with_pip=False)
    library = target / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    for name in wanted:
        for file in there[name].files or ():
            # Commands would name the interpreter of the environment that they come from.
            if ".." not in file.parts and "__pycache__" not in file.parts:
                to = library.joinpath(*file.parts)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), to)
    # Who reads the volume cannot write there what Python would keep.
    compileall.compile_dir(library, quiet=2)
    (target / MARK).write_text(json.dumps(made), encoding="utf-8")
    return True


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    os.umask(0o022)
    sys.stdout.write("changed\n" if carry(Path(sys.argv[1]), sys.argv[2:]) else "unchanged\n")
