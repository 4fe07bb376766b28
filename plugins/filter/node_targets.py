# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: node_targets
short_description: What nodes need to know to tell which modules they can run
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns what the role P(petal.hpc.lmod#role) writes for Lmod, from what Spack tells of modules and processors.
options:
  _input:
    description: C(targets), as the script of the role P(petal.hpc.spack#role) about modules returns it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep what nodes can run
  ansible.builtin.set_fact:
    spack_targets: "{{ spack_described.targets | petal.hpc.node_targets }}"
"""

RETURN = r"""
_value:
  description: The targets of the modules; empty where there are none.
  type: dict
  contains:
    built:
      description: Each target, the better first, with the vendors and features of processors that run it.
      type: list
      elements: dict
    others:
      description: What of these all processors run that archspec knows, by their names.
      type: dict
    vendors:
      description: Vendors of Arm processors by their codes.
      type: dict
    modules:
      description: Names and files of modules by the targets that they need.
      type: dict
    choices:
      description: Names and targets of builds of one package in one level, the better first.
      type: list
      elements: list
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._spack import targets


def node_targets(told: Any) -> dict[str, Any]:
    """See DOCUMENTATION; values of templates are converted to plain types at this door."""
    try:
        return targets.node_targets(json.loads(json.dumps(dict(told))))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"petal.hpc.node_targets takes what Spack tells of modules: {error!r}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"node_targets": node_targets}
