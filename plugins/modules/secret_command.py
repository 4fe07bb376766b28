#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_command
short_description: Run a command that needs a token
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Runs a command with variables in its environment that nobody else is to see. They are on no command line, neither
    the command's nor, as with C(environment) of a task, that of the shell in which Ansible starts a module.
  - Addresses in what the command says lose their user names, passwords and queries.
attributes:
  check_mode:
    description: A command is not run in check mode.
    support: none
  diff_mode:
    description: Nobody knows what a command changes.
    support: none
options:
  argv:
    description: The command and its arguments. No shell reads them.
    type: list
    elements: str
    required: true
  secrets:
    description: Variables for its environment.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Install from an index that wants a password
  petal.hpc.secret_command:
    argv: [/opt/x/bin/pip, install, mytool==1.0]
    secrets:
      PIP_INDEX_URL: "https://{{ user }}:{{ password }}@pypi.example.org/simple/"
"""

RETURN = r"""
rc:
  description: Its status.
  returned: always
  type: int
stdout:
  description: What it said, without credentials in addresses.
  returned: always
  type: str
stderr:
  description: The same for its error output.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import redacted


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
    )
    argv, secrets = module.params["argv"], module.params["secrets"]
    try:
        status, output, problem = module.run_command(
            argv, environ_update=secrets, handle_exceptions=False, expand_user_and_vars=False
        )
    except OSError as error:
        status, output, problem = 127, "", f"error: {argv[0]}: {error.strerror}"
    said = {"rc": status, "stdout": redacted(output), "stderr": redacted(problem)}
    if status != 0:
        module.fail_json(msg=f"{argv[0]} ended with status {status}", changed=True, **said)
    module.exit_json(changed=True, **said)


if __name__ == "__main__":
    main()
