#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_build_resource
short_description: Provide the volume, the security group or the subnet of a build on AWS
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Finds the resource by filters, or makes it, and waits until AWS shows it and it is ready.
  - What AWS has just made may be missing from its lists for a while. The module follows the id that AWS gave, and makes
    nothing twice because it is not listed. A volume has a client token, a security group a name of which there is one,
    a subnet its addresses.
  - To be called by the one who holds the lock of M(petal.hpc.aws_build_lock).
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Finds the resource, and makes none.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  kind:
    description: What to provide.
    type: str
    choices: [volume, security_group, subnet]
    required: true
  filters:
    description: Filters that find it, as EC2's Describe calls take them.
    type: dict
    required: true
  parameters:
    description: Parameters of EC2's CreateVolume, CreateSecurityGroup or CreateSubnet. Empty ones are left out.
    type: dict
    default: {}
  tags:
    description: The tags that it is made with.
    type: dict
    required: true
  token_seed:
    description: What the client token is made of. The same for all attempts of one build.
    type: str
    required: true
  patience:
    description: Seconds that AWS may take to show it, and to have it ready.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Make the volume, or find it
  petal.hpc.aws_build_resource:
    region: eu-central-1
    kind: volume
    filters: {"tag:petal:build-id": "{{ build.lock.build_id }}", "tag:Name": "{{ build.lock.name }}"}
    parameters: {AvailabilityZone: eu-central-1a, Size: 100, VolumeType: gp3, Encrypted: true}
    tags:
      Name: "{{ build.lock.name }}"
      "petal:build-id": "{{ build.lock.build_id }}"
    token_seed: "{{ build.lock.build_id }}"
  register: volume
"""

RETURN = r"""
resource_id:
  description: Its id; empty in check mode when it would be made.
  returned: success
  type: str
  sample: vol-0123456789abcdef0
resource:
  description: What AWS says of it.
  returned: success
  type: dict
  contains:
    availability_zone:
      description: The zone of a volume or a subnet; else empty.
      type: str
    vpc_id:
      description: The VPC of a security group or a subnet; else empty.
      type: str
    size_gb:
      description: The size of a volume in GiB; else null.
      type: int
    snapshot_id:
      description: The snapshot that a volume was made from; empty for none, and for all else.
      type: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._aws.making.api import Made
from ansible_collections.petal.hpc.plugins.module_utils._aws.making.kinds import KINDS
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "kind": {"type": "str", "choices": list(KINDS), "required": True},
            "filters": {"type": "dict", "required": True},
            "parameters": {"type": "dict", "default": {}},
            "tags": {"type": "dict", "required": True},
            "token_seed": {"type": "str", "required": True, "no_log": False},
            "patience": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    p = module.params
    made = Made(ec2_client(module), p["kind"], p["patience"])
    try:
        result = made.present(p["filters"], p["parameters"], p["tags"], p["token_seed"], module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
