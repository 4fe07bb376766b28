#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_build_instance
short_description: Provide the EC2 instance that builds a software volume
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Finds the instance of a build by its tags, or launches one. There is never more than one. An instance of the same
    fingerprint that cannot be used is terminated first. It is of another build, its private key is lost, or it is in
    another zone than the volume.
  - Spot Instances come first, in all subnets, and then instances on demand, when AWS has no capacity or withdraws it.
  - Instances have an encrypted root volume, take version 2 of the metadata service only, and terminate when they are
    shut down. What was lost of an answer of AWS does not lead to a second instance.
  - To be called by the one who holds the lock of M(petal.hpc.aws_build_lock).
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Finds the instance, and neither launches nor terminates one.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  name:
    description: Name of the instance.
    type: str
    required: true
  tags:
    description:
      - Tags of instance, root volume and network interface. V(petal:fingerprint) and V(petal:build-id) have to be among
        them, since they and the name find the instance again. To terminate it, one of them is enough.
    type: dict
    required: true
  state:
    description:
      - V(present) gives a running instance.
      - V(absent) terminates the instances with this name, fingerprint and build id, as far as O(tags) has them, and
        waits until they have ended.
    type: str
    choices: [present, absent]
    default: present
  image_id:
    description: Id of the image. Needed to launch one.
    type: str
  root_device:
    description: Root device of the image. Looked up when it is not given.
    type: str
  root_size_gb:
    description: Size of the root volume in GiB. By default that of the image.
    type: int
  instance_type:
    description: Instance type. Needed to launch one.
    type: str
  spot:
    description: Whether to try Spot Instances first.
    type: bool
    default: true
  subnet_ids:
    description: Subnets in the order in which they are tried. By default those of the default VPC.
    type: list
    elements: str
    default: []
  availability_zone:
    description: Only this zone, where the volume is.
    type: str
  security_group_ids:
    description: Security groups.
    type: list
    elements: str
    default: []
  key_name:
    description: Name of the key pair. By default O(name).
    type: str
  key_pair_id:
    description:
      - RV(petal.hpc.aws_build_lock#module:lock.key_pair_id). An instance that was launched with another key is
        replaced. Needed to launch one.
    type: str
  user_data:
    description: User data, as a text.
    type: str
  iam_instance_profile:
    description: Name or ARN of an instance profile.
    type: str
  client_token_seed:
    description: What the client tokens are made of. By default the build id and O(key_pair_id).
    type: str
  wait_timeout:
    description: Seconds to wait until the instance runs, and until others have ended.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Launch the host, or find it
  petal.hpc.aws_build_instance:
    region: eu-central-1
    name: "{{ build.lock.name }}"
    image_id: ami-0123456789abcdef0
    instance_type: c6a.4xlarge
    subnet_ids: [subnet-0123456789abcdef0]
    security_group_ids: [sg-0123456789abcdef0]
    key_pair_id: "{{ build.lock.key_pair_id }}"
    root_size_gb: 100
    tags:
      "petal:fingerprint": "{{ seed.fingerprint }}"
      "petal:build-id": "{{ build.lock.build_id }}"
  register: host

- name: End it
  petal.hpc.aws_build_instance:
    region: eu-central-1
    name: "{{ build.lock.name }}"
    tags:
      "petal:fingerprint": "{{ seed.fingerprint }}"
      "petal:build-id": "{{ build.lock.build_id }}"
    state: absent
"""

RETURN = r"""
instance:
  description: The instance; null with O(state=absent). In check mode its id is empty when one would be launched.
  returned: success
  type: dict
  contains:
    instance_id:
      description: Id of the instance.
      type: str
    state:
      description: State of the instance.
      type: str
      sample: running
    availability_zone:
      description: Its zone.
      type: str
    subnet_id:
      description: Its subnet.
      type: str
    vpc_id:
      description: Its VPC.
      type: str
    public_ip:
      description: Its public address; null when it has none.
      type: str
    private_ip:
      description: Its private address.
      type: str
    spot:
      description: Whether it is a Spot Instance.
      type: bool
    instance_type:
      description: Its type.
      type: str
    image_id:
      description: The image it was launched from.
      type: str
    launched:
      description: Whether it was launched now.
      type: bool
    reused:
      description: Whether it was there before.
      type: bool
    attempts:
      description: What was tried, in order; each with C(spot), C(subnet_id) and C(error), which is null for the last.
      type: list
      elements: dict
replaced:
  description: Instances that were terminated, by their ids, and why.
  returned: success
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._aws.instances_api import BuildInstances
from ansible_collections.petal.hpc.plugins.module_utils._aws.launch import launch_of
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "tags": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "image_id": {"type": "str"},
            "root_device": {"type": "str"},
            "root_size_gb": {"type": "int"},
            "instance_type": {"type": "str"},
            "spot": {"type": "bool", "default": True},
            "subnet_ids": {"type": "list", "elements": "str", "default": []},
            "availability_zone": {"type": "str"},
            "security_group_ids": {"type": "list", "elements": "str", "default": []},
            "key_name": {"type": "str", "no_log": False},
            "key_pair_id": {"type": "str", "no_log": False},
            "user_data": {"type": "str"},
            "iam_instance_profile": {"type": "str"},
            "client_token_seed": {"type": "str", "no_log": False},
            "wait_timeout": {"type": "int", "default": 600},
        },
        required_if=[("state", "present", ["image_id", "instance_type", "key_pair_id"])],
        supports_check_mode=True,
    )
    p = module.params
    quick = ec2_client(module, retries={"total_max_attempts": 1})
    instances = BuildInstances(ec2_client(module), quick, p["wait_timeout"])
    try:
        if p["state"] == "absent":
            result = instances.absent(p["name"], p["tags"], module.check_mode)
        else:
            result = instances.present(launch_of(p), module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
