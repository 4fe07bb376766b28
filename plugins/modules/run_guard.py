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
  - Fails for a cluster of the provider local whose inventory has no head, or its groups and no host in them.
  - Fails for a job of AWX (extra variable C(awx_job_id) or C(tower_job_id)) that works on a store of the provider
    local, has none in its container, and says of no host that it keeps one.
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
  own_store:
    description: What the playbook needs of the store of the provider local.
    type: dict
    default: {}
    suboptions:
      need:
        description: Nothing, the own store, or V(any) where one of O(own_store.others) will do.
        type: str
        choices: ["", own, any]
        default: ""
      path:
        description: Directory of the own store.
        type: str
        default: /var/lib/petal
      build_host:
        description: The host that is said to keep it.
        type: str
        default: ""
      provider:
        description: What the run is about where there is no O(own_store.seed), which says it itself.
        type: str
        default: local
      region:
        description: In place of the seed's own.
        type: str
        default: ""
      seed:
        description: The seed's file.
        type: str
        default: ""
      others:
        description: Stores of others; empty ones do not count.
        type: list
        elements: raw
        default: []
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
