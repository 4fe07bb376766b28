#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_build_image
short_description: Make the one machine image of a build
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Makes an image of an instance, or finds the one that was begun, and waits until it is available and AWS lists it.
    One that AWS cannot finish is deleted with its snapshots, and made once more. There is never more than one.
  - CreateImage takes no client token. The name is one that no other image of the account in the Region has, so that a
    second call makes no second image.
  - To be called by the one who holds the lock of M(petal.hpc.aws_build_lock).
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Has no check mode.
    support: none
  diff_mode:
    description: Shows no differences.
    support: none
options:
  state:
    description:
      - V(present) gives an image that is available.
      - V(begun) only says which one a build of the O(fingerprint) has begun and not finished, and deletes those that
        AWS has given up.
    type: str
    choices: [present, begun]
    default: present
  name:
    description: Name of what is built, for messages and for the name of the image.
    type: str
    required: true
  fingerprint:
    description: Fingerprint of the seed.
    type: str
    required: true
  build_id:
    description: Id of the build.
    type: str
    required: true
  instance_id:
    description: The instance, which is stopped. Without it only what was begun is waited for.
    type: str
  release:
    description:
      - Release of ParallelCluster whose image the instance was launched from, as the tag
        C(parallelcluster:version) has it.
    type: str
    required: true
  tags:
    description: Tags of the image.
    type: dict
    default: {}
  snapshot_tags:
    description: Tags of its snapshots.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait until it is available.
    type: int
    default: 14400
  patience:
    description: Seconds that AWS may take to show what it has made.
    type: int
    default: 300
  poll_interval:
    description: The most seconds between two looks.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Make the image
  petal.hpc.aws_build_image:
    region: eu-central-1
    name: bio
    fingerprint: "{{ seed.fingerprint }}"
    build_id: "{{ build.lock.build_id }}"
    instance_id: i-0123456789abcdef0
    release: 3.16.1
    tags:
      "petal:fingerprint": "{{ seed.fingerprint }}"
      "petal:cleanup": pending
      "parallelcluster:version": 3.16.1
"""

RETURN = r"""
image_id:
  description: Its id; empty with O(state=begun) when none was begun.
  returned: success
  type: str
image:
  description: The image, as M(petal.hpc.software_image_info) returns it; null with O(state=begun).
  returned: success
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._image import record
from ansible_collections.petal.hpc.plugins.module_utils._image.making_api import BuildImage, BuildImageRequest


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "begun"], "default": "present"},
            "name": {"type": "str", "required": True},
            "fingerprint": {"type": "str", "required": True},
            "build_id": {"type": "str", "required": True},
            "instance_id": {"type": "str"},
            "release": {"type": "str", "required": True},
            "tags": {"type": "dict", "default": {}},
            "snapshot_tags": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 14400},
            "patience": {"type": "int", "default": 300},
            "poll_interval": {"type": "int", "default": 5},
        },
    )
    p = module.params
    images = BuildImage(ec2_client(module), ec2_client(module, retries={"total_max_attempts": 1}), module.region)
    try:
        wanted = BuildImageRequest(
            fingerprint=p["fingerprint"],
            name=p["name"],
            image_name=record.image_name(p["name"], p["build_id"]),
            release=p["release"],
            tags={str(key): str(value) for key, value in p["tags"].items()},
            snapshot_tags={str(key): str(value) for key, value in p["snapshot_tags"].items()},
            instance_id=p["instance_id"],
            description=record.described(p["name"], p["fingerprint"], p["release"]),
            timeout=p["timeout"],
            patience=p["patience"],
            poll=p["poll_interval"],
        )
        result = images.present(wanted) if p["state"] == "present" else images.found(wanted)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
