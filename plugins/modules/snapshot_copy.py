#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_copy
short_description: Copy a snapshot of a software volume to several Regions of AWS
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Begins a copy in each Region that has none, all at once, and waits for them together.
  - A copy has the tags of the original, which AWS does not copy, and a Description with its fingerprint. They are
    written in the call that makes it, so it is found like the original from the first moment.
  - It can be run again after whatever happened. A copy is known by its tag C(petal:copied-from). One that is complete
    is left alone, one that is pending is waited for, one that failed is deleted and made again. There is never a
    second.
  - A copy of a copy counts as a copy of the original.
  - What another account shares can be copied, too, into the own account. So a snapshot that its owner takes back is
    still there.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Looks and checks as otherwise, and begins nothing.
    support: full
  diff_mode:
    description: Shows the snapshot of each Region, before and after.
    support: full
options:
  snapshot_id:
    description: The snapshot to copy.
    type: str
  fingerprint:
    description: The fingerprint of the snapshot to copy. It is the one that a look-up takes.
    type: str
  source_region:
    description: The Region it is in. By default the Region of the module.
    type: str
  regions:
    description:
      - The Regions that are to have it. In the one it is in, it is copied only where O(kms_key_id) or O(encrypted) asks
        for another encryption, or when it belongs to another account.
    type: list
    elements: str
    required: true
  owners:
    description:
      - Other accounts that are trusted, twelve digits in quotes. Where the own account has no such snapshot, one that
        these share is copied. O(os), O(architecture) and O(fingerprint) have to be given then, as their tags cannot be
        seen.
    type: list
    elements: str
    default: []
  os:
    description: Only a snapshot for this operating system.
    type: str
  architecture:
    description: Only a snapshot for this architecture.
    type: str
  encrypted:
    description:
      - Encrypt the copies also where the original is not. Without O(kms_key_id) it is done with the account's default
        key, which cannot be shared. What is encrypted stays so.
    type: bool
    default: false
  kms_key_id:
    description: KMS key of the copies in all Regions. An alias can mean a key of its own in each.
    type: str
  kms_key_ids:
    description: KMS keys of single Regions.
    type: dict
    default: {}
  wait:
    description: Wait until all are complete.
    type: bool
    default: true
  watch:
    description:
      - In check mode, which begins and ends nothing, look again until no copy is pending, for O(wait_timeout) at most,
        and say how far they are, with any callback. For a task behind one with O(wait=false).
    type: bool
    default: false
    version_added: "0.1.0"
  wait_timeout:
    description: Seconds to wait for all together.
    type: int
    default: 14400
  poll_interval:
    description: Seconds between two looks at a copy.
    type: int
    default: 15
seealso:
  - module: petal.hpc.snapshot_share
  - module: petal.hpc.snapshot_info
"""

EXAMPLES = r"""
- name: Copy to two Regions
  petal.hpc.snapshot_copy:
    region: us-east-1
    fingerprint: "{{ seed.fingerprint }}"
    regions: [eu-west-1, us-west-2]

- name: Copy what is encrypted with AWS's own key, so that it can be shared
  petal.hpc.snapshot_copy:
    region: us-east-1
    snapshot_id: snap-0123456789abcdef0
    regions: [us-east-1]
    kms_key_id: alias/petal

- name: Keep what a partner shares
  petal.hpc.snapshot_copy:
    region: us-east-1
    fingerprint: "{{ seed.fingerprint }}"
    os: alinux2023
    architecture: x86_64
    owners: ["123456789012"]
    regions: [us-east-1]
"""

RETURN = r"""
source:
  description: The snapshot that is copied; M(petal.hpc.snapshot_info) describes it.
  returned: success
  type: dict
copies:
  description: One for each Region, in the order in which they were given.
  returned: success
  type: list
  elements: dict
  contains:
    region:
      description: The Region.
      type: str
    snapshot:
      description: What it has, as C(source); null in check mode where there is none yet.
      type: dict
    state:
      description: Its state, V(pending) or V(completed).
      type: str
    begun:
      description: Whether it was begun now.
      type: bool
    deleted:
      description: Ids of failed copies, and of second ones that were not finished, which were deleted.
      type: list
      elements: str
    reason:
      description: What there was, in one clause.
      type: str
progress:
  description: How far they are together, as C(done) of C(total) percent, and what is still being copied as C(item).
  returned: success
  type: dict
  sample: {done: 145, item: "us-west-2 45 %", total: 200}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._sharing.copying_api import Copies


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "snapshot_id": {"type": "str"},
            "fingerprint": {"type": "str"},
            "source_region": {"type": "str"},
            "regions": {"type": "list", "elements": "str", "required": True},
            "owners": {"type": "list", "elements": "str", "default": []},
            "os": {"type": "str"},
            "architecture": {"type": "str"},
            "encrypted": {"type": "bool", "default": False},
            "kms_key_id": {"type": "str", "no_log": False},
            "kms_key_ids": {"type": "dict", "default": {}, "no_log": False},
            "wait": {"type": "bool", "default": True},
            # The action looks again.
            "watch": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 14400},
            "poll_interval": {"type": "int", "default": 15},
        },
        required_one_of=[("snapshot_id", "fingerprint")],
        supports_check_mode=True,
    )
    try:
        result = Copies(module).run()
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
