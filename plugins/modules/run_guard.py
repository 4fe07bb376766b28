#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_guard
short_description: Refuse a run that would do nothing, or not what was meant
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - The first task of every playbook of this collection, in C(playbooks/guard.yml). Fails before anything happens.
  - Fails where C(--limit) left localhost out, whose plays would be skipped in silence, or every host that the playbook
    works on.
  - Fails for an extra variable whose name is near a known one, which is named; warns of others that nobody knows.
    Names that begin with C(ansible_), C(awx_), C(tower_) or C(petal_) are passed over.
  - Fails for a directory that is no absolute path.
  - Fails for a variable of the collection's roles that is of another type than they say, or none of their choices, in
    the place of their own checks. What cannot be told yet, as a later play brings it, is passed over.
attributes:
  check_mode:
    description: Can run in check mode and return the same as without it.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
options:
  groups:
    description: Groups of the inventory whose hosts the playbook works on. One that is not there counts for nothing.
    type: list
    elements: str
    default: []
  hosts:
    description: Hosts without which the playbook would do nothing.
    type: list
    elements: str
    default: []
  paths:
    description: Names of variables, and the directories that they hold.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Look at the run
  hosts: localhost,all
  gather_facts: false
  tasks:
    - name: Refuse a run that would do nothing, or not what was meant
      petal.hpc.run_guard:
        groups: [head]
        paths: {store: "{{ store | default('/var/lib/petal') }}"}
      run_once: true
"""

RETURN = r"""
hosts:
  description: The hosts of the run.
  returned: success
  type: list
  elements: str
"""
