#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: slurm_check
short_description: Check a volume's modules in Slurm jobs on compute nodes
version_added: "0.1.0"
description:
  - Submits one job to each node as an ordinary user. In it a fresh login shell for each module loads it and runs its
    command, as M(petal.hpc.module_check) does on one host.
  - Nothing of the submitting shell goes along into the jobs, so that what works here works for a user's job script.
  - Where the volume brings MPI and there are two nodes or more, one more job runs a program across all of them. That is
    an MPI built by Spack, whose compiler builds the program, or a Python environment with C(mpi4py).
  - Runs on a host from which jobs are submitted.
author:
  - petal.hpc contributors (@petal-hpc)
attributes:
  check_mode:
    description: It changes nothing, so it does in check mode what it does otherwise.
    support: full
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
options:
  manifest:
    description: The volume's manifest, C(.petal/manifest.json).
    type: dict
    required: true
  nodes:
    description: The nodes' names in Slurm.
    type: list
    elements: str
    required: true
  user:
    description: The user who submits the jobs. Root is needed to become another user.
    type: str
    default: nobody
  timeout:
    description: How long one check may take, in seconds.
    type: int
    default: 300
  queue_timeout:
    description: How long a job may wait for its node, in seconds.
    type: int
    default: 600
  options:
    description: More options of C(srun) and C(salloc), for instance a partition or an account.
    type: list
    elements: str
    default: []
seealso:
  - module: petal.hpc.module_check
"""

EXAMPLES = r"""
- name: Check the software on two nodes
  petal.hpc.slurm_check:
    manifest: "{{ lookup('ansible.builtin.file', 'manifest.json') | from_json }}"
    nodes: [c1, c2]
    user: alice
    options: [--partition=debug]
"""

RETURN = r"""
results:
  description: One entry for each module on each node, in the order given, and one for MPI.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The module.
      type: str
    node:
      description: Where it was checked; nodes with commas between them for MPI.
      type: str
    ok:
      description: Whether the module loads and its command ends with status 0.
      type: bool
    rc:
      description: The status; -1 where no job came so far.
      type: int
    seconds:
      description: Wall time, shell and loading included.
      type: float
    command:
      description: What the shell ran.
      type: str
    output:
      description: The last lines that it printed.
      type: str
    needs:
      description:
        - The processor target for which the module was built, where the node's processor cannot run it, so that
          nothing is known of the module. Such a module is no failure, unless there is nothing else. Empty where the
          check was made.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._check.api import run_in_jobs
from ansible_collections.petal.hpc.plugins.module_utils._check.model import verdict
from ansible_collections.petal.hpc.plugins.module_utils._check.slurm import Asked
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    """Arguments in, results out."""
    module = AnsibleModule(
        argument_spec={
            "manifest": {"type": "dict", "required": True},
            "nodes": {"type": "list", "elements": "str", "required": True},
            "user": {"type": "str", "default": "nobody"},
            "timeout": {"type": "int", "default": 300},
            "queue_timeout": {"type": "int", "default": 600},
            "options": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        asked = Asked(given["user"], given["timeout"], given["queue_timeout"], tuple(given["options"]))
        results = run_in_jobs(module, given["manifest"], given["nodes"], asked)
    except PetalError as error:
        module.fail_json(msg=str(error), results=[])
    outcome = {"results": [result.to_dict() for result in results]}
    failure = verdict(results, given["user"])
    if failure:
        module.fail_json(msg=failure, **outcome)
    module.exit_json(changed=False, **outcome)


if __name__ == "__main__":
    main()
