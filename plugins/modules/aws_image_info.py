#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_image_info
short_description: Find the machine image of a build host
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Finds the latest official image of an operating system and architecture, by its owner and the pattern of its name,
    among those that are not deprecated.
  - Owners are AWS for the images of AWS ParallelCluster (Amazon Linux, Ubuntu, Red Hat Enterprise Linux), and Rocky
    Linux and Debian for their own, as ParallelCluster publishes none for them.
  - It takes one call of the API.
options:
  os:
    description:
      - Operating system, V(alinux2023), V(ubuntu2204), V(ubuntu2404), V(rhel8), V(rhel9), V(rocky8), V(rocky9),
        V(debian12) or V(debian13). It decides the login user of a given image, too.
    type: str
    required: true
  architecture:
    description: V(x86_64) or V(arm64). A given image has to have it.
    type: str
    required: true
  image_id:
    description: Use this image instead, whoever owns it and however old it is.
    type: str
  release:
    description:
      - Only an image of this release of ParallelCluster (V(3.16.1)), for an image that clusters are made of. One
        that is given has to be of it, by its tag C(parallelcluster:version) or by the name of what Amazon owns.
    type: str
    default: ""
    version_added: "0.2.0"
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.aws
  - petal.hpc.aws.boto3
"""

EXAMPLES = r"""
- name: Find the image to build with
  petal.hpc.aws_image_info:
    region: us-east-1
    os: alinux2023
    architecture: x86_64
  register: found

- name: Look at an image of our own
  petal.hpc.aws_image_info:
    region: us-east-1
    os: rocky9
    architecture: arm64
    image_id: ami-0123456789abcdef0
"""

RETURN = r"""
image:
  description: The image to launch.
  returned: success
  type: dict
  contains:
    image_id:
      description: Its id.
      type: str
      sample: ami-0123456789abcdef0
    name:
      description: Its name.
      type: str
      sample: aws-parallelcluster-3.16.1-amzn2023-hvm-x86_64-202606150000 2026-06-15T00-00-00.000Z
    owner:
      description: The account that it is of.
      type: str
    os:
      description: The operating system that was asked for.
      type: str
    architecture:
      description: V(x86_64) or V(arm64).
      type: str
    user:
      description: The user to log in as.
      type: str
      sample: ec2-user
    created:
      description: When it was made, ISO 8601 in UTC.
      type: str
    root_device:
      description: Name of the root device in its block device mapping.
      type: str
      sample: /dev/xvda
    root_size_gb:
      description: Smallest size of the root volume in GiB; null where AWS does not tell.
      type: int
    deprecated:
      description: Whether its owner has deprecated it, which only a given image can be.
      type: bool
    official:
      description: Whether owner and name are those of the official ones.
      type: bool
    release:
      description: Of ParallelCluster; empty where nobody says.
      type: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.images.api import find_image
from ansible_collections.petal.hpc.plugins.module_utils._aws.images.choice import ImageRequest
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "os": {"type": "str", "required": True},
            "architecture": {"type": "str", "required": True},
            "image_id": {"type": "str"},
            "release": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        wanted = ImageRequest.named(*(module.params[name] for name in ("os", "architecture", "image_id", "release")))
        image = find_image(module, wanted)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, image=image.to_dict())


if __name__ == "__main__":
    main()
