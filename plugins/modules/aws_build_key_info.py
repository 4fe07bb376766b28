#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_build_key_info
short_description: List the private keys of builds in the Parameter Store
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Names and tags of what M(petal.hpc.aws_build_lock) has sealed (O(petal.hpc.aws_build_lock#module:key_store)), and
    no key. One whose build is gone is left of a run that died.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
"""

EXAMPLES = r"""
- name: Look for keys of builds
  petal.hpc.aws_build_key_info:
    region: eu-central-1
  register: keys
"""

RETURN = r"""
sealed:
  description: The parameters.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The name of the parameter.
      type: str
      sample: /petal/build-keys/20260131T120000Z-0123abcd
    tags:
      description: Its tags, those of its build.
      type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store_api import SealedKeys, ssm_client


def main() -> None:
    module = AnsibleAWSModule(argument_spec={}, supports_check_mode=True)
    kept = SealedKeys(lambda: ssm_client(module), Host(module.run_command))
    try:
        found = kept.listed()
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, sealed=found)


if __name__ == "__main__":
    main()
