# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints which packages the Python that runs this lacks: ``python missing_packages.py '["NAME==VERSION", "NAME"]'``.

This file travels as text, so it imports nothing of the collection. Names and versions alone decide: how a package is
called on its index does not matter here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata


def plain(name: str) -> str:
    """A package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def missing(wanted: Iterable[str], have: Mapping[str, str]) -> list[str]:
    """Names of those that are not there, or there with another version.

    :param wanted: names, each with ``==`` and a version or without.
    :param have: versions by names, these normalised.
    """
    pairs = [text.partition("==")[::2] for text in wanted]
    return [name for name, version in pairs if plain(name) not in have or (version and have[plain(name)] != version)]


if __name__ == "__main__":
    there = {plain(item.metadata["Name"]): item.version for item in metadata.distributions()}
    sys.stdout.write(json.dumps(missing(json.loads(sys.argv[1]), there)) + "\n")
