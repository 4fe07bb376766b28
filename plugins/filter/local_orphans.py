# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: local_orphans
short_description: Builds that left their volume in a store
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Picks the volumes of builds out of all volumes of a store, as far as a clean-up may look at them.
options:
  _input:
    description: The volumes, as M(petal.hpc.local_volume_info) lists them.
    type: list
    elements: dict
    required: true
  before:
    description: The time after which builds are spared, as build ids begin with it.
    type: str
    required: true
  build_id:
    description: The one build that is meant; empty for all.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Say which builds left volumes behind
  ansible.builtin.debug:
    msg: "{{ found.volumes | petal.hpc.local_orphans('20260131T120000Z') | map(attribute='build_id') }}"
"""

RETURN = r"""
_value:
  description: The builds, in the order of their volumes.
  type: list
  elements: dict
  contains:
    build_id:
      description: The build.
      type: str
    fingerprint:
      description: What it built.
      type: str
    name:
      description: Empty; volumes in a store do not tell it.
      type: str
    resource:
      description: The name that its resources would have on AWS.
      type: str
    resources:
      description: The name of its volume.
      type: list
      elements: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._build.orphans import Wanted, in_store


def local_orphans(volumes: Any, before: str, build_id: str = "") -> list[dict[str, Any]]:
    """See DOCUMENTATION; anything but a list is an error."""
    if not isinstance(volumes, (list, tuple)):
        raise AnsibleFilterError(f"petal.hpc.local_orphans takes a list of volumes, got {type(volumes).__name__}")
    return in_store(volumes, Wanted(str(before), str(build_id)))


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        return {"local_orphans": local_orphans}
