# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is installed in a directory of packages, as JSON on the standard output.

This file travels as text: an environment's own Python runs it without its packages, so that what is installed is read
and nothing of it is run. It imports nothing of the collection.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from typing import Any


def described(item: importlib.metadata.Distribution) -> dict[str, Any]:
    """One package as its metadata describes it, with the files that tell what can be imported."""
    paths = [path.parts for path in item.files or ()]
    metadata: Any = item.metadata
    return {
        "name": metadata["Name"],
        "version": item.version,
        "files": ["/".join(parts) for parts in paths if parts[-1].startswith("__init__.") or len(parts) == 1],
        "tags": [line[4:].strip() for line in (item.read_text("WHEEL") or "").splitlines() if line.startswith("Tag:")],
        "expression": metadata.get("License-Expression"),
        "classifiers": metadata.get_all("Classifier") or [],
        "license": metadata.get("License"),
    }


if __name__ == "__main__":
    found = [described(item) for item in importlib.metadata.distributions(path=sys.argv[1:])]
    sys.stdout.write(json.dumps(found) + "\n")
