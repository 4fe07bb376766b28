# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_fate
short_description: What is kept of a build that failed on AWS
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns what becomes of the host and the volume of a failed build. A volume with work on it is removed only when the
    software failed, not when AWS, the network or the host did.
options:
  _input:
    description: The result of the failed task, C(ansible_failed_result) in a rescue.
    type: dict
    required: true
  build:
    description:
      - The build, with the keys C(build_id), C(region), C(seed) (as extra variables name it), C(size_gb),
        C(volume_type), C(iops), C(throughput), C(volume_id), C(kept_days) and, where it is known,
        C(deadline), for what is said.
    type: dict
    required: true
  installing:
    description: Whether the task was one that installs software on the mounted volume.
    type: bool
    required: true
  work:
    description: Whether there is something on the volume.
    type: bool
    required: true
  running:
    description: Whether an install may go on by itself on a host that cannot be reached.
    type: bool
    default: false
  keep_on_failure:
    description: The user's wish.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say what is kept
  ansible.builtin.debug:
    msg: "{{ ansible_failed_result | petal.hpc.build_fate(build, installing=true, work=true) }}"
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  contains:
    keep_volume:
      description: Whether the volume is kept, under its lock.
      type: bool
    keep_host:
      description: Whether the host is kept.
      type: bool
    because:
      description: V(software), V(infrastructure) or V(wish).
      type: str
    says:
      description: What is left, what it costs, and how to go on.
      type: str
    undone:
      description: What was decided, where it could not be carried out; the reason comes behind it.
      type: str
    otherwise:
      description: How to go on where the decision could not be carried out.
      type: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.plugin_utils.failure import cause


def build_fate(
    result: Any,
    build: Mapping[str, Any],
    *,
    installing: bool,
    work: bool,
    running: bool = False,
    keep_on_failure: bool = False,
) -> dict[str, Any]:
    """See DOCUMENTATION; anything but a result is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._aws.keep import (
        cause_of,
        decide,
        say,
        say_otherwise,
        say_undone,
    )

    if not isinstance(result, Mapping):
        raise AnsibleFilterError(f"petal.hpc.build_fate takes a task's result, got {type(result).__name__}")
    whose = cause_of(cause(result), installing=installing, unreachable=bool(result.get("unreachable")))
    fate = decide(whose, work=work, running=running, keep_on_failure=keep_on_failure)
    words = {"says": say(fate, build), "undone": say_undone(fate), "otherwise": say_otherwise(build)}
    return {**fate.to_dict(), **words}


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"build_fate": build_fate}
