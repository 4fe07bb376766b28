#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_volume_base_info
short_description: Find the EBS snapshot that a new volume best begins with
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - A volume can begin with a snapshot of the same system, target, release of Spack and mount directory. Of those of
    the own account in a Region it takes the one on which the most of what the seed asks of Spack may be.
  - What a snapshot has is known by its tags, which a build of this release writes; what is wanted by the specs of the
    seed. One of which less than half may be wanted is passed over.
  - A snapshot is used only as O(trust) has it, and one of another account never.
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.base
  - petal.hpc.trust
  - petal.hpc.aws
  - petal.hpc.aws.boto3
"""

EXAMPLES = r"""
- name: Ask what the volume of a seed could begin with
  petal.hpc.aws_volume_base_info:
    region: eu-central-1
    plan: "{{ seed.plan }}"
  register: found

- name: Show the choice
  ansible.builtin.debug:
    var: found.reason
"""

RETURN = r"""
base:
  description: The snapshot; null to begin with nothing.
  returned: success
  type: dict
  contains:
    snapshot_id:
      description: Its id.
      type: str
    name:
      description: Name of its cluster.
      type: str
    fingerprint:
      description: Its fingerprint.
      type: str
    created:
      description: When it was made.
      type: str
    size_gb:
      description: Size of its volume, in GiB.
      type: int
    shared:
      description: How much of it may be wanted.
      type: int
    total:
      description: How much it has.
      type: int
    unit:
      description: What is counted, V(specs).
      type: str
reason:
  description: Why, in a sentence.
  returned: success
  type: str
  sample: 5 of the 6 specs of snap-0123456789abcdef0 (bio) may be wanted
passed_over:
  description: Other snapshots, each with C(snapshot_id) and C(reason).
  returned: success
  type: list
  elements: dict
tags:
  description: Those that the snapshot of the seed itself is to have, by which a later build finds it.
  returned: success
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._base.choice import sought
from ansible_collections.petal.hpc.plugins.module_utils._base.ebs_api import choose
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


def main() -> None:
    """Arguments in, a choice out."""
    module = AnsibleAWSModule(
        argument_spec={
            "plan": {"type": "dict", "required": True},
            "base": {"type": "str", "default": "auto"},
            "trust": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        policy, wanted = Policy.from_mapping(given["trust"]), sought(given["plan"])
        found = choose(module, Host(module.run_command), policy, given["base"], wanted)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, tags=wanted.tags, **found.to_dict())


if __name__ == "__main__":
    main()
