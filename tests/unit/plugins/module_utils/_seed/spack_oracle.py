# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Spack itself: ``spack python spack_oracle.py QUESTIONS``.

QUESTIONS is a JSON file with a list of pairs of texts. For each comes a line with a JSON list: what Spack says
against the first text (null when it takes it), and whether it takes both texts for the same spec.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

spack_spec = importlib.import_module("spack.spec")
spack_parser = importlib.import_module("spack.spec_parser")


def no_lookup(_spec: Any) -> None:
    """Which version a Git reference is, Spack looks up in the package's repository: not a matter of the parser."""


def read(text: str) -> tuple[Any, str | None]:
    try:
        return spack_parser.parse_one_or_raise(text), None
    except Exception as error:  # whatever it is, Spack does not take the text
        return None, f"{type(error).__name__}: {error}"


def same(one: Any, two: Any) -> bool:
    try:
        return bool(one == two)
    except Exception:  # Git references that were not looked up cannot be compared
        return str(one) == str(two)


warnings.simplefilter("ignore")
spack_spec.Spec.attach_git_version_lookup = no_lookup
for first, second in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    one, fault = read(first)
    two = None if one is None else read(second)[0]
    sys.stdout.write(json.dumps([fault, one is not None and two is not None and same(one, two)]) + "\n")
