# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_orphans
short_description: Builds that left something behind on AWS
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Gathers resources by the build whose tags they bear, as far as a clean-up may look at them. What bears no tags of
    a build is passed over.
options:
  _input:
    description:
      - Hosts, volumes, security groups, VPCs and key pairs, as the modules of amazon.aws list them, with C(tags) and
        the id of their kind.
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
  complete:
    description: The ids of builds that have their snapshot.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Say which builds left volumes behind
  ansible.builtin.debug:
    msg: "{{ found.volumes | petal.hpc.aws_orphans('20260131T120000Z') | map(attribute='build_id') }}"
"""

RETURN = r"""
_value:
  description: The builds, in the order in which they were met.
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
      description: What the seed called it.
      type: str
    resource:
      description: The name of its lock and of what it made.
      type: str
    resources:
      description: The ids of what it left.
      type: list
      elements: str
    complete:
      description: Whether it has its snapshot, and needs what it left no more.
      type: bool
"""

from collections.abc import Collection
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._build.orphans import Wanted, on_aws


def aws_orphans(
    resources: Any, before: str, build_id: str = "", complete: Collection[str] = ()
) -> list[dict[str, Any]]:
    """See DOCUMENTATION; anything but a list is an error."""
    if not isinstance(resources, (list, tuple)):
        raise AnsibleFilterError(f"petal.hpc.aws_orphans takes a list of resources, got {type(resources).__name__}")
    return on_aws(resources, Wanted(str(before), str(build_id)), {str(one) for one in complete})


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        return {"aws_orphans": aws_orphans}
