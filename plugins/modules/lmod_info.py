#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lmod_info
short_description: Say which Lmod a host has
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Looks for Lmod in a directory, and runs it to ask for its version.
extends_documentation_fragment:
  - petal.hpc.info
options:
  home:
    description: Directory of Lmod, which has C(init) and C(libexec) in it.
    type: path
    required: true
seealso:
  - module: petal.hpc.lmod_cache
"""

EXAMPLES = r"""
- name: Ask for Lmod
  petal.hpc.lmod_info:
    home: /usr/share/lmod/lmod
  register: lmod

- name: Say which one it is
  ansible.builtin.debug:
    msg: "{{ 'Lmod ' ~ lmod.version if lmod.installed else 'There is no Lmod.' }}"
"""

RETURN = r"""
installed:
  description: Whether it is there.
  returned: success
  type: bool
version:
  description: Its version; null where it is not there.
  returned: success
  type: str
msg:
  description: A sentence that says so.
  returned: when it is not there
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._lmod.api import Lmod


def main() -> None:
    """Arguments in, findings out."""
    module = AnsibleModule(argument_spec={"home": {"type": "path", "required": True}}, supports_check_mode=True)
    lmod = Lmod(module.run_command, module.params["home"])
    try:
        installed = lmod.is_there()
        version = lmod.version() if installed else None
    except PetalError as error:
        module.fail_json(msg=str(error))
    problem = {} if installed else {"msg": f"There is no Lmod in {module.params['home']}."}
    module.exit_json(changed=False, installed=installed, version=version, **problem)


if __name__ == "__main__":
    main()
