# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option of the modules that work in a store of the local provider."""

    DOCUMENTATION = r"""
options:
  store:
    description: Directory that holds volumes, snapshots and locks.
    type: path
    default: /var/lib/petal
"""
