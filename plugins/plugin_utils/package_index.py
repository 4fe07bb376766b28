# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a seed with an index of Spack's package repository: of the default release it stands beside this file
(``make package-index`` makes it anew), of others in a mirror directory (the playbook mirror makes it). Both are made by
Spack itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import packages, schema, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING, Problem
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Report, SourceMap, of_shape

_IN_IMAGE = ("software", "in_ami")
#: Directory of indexes in a mirror directory.
MIRRORED = "package-index"
INDEX = Path(__file__).with_name("package_index.txt")


def load(ref: str | None, mirror_dir: str = "") -> packages.Index | None:
    """The index of a release, in a few milliseconds; None where there is none."""
    beside = sorted(Path(mirror_dir, MIRRORED).glob("*.txt")) if mirror_dir else []
    for path in (INDEX, *beside):
        # One that cannot be read is none: all that is lost is advice.
        with contextlib.suppress(OSError, UnicodeDecodeError), path.open(encoding="ascii") as stream:
            if packages.is_of(stream.readline(), ref):
                stream.seek(0)
                return packages.Index(stream.read())
    return None


def compare(
    data: Mapping[str, Any], seed: Seed, source: SourceMap, mirror_dir: str = "", own: Collection[str] = ()
) -> tuple[str | None, list[Problem]]:
    """What an index does not have of a valid seed's specs, as warnings: a site may have recipes of its own. In an image
    are packages by their names, and what several provide is none: an error.

    mirror_dir: a mirror directory on this machine, or empty. own: packages for which the seed brings recipes.
    Returns the release of the repository that was compared,
    or None where the seed has no specs or takes a release of which nothing is known here.
    """
    found = list(of_shape(schema.SPEC, schema.SEED, data))
    index = load(seed.software.spack.packages, mirror_dir) if found else None
    if index is None:
        return None, []
    report = Report(source)
    for path, text in found:
        named = path[:2] == _IN_IMAGE and packages.no_package(spec.parse(text), index, own)
        if named:
            report.add(path, named.message, text, hint=named.hint, level=ERROR)
        for doubt in packages.doubts(spec.parse(text), index, own):
            report.add(path, doubt.message, text, hint=doubt.hint, level=WARNING)
    return index.ref, report.problems
