#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: software_image_deprecation
short_description: Deprecate a machine image with a seed's software, and take that back
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Says of images of the own account in one Region from when on nobody should begin with them. AWS then shows them to
    their owner alone, and look-ups (M(petal.hpc.software_image_info)) pass them over unless they are named.
  - What runs of an image goes on, and whoever knows its id can launch it still.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode, and changes nothing then.
    support: full
  diff_mode:
    description: Shows the time of each image, before and after.
    support: full
options:
  state:
    description: V(present) deprecates them, V(absent) takes that back.
    type: str
    choices: [present, absent]
    default: present
  image_ids:
    description: The images.
    type: list
    elements: str
    required: true
  at:
    description:
      - From when on, a day or a time in UTC, to the minute, as V(2027-01-31) or V(2027-01-31T12:00Z). AWS takes none
        that has passed.
      - Without it that is now, which AWS makes of it within two minutes. What is deprecated already stays as it is.
    type: str
    default: ""
seealso:
  - module: petal.hpc.software_image_info
"""

EXAMPLES = r"""
- name: Let nobody begin with it any more
  petal.hpc.software_image_deprecation:
    region: us-east-1
    image_ids: [ami-0123456789abcdef0]

- name: Take that back
  petal.hpc.software_image_deprecation:
    region: us-east-1
    image_ids: [ami-0123456789abcdef0]
    state: absent
"""

RETURN = r"""
images:
  description: The images, as they are now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  contains:
    image_id:
      description: Its id.
      type: str
    deprecated:
      description: From when on it is deprecated; empty where it is not.
      type: str
    changed:
      description: Whether that was changed.
      type: bool
region:
  description: The Region.
  returned: success
  type: str
  sample: us-east-1
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._sharing.deprecation_api import deprecate


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "image_ids": {"type": "list", "elements": "str", "required": True},
            "at": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        result = deprecate(module)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
