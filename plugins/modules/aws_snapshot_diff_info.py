#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_snapshot_diff_info
short_description: Say what tags tell of the difference between two EBS snapshots, or a seed and one
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Says what changed from one snapshot of the own account to another one, or to a seed's. It takes one call of the API
    for each thousand snapshots, and changes nothing.
  - AWS keeps tags alone, which are the fingerprint, the size, and packages as far as they fit into one. All else is on
    the volume, and is in C(not_compared) of RV(difference).
  - Where there is no old one, RV(nothing_to_compare) says so, and nothing fails.
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.comparison
  - petal.hpc.aws
  - petal.hpc.aws.boto3
"""

EXAMPLES = r"""
- name: Ask what changed
  petal.hpc.aws_snapshot_diff_info:
    region: us-east-1
    snapshot: snap-0123456789abcdef0
    since: snap-0fedcba9876543210
  register: found

- name: Show the packages that did
  ansible.builtin.debug:
    var: found.difference.packages.changed
"""

RETURN = r"""
difference:
  description: What is different on the new side. Null where there is nothing to compare with.
  returned: success
  type: dict
  contains:
    old:
      description: The old side, C(label) and C(fingerprint), and C(snapshot_id), C(name) and C(created) of a snapshot.
      type: dict
    new:
      description: The new side, as C(old); of a seed that is not built, three of them are null.
      type: dict
    different:
      description: Whether anything differs. Null where nothing does, and not all could be compared.
      type: bool
    same_fingerprint:
      description: Whether all that decides what is on a volume is the same.
      type: bool
    asked:
      description:
        - What is asked for, by the seed's keys and the site's variables. As each of the following it has C(added),
          C(removed) and C(changed), lists with C(name), and C(old) and C(new) as texts, and C(same), how many do not
          differ. It is null where it could not be compared.
      type: dict
    packages:
      description: Packages of Spack and of Python environments, by version, and by hash where that is known.
      type: dict
    images:
      description: Container images, by their versions and digests.
      type: dict
    inside:
      description: Packages inside of container images, each as C(IMAGE:PACKAGE).
      type: dict
    modules:
      description: Modules, by what is loaded, with what they say of themselves.
      type: dict
    components:
      description: What the volume runs by, such as Spack and its packages by their commits, Lmod, and interpreters.
      type: dict
    locks:
      description: Locks of Spack and of Python environments, by their digests.
      type: dict
    tools:
      description: What has built it.
      type: dict
    sizes:
      description: Sizes of the volume, of what is on it, and of what is stored.
      type: dict
    not_compared:
      description: What could not be compared, and why, a sentence each.
      type: list
      elements: str
report:
  description: All of it in lines for people.
  returned: success
  type: list
  elements: str
brief:
  description: The same in a few lines; empty where there is nothing to compare with.
  returned: success
  type: list
  elements: str
nothing_to_compare:
  description: Why there is nothing to compare with; empty where there is.
  returned: success
  type: str
  sample: there is no earlier snapshot of the name bio in /var/lib/petal
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._comparison.choice import Asked, answer
from ansible_collections.petal.hpc.plugins.module_utils._comparison.ebs_api import compared
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "snapshot": {"type": "str", "default": ""},
            "since": {"type": "str", "default": ""},
            "plan": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        asked = Asked(given["snapshot"], given["since"], given["plan"])
        result = answer(lambda: compared(module, asked))
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
