# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much room a build takes at the very least: what fits is never refused, what cannot fit is.

The numbers are below what was ever measured: ext4 with its journal, the checkout of Spack with its packages (290 MB on
a volume, 58 MB stored), an environment of Python without packages, a package of three files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MIB = 1024**2
#: An empty file system; the share of the volume's size that its tables take (see _volume).
EMPTY, TABLES = 6 * MIB, 16384
#: Spack with its packages' recipes.
SPACK = 120 * MIB
PACKAGE = 64 * 1024
ENVIRONMENT = 8 * MIB
#: zstd makes of what is installed a fifth, seldom less than a tenth.
STORED = 10


def on_volume(seed: Mapping[str, Any], size_gb: int) -> int:
    """Bytes that are written on the volume of a seed, at least."""
    software = seed["software"]
    packages, environments = software["spack_packages"], software["python_environments"]
    wanted = len(packages) + sum(len(environment["packages"]) for environment in environments)
    spack = SPACK if packages else 0
    return EMPTY + size_gb * 1024**3 // TABLES + spack + ENVIRONMENT * len(environments) + PACKAGE * wanted


def in_store(seed: Mapping[str, Any], size_gb: int, kept: int = 0) -> int:
    """Bytes of the disk with the store that are still to be written, at least: the volume's image and its snapshot.

    :param kept: bytes that the image has already.
    """
    volume = on_volume(seed, size_gb)
    return max(0, volume - kept) + volume // STORED
