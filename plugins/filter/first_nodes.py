# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: first_nodes
short_description: The first node of every compute resource of a cluster
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Names one node for each kind of nodes that a cluster of AWS ParallelCluster has, as Slurm knows it.
  - Nodes that always run are C(QUEUE-st-RESOURCE-1), those that are started for a job C(QUEUE-dy-RESOURCE-1)
    (I(Slurm guide for multiple queue mode) of ParallelCluster 3).
options:
  _input:
    description: The queues of a seed, as RV(petal.hpc.seed_info#module:seed) has them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Run a job on each kind of nodes
  ansible.builtin.command:
    argv: [srun, "--nodelist={{ item }}", hostname]
  loop: "{{ asked.seed.compute.queues | petal.hpc.first_nodes }}"
  changed_when: false
"""

RETURN = r"""
_value:
  description: Names of nodes, in the order of the queues and of their compute resources.
  type: list
  elements: str
  sample: [compute-st-compute-1, gpu-dy-gpu-1, gpu-dy-g5-12xlarge-1]
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._seed.nodes import resources


def first_nodes(queues: Any) -> list[str]:
    """The filter."""
    try:
        return [
            f"{queue['name']}-{'st' if one.min_count else 'dy'}-{one.name}-1"
            for queue in queues
            for one in resources(queue["name"], queue["instance_types"], queue["min_count"], queue["max_count"])
        ]
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.first_nodes takes the queues of a seed: {error!r}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"first_nodes": first_nodes}
