#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lmod_cache
short_description: Write Lmod's spider cache
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Has Lmod read every modulefile of some trees into its system spider cache, so that C(module avail) and
    C(module spider) read one file in place of thousands.
  - A cache than which nothing in the trees is newer is left as it is.
  - Lmod's settings name the cache, as its users guide has it under "User Spider Cache"; the role petal.hpc.lmod writes
    them.
attributes:
  check_mode:
    description: Says whether the cache would be written.
    support: full
  diff_mode:
    description: The cache is Lua for Lmod alone, and is not shown.
    support: none
options:
  home:
    description: Directory of Lmod, which has C(libexec/update_lmod_system_cache_files) in it.
    type: path
    required: true
  path:
    description: Directory of the cache. It is made where it is not there.
    type: path
    required: true
  module_paths:
    description: The trees of modulefiles, as C(MODULEPATH) has them.
    type: list
    elements: path
    required: true
seealso:
  - module: petal.hpc.lmod_info
"""

EXAMPLES = r"""
- name: Write the spider cache
  petal.hpc.lmod_cache:
    home: /usr/share/lmod/lmod
    path: /shared/modules/.cache
    module_paths: [/shared/modules/Core]
"""

RETURN = r""" # """

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._lmod.api import Lmod, is_fresh


def main() -> None:
    """Write it where it is not fresh."""
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "module_paths": {"type": "list", "elements": "path", "required": True},
        },
        supports_check_mode=True,
    )
    directory, trees = Path(module.params["path"]), module.params["module_paths"]
    try:
        stale = not is_fresh(directory, trees)
        if stale and not module.check_mode:
            Lmod(module.run_command, module.params["home"]).write_cache(directory, trees)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=stale)


if __name__ == "__main__":
    main()
