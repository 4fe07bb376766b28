#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: python_build_info
short_description: Say what a host has for building Python environments
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Looks whether the operating system's Python can make a pip, which C(uv) is fetched by, and whether there is an
    account for builds of what others have written.
extends_documentation_fragment:
  - petal.hpc.info
options:
  user:
    description: Name of the account.
    type: str
    required: true
seealso:
  - module: petal.hpc.uv
  - module: petal.hpc.python_environment
"""

EXAMPLES = r"""
- name: Look at what is there for Python environments
  petal.hpc.python_build_info:
    user: petal-build
  register: found
"""

RETURN = r"""
ensurepip:
  description: Whether C(/usr/bin/python3) is there and has it. Debian and Ubuntu pack it in C(python3-venv).
  returned: success
  type: bool
user:
  description: Whether there is such an account.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.api import find_account

ASK_FOR_PIP = ["/usr/bin/python3", "-I", "-c", "import ensurepip"]


def main() -> None:
    """Arguments in, findings out."""
    module = AnsibleModule(argument_spec={"user": {"type": "str", "required": True}}, supports_check_mode=True)
    try:
        status, _output, _problem = module.run_command(ASK_FOR_PIP, handle_exceptions=False)
    except OSError:
        status = -1
    try:
        account = find_account(module.params["user"])
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, ensurepip=status == 0, user=account is not None)


if __name__ == "__main__":
    main()
