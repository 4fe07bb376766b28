# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: trust_advice
short_description: What to do about deployed software that is not trusted
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Says how to go on where a snapshot is deployed that the site does not trust any more. It names what is deployed and
    trusted, where there is any.
options:
  _input:
    description: The target of a cluster, as P(petal.hpc.deployment_target#filter) returns it.
    type: dict
    required: true
  snapshot_id:
    description: The snapshot that is not trusted.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say how to go on
  ansible.builtin.debug:
    msg: "{{ {'volumes': [], 'untrusted': {'snap-1': 'nobody signed it'}} | petal.hpc.trust_advice('snap-1') }}"
"""

RETURN = r"""
_value:
  description: A sentence.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def trust_advice(target: Any, snapshot_id: str) -> str:
    """The filter."""
    from ansible_collections.petal.hpc.plugins.module_utils._volume.target import ways_on

    try:
        return ways_on(target["volumes"], target["untrusted"], str(snapshot_id))
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.trust_advice takes the target of a cluster: {error}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"trust_advice": trust_advice}
