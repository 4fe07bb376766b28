#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_info
short_description: Say which process runs the playbook
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Returns what tells this run of a playbook from every other, for M(petal.hpc.build_lock) and
    M(petal.hpc.aws_build_lock). M(petal.hpc.seed_info) returns the same with a seed.
attributes:
  check_mode:
    description: Can run in check mode and return the same as without it.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
seealso:
  - module: petal.hpc.build_lock
  - module: petal.hpc.aws_build_lock
"""

EXAMPLES = r"""
- name: Find out who I am
  petal.hpc.controller_info:
  register: me
"""

RETURN = r"""
controller:
  description: Identity of the ansible-playbook process, by which others can tell whether it still runs.
  returned: success
  type: dict
  contains:
    host:
      description: Name of the controller.
      type: str
    boot_id:
      description: Boot of the controller's kernel.
      type: str
    pid_namespace:
      description: Namespace in which the process id counts.
      type: str
    pid:
      description: Process id.
      type: int
    start_time:
      description: When the process began, in clock ticks after the boot.
      type: int
"""
