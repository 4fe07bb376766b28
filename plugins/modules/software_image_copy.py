#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: software_image_copy
short_description: Copy a machine image with a seed's software to several Regions of AWS
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Begins a copy in each Region that has none, all at once, and waits for them together, as M(petal.hpc.snapshot_copy)
    does with snapshots.
  - A copy has the tags of the original, which AWS does not copy, and its Description, its snapshots those of its
    snapshots. They are written in the call that makes it, so it is found like the original from the first moment.
  - It can be run again after whatever happened. A copy is known by its tag C(petal:copied-from), and by its name
    where a key is asked for. AWS gives a name once, so there is never a second.
  - What another account shares can be copied, too, into the own account.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Looks and checks as otherwise, and begins nothing.
    support: full
  diff_mode:
    description: Shows the image of each Region, before and after.
    support: full
options:
  image_id:
    description: The image to copy.
    type: str
  fingerprint:
    description: The fingerprint of the image to copy. It is the one that a look-up takes.
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
      - Other accounts that are trusted, twelve digits in quotes. Where the own account has no such image, one that
        these share is copied. O(os), O(architecture) and O(fingerprint) have to be given then, as their tags cannot be
        seen.
    type: list
    elements: str
    default: []
  os:
    description: Only an image for this operating system.
    type: str
  architecture:
    description: Only an image for this architecture.
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
  wait_timeout:
    description: Seconds to wait for all together.
    type: int
    default: 14400
  poll_interval:
    description: Seconds between two looks at a copy.
    type: int
    default: 15
seealso:
  - module: petal.hpc.software_image_share
  - module: petal.hpc.software_image_info
"""

EXAMPLES = r"""
- name: Copy to two Regions
  petal.hpc.software_image_copy:
    region: us-east-1
    image_id: ami-0123456789abcdef0
    regions: [eu-west-1, us-west-2]

- name: Copy what is encrypted with AWS's own key, so that it can be shared
  petal.hpc.software_image_copy:
    region: us-east-1
    image_id: ami-0123456789abcdef0
    regions: [us-east-1]
    kms_key_id: alias/petal
"""

RETURN = r"""
source:
  description: The image that is copied; M(petal.hpc.software_image_info) describes it.
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
    image:
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
  sample: {done: 100, item: us-west-2 0 %, total: 200}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._sharing.image_copying_api import ImageCopies


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "image_id": {"type": "str"},
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
            "wait_timeout": {"type": "int", "default": 14400},
            "poll_interval": {"type": "int", "default": 15},
        },
        required_one_of=[("image_id", "fingerprint")],
        supports_check_mode=True,
    )
    try:
        result = ImageCopies(module).run()
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
