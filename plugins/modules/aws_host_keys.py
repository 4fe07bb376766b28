#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_host_keys
short_description: Know the SSH keys of an EC2 instance before the first connection
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Reads the SSH host keys that cloud-init prints on the console of an instance, by AWS's API, and writes them into a
    C(known_hosts) file. SSH then has nothing to take on trust, with C(StrictHostKeyChecking=yes) and
    C(HostKeyAlias) set to the instance's id.
  - Waits until they are there. On Nitro instances that is as soon as they are printed, on others some minutes later.
  - A file that has keys of the instance is left as it is, and AWS is not asked.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Does not wait, and writes nothing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  instance_id:
    description: Id of the instance. Keys are filed by it, as addresses are given to others later.
    type: str
    required: true
  known_hosts:
    description: The file, on the host that runs the module. It is made, for its owner alone, where there is none.
    type: path
    required: true
  timeout:
    description: Seconds to wait for the keys.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Ask AWS for the host's keys
  petal.hpc.aws_host_keys:
    region: eu-central-1
    instance_id: "{{ host.instance.instance_id }}"
    known_hosts: ~/.cache/petal/keys/known_hosts

- name: Know the host
  ansible.builtin.add_host:
    name: build
    ansible_host: "{{ host.instance.public_ip }}"
    ansible_ssh_common_args: >-
      -o UserKnownHostsFile=~/.cache/petal/keys/known_hosts -o StrictHostKeyChecking=yes
      -o HostKeyAlias={{ host.instance.instance_id }}
"""

RETURN = r"""
fingerprints:
  description: Fingerprints of the keys that are known now, as C(ssh-keygen -l) shows them, by kinds of keys.
  returned: success
  type: dict
  sample:
    ssh-ed25519: SHA256:wT2nhBRgZWGDnJ+4WlYK2mC6ZtFDdYwcVFgHoQ3BSu4
"""

from pathlib import Path

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._aws.console.api import HostKeys
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "instance_id": {"type": "str", "required": True},
            "known_hosts": {"type": "path", "required": True, "no_log": False},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    p = module.params
    keys = HostKeys(ec2_client(module), Host(module.run_command))
    try:
        result = keys.present(p["instance_id"], Path(p["known_hosts"]), p["timeout"], module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
