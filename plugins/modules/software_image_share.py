#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: software_image_share
short_description: Share a machine image with a seed's software, and take it back
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lets other accounts launch images of the own account in one Region, and use their snapshots, and takes that back.
  - The permission of the image is enough to launch it. That of its snapshots lets the other account copy it, too, so
    both are given and taken together, which M(amazon.aws.ec2_ami) does not do.
  - Before anything is changed it is checked that each image is complete, that an audit found nothing against it (its
    tag C(petal:sharing)), that its key can be used by the others, and that it has no product codes. An image that is
    encrypted with AWS's own key for EBS can be shared by nobody. It has to be copied with another key first.
  - An image is never made public by this module. To take it back nothing has to hold but that it is the account's own.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Looks and checks as otherwise, and changes nothing.
    support: full
  diff_mode:
    description: Shows who may use the images and their snapshots, before and after.
    support: full
options:
  state:
    description:
      - V(present) gives them to O(accounts).
      - V(absent) takes them back from O(accounts). Without these they are taken back from all accounts, and from
        everybody.
    type: str
    choices: [present, absent]
    default: present
  image_ids:
    description: The images.
    type: list
    elements: str
    required: true
  accounts:
    description: Accounts, twelve digits in quotes.
    type: list
    elements: str
    default: []
  accounts_file:
    description: A file with accounts, as O(petal.hpc.snapshot_share#module:accounts_file).
    type: path
  purge:
    description: With O(state=present) take them back from all that are not named, everybody included.
    type: bool
    default: false
  unaudited:
    description:
      - Share an image although it has no tag C(petal:sharing). Look for licences and private files yourself before.
    type: bool
    default: false
notes:
  - Copies in other Regions are images of their own.
  - Whom an image was given by hand as an organization (C(OrganizationArn)) keeps it.
seealso:
  - module: petal.hpc.software_image_copy
  - module: petal.hpc.software_image_info
  - module: petal.hpc.snapshot_share
"""

EXAMPLES = r"""
- name: Share with two accounts
  petal.hpc.software_image_share:
    region: us-east-1
    image_ids: [ami-0123456789abcdef0]
    accounts: ["123456789012", "210987654321"]

- name: Take it back from all
  petal.hpc.software_image_share:
    region: us-east-1
    image_ids: [ami-0123456789abcdef0]
    state: absent
"""

RETURN = r"""
images:
  description: The images, and who may use each now; in check mode, who would.
  returned: success
  type: list
  elements: dict
  contains:
    image_id:
      description: Its id.
      type: str
    snapshot_ids:
      description: Its snapshots, which the same accounts may use.
      type: list
      elements: str
    accounts:
      description: The accounts that may launch it, beside its owner.
      type: list
      elements: str
    public:
      description: Whether everybody may.
      type: bool
    changed:
      description: Whether that was changed.
      type: bool
owner:
  description: The account that owns them, which others name as a source.
  returned: success
  type: str
region:
  description: The Region.
  returned: success
  type: str
  sample: us-east-1
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._sharing.image_api import ImageSharing


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "image_ids": {"type": "list", "elements": "str", "required": True},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "accounts_file": {"type": "path"},
            "purge": {"type": "bool", "default": False},
            "unaudited": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = ImageSharing(module).run()
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
