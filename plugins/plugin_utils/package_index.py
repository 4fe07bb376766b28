# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a seed with the index of Spack's package repository that stands beside this file.

``make package-index`` makes the index anew, from what Spack itself knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import packages, schema, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import WARNING, Problem
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Report, Source, of_shape

INDEX = Path(__file__).with_name("package_index.txt")


def load() -> packages.Index:
    """The index, in a few milliseconds. Raises PackageIndexError when the file is something else."""
    return packages.Index(INDEX.read_text(encoding="ascii"))


def compare(data: Mapping[str, Any], seed: Seed, source: Source) -> tuple[str | None, list[Problem]]:
    """What the index does not have of a valid seed's specs, as warnings: a site may have recipes of its own.

    Returns the release of the repository that was compared, or None where the seed has no specs or takes another
    release, of which nothing is known here.
    """
    found = list(of_shape(schema.SPEC, schema.SEED, data))
    if not found:
        return None, []
    index = load()
    if not index.is_of(seed.software.spack.packages):
        return None, []
    report = Report(source)
    for path, text in found:
        for doubt in packages.doubts(spec.parse(text), index):
            report.add(path, doubt.message, text, hint=doubt.hint, level=WARNING)
    return index.ref, report.problems
