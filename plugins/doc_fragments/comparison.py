# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules that compare two snapshots, or a seed and one."""

    DOCUMENTATION = r"""
options:
  snapshot:
    description: The new one, by its id or its fingerprint. One of this and O(plan) is needed.
    type: str
    default: ""
  since:
    description: The old one, likewise. By default the one before of the same name, of a seed not yet built the newest.
    type: str
    default: ""
  plan:
    description:
      - A seed in place of O(snapshot), as C(plan) of M(petal.hpc.seed_info), with C(resolved_refs) where branches of
        Spack are in it. Where a snapshot of it is there, what is on that is compared as well.
    type: dict
    default: {}
seealso:
  - module: petal.hpc.snapshot_info
  - module: petal.hpc.seed_info
"""
