# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules about Spack's build caches."""

    DOCUMENTATION = r"""
options:
  gnupghome:
    description: The keyring of the Spack that uses the caches, E(SPACK_GNUPGHOME).
    type: path
    required: true
"""

    TRUSTED = r"""
options:
  trusted:
    description: Fingerprints of the keys whose signatures count. Other keys in O(gnupghome) do not.
    type: list
    elements: str
    default: []
"""
