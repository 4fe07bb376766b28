# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: packages_tag
short_description: Name packages in a tag of AWS
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns as many packages as fit into the value of a tag, and how many more there are.
    M(petal.hpc.snapshot_info) reads it back.
options:
  _input:
    description: The packages, as V(NAME@VERSION).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the value of a snapshot's tag petal:packages
  ansible.builtin.debug:
    msg: "{{ ['numpy@2.2.1', 'scipy@1.15.0'] | petal.hpc.packages_tag }}"
"""

RETURN = r"""
_value:
  description: At most 256 characters.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import packages_tag


def tag(packages: Any) -> str:
    """See DOCUMENTATION; anything but a list of texts is an error."""
    if not isinstance(packages, (list, tuple)) or not all(isinstance(package, str) for package in packages):
        raise AnsibleFilterError(f"petal.hpc.packages_tag takes a list of texts, got {packages!r}")
    return packages_tag([str(package) for package in packages])


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"packages_tag": tag}
