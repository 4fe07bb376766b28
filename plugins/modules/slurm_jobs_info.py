#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: slurm_jobs_info
short_description: Jobs of Slurm that occupy a node
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Asks C(squeue) for the jobs that run on a node, or begin or end there. Those that wait for it are none of them.
extends_documentation_fragment:
  - petal.hpc.info
options:
  node:
    description: The node's name in Slurm.
    type: str
    required: true
  squeue:
    description: The command, where it is not in the search path.
    type: str
    default: squeue
  wait:
    description:
      - Ask until there is none, and say how many have ended, where it begins, at each tenth of them and every ten
        minutes, with any callback.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait. Jobs that are left then are a failure.
    type: int
    default: 86400
  poll_interval:
    description: Seconds between two looks.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Wait until the node is free
  petal.hpc.slurm_jobs_info:
    node: "{{ ansible_hostname }}"
    wait: true
    wait_timeout: 3600
  delegate_to: head
"""

RETURN = r"""
jobs:
  description: Ids of the jobs.
  returned: success
  type: list
  elements: str
  sample: ["17", "21"]
progress:
  description: Of the jobs at the first look (C(total)) how many have ended (C(done)), and one that has not (C(item)).
  returned: success
  type: dict
attempts:
  description: How often it was looked.
  returned: with O(wait)
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

#: Of jobs that have a node (squeue(1), --states).
STATES = "CONFIGURING,RUNNING,SUSPENDED,STOPPED,COMPLETING"


def main() -> None:
    """Arguments in, results out."""
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "squeue": {"type": "str", "default": "squeue"},
            # The action waits.
            "wait": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 86400},
            "poll_interval": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    argv = [
        module.params["squeue"],
        "--noheader",
        f"--nodelist={module.params['node']}",
        f"--states={STATES}",
        "--format=%A",
    ]
    status, output, errors = module.run_command(argv)
    if status != 0:
        module.fail_json(msg=errors.strip() or f"{argv[0]} ended with status {status}")
    module.exit_json(changed=False, jobs=output.split())


if __name__ == "__main__":
    main()
