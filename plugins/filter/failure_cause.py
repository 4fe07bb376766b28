# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: failure_cause
short_description: Why a task failed, as text
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns what a failed task says to people. That is its message, with the end of what a command printed, and of a
    loop the message of each item that failed.
options:
  _input:
    description: The result of the task, C(ansible_failed_result) in a rescue.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Try it
  block:
    - name: Run a command that says why it cannot
      ansible.builtin.command: ls no-such-file
      changed_when: false
  rescue:
    - name: Say why
      ansible.builtin.debug:
        msg: "{{ ansible_failed_result | petal.hpc.failure_cause }}"
"""

RETURN = r"""
_value:
  description: One or more lines, never empty.
  type: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.plugin_utils.failure import cause


def failure_cause(result: Any) -> str:
    """See DOCUMENTATION; anything but a result is an error."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError(f"petal.hpc.failure_cause takes a task's result, got {type(result).__name__}")
    return cause(result)


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"failure_cause": failure_cause}
