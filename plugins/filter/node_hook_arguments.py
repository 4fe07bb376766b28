# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: node_hook_arguments
short_description: What the node hook is told about a cluster
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Gives the arguments of C(petal-node-setup) on the software volume for the users and the S3 mounts of a seed.
  - They are no part of the fingerprint, and so not on the volume.
options:
  _input:
    description: The seed, as RV(petal.hpc.seed_info#module:seed) has it.
    type: dict
    required: true
  writable_buckets:
    description: Buckets of the seed that are mounted for writing. The others are mounted for reading.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Make the node use the volume
  ansible.builtin.command:
    argv: "{{ ['/shared/bin/petal-node-setup'] + asked.seed | petal.hpc.node_hook_arguments }}"
  register: hook
  changed_when: hook.stdout_lines | last == 'changed'
"""

RETURN = r"""
_value:
  description: Arguments, one entry each, for an argument list. None of them needs a shell.
  type: list
  elements: str
  sample: [--user, "researcher1:5001:5001", --s3-mount, "lab-data:/data:ro"]
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def node_hook_arguments(seed: Any, writable_buckets: Any = ()) -> list[str]:
    """The filter; values of templates are converted to plain types at this door."""
    from ansible_collections.petal.hpc.plugins.module_utils._pcluster.hook import arguments
    from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import judged_before
    from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

    try:
        plain = json.loads(json.dumps([seed, list(writable_buckets)], default=str))
        return arguments(Seed.from_mapping(plain[0], sold=judged_before), plain[1])
    except (PetalError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.node_hook_arguments: {error}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"node_hook_arguments": node_hook_arguments}
