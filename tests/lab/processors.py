# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of processors of tests/unit/roles/test_processors.py, from the archspec that comes with a Spack.

usage: processors.py DIRECTORY [FILE]

DIRECTORY is a checkout of Spack. For each processor of x86_64 and aarch64: its vendor and part as the kernel says them,
its features as /proc/cpuinfo lists them, its ancestors, and what archspec says that it can run, also where another
vendor made it.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "unit" / "roles" / "data" / "processors.json"
FAMILIES = ("x86_64", "aarch64")
NOBODY = {"x86_64": "Nobody", "aarch64": "0x00"}


def table(spack: Path) -> dict[str, Any]:
    """What the file holds."""
    sys.path.insert(0, str(spack / "lib" / "spack"))
    cpu = importlib.import_module("spack.vendor.archspec.cpu")
    detect = importlib.import_module("spack.vendor.archspec.cpu.detect")
    schema = importlib.import_module("spack.vendor.archspec.cpu.schema")
    vendors = dict(schema.TARGETS_JSON["conversions"]["arm_vendors"])
    found: dict[str, Any] = {"vendors": vendors, "processors": {}}
    for family in FAMILIES:
        vars(detect)["_machine"] = lambda family=family: family
        for target in cpu.TARGETS.values():
            if str(target.family) == family:
                found["processors"][str(target)] = entry(target, family, detect, vendors)
    return found


def entry(target: Any, family: str, detect: Any, vendors: dict[str, str]) -> dict[str, Any]:
    """What is said of one."""
    # archspec adds it to what the kernel lists.
    features = set(target.features) - ({"sse3"} if "ssse3" in target.features else set())
    codes = {name: code for code, name in vendors.items()}
    runs = []
    for vendor in (target.vendor, NOBODY[family]):
        info = detect.partial_uarch(vendor=vendor, features=set(features), cpu_part=target.cpu_part)
        able = detect.compatible_microarchitectures(info)
        runs.append(sorted({str(one) for known in able for one in (known, *known.ancestors)}))
    return {
        "family": family,
        "vendor": target.vendor,
        "implementer": codes.get(target.vendor, NOBODY["aarch64"]),
        "part": target.cpu_part,
        "features": " ".join(sorted(features)),
        "ancestors": [str(one) for one in target.ancestors],
        "runs": " ".join(runs[0]),
        "runs_of_nobody": " ".join(runs[1]),
    }


def main(words: list[str]) -> int:
    """Write it."""
    file = Path(words[1]) if len(words) > 1 else FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(table(Path(words[0])), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
