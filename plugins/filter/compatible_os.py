# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: compatible_os
short_description: The systems on which software runs that was built for one
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Rebuilds of Red Hat Enterprise Linux (AlmaLinux, Oracle Linux, Rocky Linux) fit each other in one major release.
options:
  _input:
    description: Operating system, as seeds name it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say where it runs
  ansible.builtin.debug:
    msg: "{{ 'rocky9' | petal.hpc.compatible_os | join(', ') }}"
"""

RETURN = r"""
_value:
  description: Operating systems, the one that was given among them.
  type: list
  elements: str
  sample: [almalinux9, ol9, rhel9, rocky9]
"""

from typing import Any, Callable

from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import compatible_os as of_platforms


def compatible_os(os: Any) -> list[str]:
    """The filter."""
    return list(of_platforms(str(os)))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"compatible_os": compatible_os}
