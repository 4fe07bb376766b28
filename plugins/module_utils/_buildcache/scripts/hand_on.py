# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python``: copy packages from a build cache in a directory to another one, as they are signed.

    spack python hand_on.py ARGUMENTS.json

ARGUMENTS.json has ``lock`` (a spack.lock), ``hashes`` (what of it), ``from`` (the directory) and ``to`` (name of a
mirror). What its recipe does not allow to hand on stays. This file travels as text and is run by Spack's own Python, so
it imports nothing of the collection.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


def main(arguments: dict[str, Any]) -> None:
    """Copy them, one after another."""
    layouts = module("url_buildcache")
    cache = layouts.get_url_buildcache_class(module("binary_distribution").CURRENT_BUILD_CACHE_LAYOUT_VERSION)
    mirror = module("mirrors.mirror").MirrorCollection(binary=True).lookup(arguments["to"])
    with tempfile.TemporaryDirectory() as directory:
        specs = module("environment").create_in_dir(directory, arguments["lock"]).all_specs()
    hashes = set(arguments["hashes"])
    for spec in specs:
        if spec.dag_hash() in hashes and spec.package.redistribute_binary:
            # Its signature was verified before, with the keys that count.
            entry = cache(f"file://{arguments['from']}", spec, allow_unsigned=True)
            entry.read_manifest()
            module("cmd.buildcache").copy_buildcache_entry(entry, mirror.push_url)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
