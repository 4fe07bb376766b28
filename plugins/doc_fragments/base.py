# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules that choose what a new volume begins with."""

    DOCUMENTATION = r"""
options:
  plan:
    description: The seed as M(petal.hpc.seed_info) returns it in RV(petal.hpc.seed_info#module:plan), with the commits
      of branches in C(resolved_refs).
    type: dict
    required: true
  base:
    description: V(auto) for the one that pays most, V(none) for none, or the id of a snapshot. One that was named and
      cannot be used fails.
    type: str
    default: auto
seealso:
  - module: petal.hpc.volume_base
"""
