#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_build_key
short_description: Bring the private key of a build from the Parameter Store
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Fetches what M(petal.hpc.aws_build_lock) has sealed (O(petal.hpc.aws_build_lock#module:key_store)), for a
    controller that asks a build how far it is.
  - A private key that does not belong to O(public_key) is not taken.
  - Runs on the controller. Needs C(ssh-keygen). The key is in no argument, result or log.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Is passed over in check mode. Nothing but O(key_file) changes, so a task may have C(check_mode=false).
    support: none
  diff_mode:
    description: Shows no differences.
    support: none
options:
  build_id:
    description: Id of the build.
    type: str
    required: true
  public_key:
    description: The public key of its host, RV(petal.hpc.aws_build_lock#module:lock.public_key).
    type: str
    required: true
  key_file:
    description: Where the private key is written, for its owner only.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Have the key of a build that another controller has begun
  petal.hpc.aws_build_key:
    region: eu-central-1
    build_id: "{{ build.lock.build_id }}"
    public_key: "{{ build.lock.public_key }}"
    key_file: "{{ build.lock.key_file }}"
  register: key
"""

RETURN = r"""
found:
  description: Whether the key is in O(key_file) now; V(false) where the Parameter Store has none that fits.
  returned: success
  type: bool
"""

from pathlib import Path

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_build_id
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store_api import SealedKeys, ssm_client


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "build_id": {"type": "str", "required": True},
            "public_key": {"type": "str", "required": True, "no_log": False},
            "key_file": {"type": "path", "required": True, "no_log": False},
        },
    )
    p = module.params
    sealed = SealedKeys(lambda: ssm_client(module), Host(module.run_command))
    try:
        found = sealed.bring(check_build_id(p["build_id"]), p["public_key"], Path(p["key_file"]))
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=found, found=found)


if __name__ == "__main__":
    main()
