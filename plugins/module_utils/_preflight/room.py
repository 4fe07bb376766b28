# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much room a build takes at the very least: what fits is never refused, what cannot fit is.

The numbers are below what was measured: an empty ext4 of 1 GiB takes 0.7 MB, of 4,000 GiB 56 MB; Spack with its
packages' recipes 290 MB with a few small packages (58 MB stored). A Spack package may stand elsewhere and take nothing;
an environment of Python is a few links, and a package in it at least four files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._preflight.model import SCANT

MIB = 1024**2
#: An empty file system, and the share of a volume's size that its tables take.
EMPTY, TABLES = MIB // 2, 131072
SPACK = 120 * MIB
ENVIRONMENT = 64 * 1024
PYTHON_PACKAGE = 16 * 1024
#: zstd makes of what is installed a fifth, never less than this part; and less than SCANT is no room for a snapshot.
STORED = 20


def on_volume(seed: Mapping[str, Any], size_gb: int) -> int:
    """Bytes that are written on the volume of a seed, at least."""
    software = seed["software"]
    environments = software["python_environments"]
    packages = sum(len(environment["packages"]) for environment in environments)
    spack = SPACK if software["spack_packages"] or software.get("stacks") else 0
    tables = size_gb * 1024**3 // TABLES
    return EMPTY + tables + spack + ENVIRONMENT * len(environments) + PYTHON_PACKAGE * packages


def in_store(seed: Mapping[str, Any], size_gb: int, kept: int = 0) -> int:
    """Bytes of the disk with the store that are still to be written, at least: the volume's image and its snapshot.

    :param kept: bytes that the image has already.
    """
    volume = on_volume(seed, size_gb)
    return max(0, volume - kept) + max(SCANT, volume // STORED)
