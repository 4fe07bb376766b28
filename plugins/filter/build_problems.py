# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_problems
short_description: What keeps a planned build from ending well
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Judges a plan of the role C(petal.hpc.snapshots) by what was seen of the build host, and by what the
    controller has (Python libraries, collections, commands). Each problem says where it is, what it is and what to do.
options:
  _input:
    description: The plan.
    type: dict
    required: true
  host:
    description: RV(petal.hpc.build_host_info#module:host); nothing where the host is still to be made.
    type: dict
seealso:
  - module: petal.hpc.build_host_info
"""

EXAMPLES = r"""
- name: Refuse what cannot end
  ansible.builtin.fail:
    msg: "{{ build_plan | petal.hpc.build_problems(seen.host) }}"
  when: build_plan | petal.hpc.build_problems(seen.host) | length > 0
"""

RETURN = r"""
_value:
  description: The problems, none where a build may begin.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def build_problems(plan: Any, host: Any = None) -> list[str]:
    """See DOCUMENTATION; anything but a plan is an error."""
    from ansible_collections.petal.hpc.plugins.plugin_utils import preflight

    if not isinstance(plan, Mapping):
        raise AnsibleFilterError(f"petal.hpc.build_problems takes a plan, got {type(plan).__name__}")
    return preflight.build_problems(plan, host if isinstance(host, Mapping) and host else None)


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"build_problems": build_problems}
