# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: failure_reason
short_description: Why a task failed, short enough to stand in brackets
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns the one line of a failed task's result that tells why, cut to 300 characters. For all that it says see
    P(petal.hpc.failure_cause#filter).
options:
  _input:
    description: The result of the task, C(ansible_failed_result) in a rescue.
    type: dict
    required: true
  of:
    description:
      - Whose words they are. V(module), the first line of a module's message; V(pip), pip's last line that is neither a
        warning nor a notice; V(sources), every line of Spack about a source that it could not fetch, cut to 1500
        characters.
    type: str
    choices: [module, pip, sources]
    default: module
"""

EXAMPLES = r"""
- name: Try it
  block:
    - name: Install a package
      ansible.builtin.package:
        name: lmod
  rescue:
    - name: Say why not
      ansible.builtin.fail:
        msg: "Lmod could not be installed ({{ ansible_failed_result | petal.hpc.failure_reason }})."
"""

RETURN = r"""
_value:
  description: The reason. Without a full stop where a module says it.
  type: str
  sample: No package matching 'lmod' is available
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.plugin_utils.reason import READERS


def failure_reason(result: Any, of: str = "module") -> str:
    """See DOCUMENTATION; anything but a result is an error."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError(f"petal.hpc.failure_reason takes a task's result, got {type(result).__name__}")
    if of not in READERS:
        raise AnsibleFilterError(f"petal.hpc.failure_reason: of is {of!r}, expected one of {', '.join(READERS)}")
    return READERS[of](result)


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"failure_reason": failure_reason}
