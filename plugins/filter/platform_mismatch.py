# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: platform_mismatch
short_description: Why software for one system does not belong on a host
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Compares what a host is with the operating system and the architecture that a seed names.
  - Rebuilds of Red Hat Enterprise Linux (AlmaLinux, Oracle Linux, Rocky Linux) fit each other in one major release.
options:
  _input:
    description: Facts of the host, with C(distribution), C(distribution_version) and C(architecture).
    type: dict
    required: true
  os:
    description: Operating system, as seeds name it.
    type: str
    required: true
  architecture:
    description: Architecture, as seeds name it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse to build for another system
  ansible.builtin.assert:
    that: ansible_facts | petal.hpc.platform_mismatch('rocky9', 'x86_64') == ''
"""

RETURN = r"""
_value:
  description: What differs, in words; empty where nothing does.
  type: str
  sample: its operating system is debian12, not rocky9
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host, mismatch, os_named


def platform_mismatch(facts: Any, os: str, architecture: str) -> str:
    """The filter."""
    try:
        found = os_named(str(facts["distribution"]), str(facts["distribution_version"]))
        return mismatch(Host.named(str(os), str(architecture)), Host.named(found, str(facts["architecture"])))
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.platform_mismatch: facts of the host are missing: {error}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"platform_mismatch": platform_mismatch}
