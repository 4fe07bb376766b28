# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look into a snapshot of a store without mounting it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def unpacked(entry: Path, directory: Path) -> Path:
    """The image of a snapshot, which is a directory of the store, unpacked into another directory."""
    directory.mkdir(exist_ok=True)
    unpack = ["tar", "--extract", "--zstd", "--sparse", f"--file={entry}/volume.tar.zst", f"--directory={directory}"]
    subprocess.run(unpack, check=True)
    return directory / "volume.img"


def on_volume(image: Path, name: str) -> bytes:
    """A file below the volume's ``.petal``, as the image has it."""
    read = ["debugfs", "-R", f"cat /.petal/{name}", str(image)]
    return subprocess.run(read, capture_output=True, check=True).stdout
