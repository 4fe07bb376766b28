# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compilers of vendors, and what comes with them: to be used, but not to be handed on to others.

Most of Spack's recipes of them say nothing of that, and a site that has them as externals has no recipe's word at all.
Names and vendors are those of Spack's recipes of June 2026.
"""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS

_VENDORS = {
    "AMD": ("aocc",),
    "Arm": ("acfl", "armpl-gcc"),
    "Fujitsu": ("fj", "fujitsu-fftw", "fujitsu-mpi", "fujitsu-ssl2"),
    "HPE": ("cce", "cray-fftw", "cray-libsci", "cray-mpich", "cray-mvapich2", "cray-pmi"),
    "IBM": ("essl", "spectrum-mpi", "xl"),
    "NAG": ("nag",),
    "NVIDIA": ("nvhpc",),
}
_BY_NAME = {name: vendor for vendor, names in _VENDORS.items() for name in names}
# Each part of it has a package of its own; new ones bear the name too.
_ONEAPI = "intel-oneapi-"


def vendor_of(name: str) -> str:
    """Whose a package of Spack's is, where that vendor does not let it be handed on; empty for every other.

    >>> vendor_of("nvhpc"), vendor_of("intel-oneapi-mkl"), vendor_of("gcc")
    ('NVIDIA', 'Intel', '')
    """
    return "Intel" if name.startswith(_ONEAPI) else _BY_NAME.get(name, "")


def is_vendors_compiler(name: str) -> bool:
    """Whether it is one that leaves parts of its run-time libraries in what it builds."""
    return name in COMPILERS and vendor_of(name) != ""


def licence_of(name: str) -> str:
    """What stands in a bill of materials for the licence of such a package; empty for every other.

    >>> licence_of("cce")
    'LicenseRef-HPE-Proprietary'
    """
    vendor = vendor_of(name)
    return f"LicenseRef-{vendor}-Proprietary" if vendor else ""
