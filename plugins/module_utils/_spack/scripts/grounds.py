# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python``: where a Spack keeps its environments, where it builds, and whose settings it reads.

    spack python grounds.py ARGUMENTS.json OUTPUT.json

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


def settings(root: str) -> list[str]:
    """The directories of settings that are not Spack's own: the user's, the host's, and what those include."""
    paths = [str(getattr(scope, "path", "")) for scope in module("config").CONFIG.scopes.values()]
    return sorted({path for path in paths if path and not path.startswith(f"{root}/")})


def main(output: str) -> None:
    root = str(module("paths").prefix)
    answer = {
        "environments": str(module("environment.environment").env_root_path()),
        "stage": str(module("stage").get_stage_root()),
        "settings": settings(root),
    }
    Path(output).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[2])
