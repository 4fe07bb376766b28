#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: module_check
short_description: Load environment modules in login shells and run a command of each
version_added: "0.1.0"
description:
  - Opens a fresh login shell of an ordinary user for each module, loads it and runs its command.
  - Nothing of the calling environment is passed on, so that what works here works for a user who logs in.
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
  modules:
    description:
      - What to check, as the C(modules) of a volume's manifest.
      - Each has a C(name), C(load) (the modules to load, in order; the name by default) and C(check) (the command to
        run once they are loaded, as a list of arguments; none by default). Other keys mean nothing here.
    type: list
    elements: dict
    required: true
  user:
    description: The user whose login shells are opened. Root is needed to become another user.
    type: str
    default: nobody
  timeout:
    description: How long one check may take, in seconds.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: See that numpy can be imported by everybody
  petal.hpc.module_check:
    modules:
      - name: scipy-stack/2026.1
        check: [python, -c, import numpy]
    user: nobody
"""

RETURN = r"""
results:
  description: One entry for each module, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name given.
      type: str
    ok:
      description: Whether the module loads and its command ends with status 0.
      type: bool
    rc:
      description: The status.
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

from ansible_collections.petal.hpc.plugins.module_utils._check.api import run_checks
from ansible_collections.petal.hpc.plugins.module_utils._check.model import verdict
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    """Arguments in, results out."""
    module = AnsibleModule(
        argument_spec={
            "modules": {"type": "list", "elements": "dict", "required": True},
            "user": {"type": "str", "default": "nobody"},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        results = run_checks(module, module.params["modules"], module.params["user"], module.params["timeout"])
    except PetalError as error:
        module.fail_json(msg=str(error), results=[])
    outcome = {"results": [result.to_dict() for result in results]}
    failure = verdict(results, module.params["user"])
    if failure:
        module.fail_json(msg=failure, **outcome)
    module.exit_json(changed=False, **outcome)


if __name__ == "__main__":
    main()
