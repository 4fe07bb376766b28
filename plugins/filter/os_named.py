# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: os_named
short_description: How seeds name a host's operating system
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns the operating system of a host as seeds name it.
options:
  _input:
    description:
      - Facts of the host, as M(ansible.builtin.setup) returns them, with C(ansible_distribution) and
        C(ansible_distribution_version).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Learn the system of a host
  ansible.builtin.setup:
    gather_subset: [distribution]
  register: host

- name: Say how seeds name it
  ansible.builtin.debug:
    msg: "{{ host.ansible_facts | petal.hpc.os_named }}"
"""

RETURN = r"""
_value:
  description: The name; empty where the facts do not have it.
  type: str
  sample: ubuntu2404
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import os_named


def named(facts: Any) -> str:
    """The filter; facts that were not gathered name nothing."""
    if not isinstance(facts, Mapping):
        raise AnsibleFilterError(f"petal.hpc.os_named takes the facts of a host, got {type(facts).__name__}")
    return os_named(*(str(facts.get(f"ansible_distribution{part}", "")) for part in ("", "_version")))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"os_named": named}
