#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_layout
short_description: Write directories, files and links below one directory at once
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Takes a plan of what is to lie below a directory, compares all of it with what is there, and then writes what
    differs. Everything belongs to root, or to O(owner).
  - A plan that is wrong, or that something on the disk is in the way of, is refused as a whole before anything is
    written.
  - Nothing is written through a link, and nothing outside of the directory. A file that is there is never written into.
    A new one takes its place in one step. Directories are never removed.
attributes:
  check_mode:
    description: Can run in check mode and say what would be written. O(path) need not be there then.
    support: full
  diff_mode:
    description: Shows every file, link and directory that changes.
    support: full
requirements:
  - root
options:
  path:
    description: The directory. It has to be there.
    type: path
    required: true
  plan:
    description:
      - By path below O(path) what is to be there. Directories on the way that are missing are made, with the mode 0755.
      - C(content) is the text of a file, C(link) the target of a symbolic link (relative, and below O(path) too).
        C(directory) or C(absent) is V(true) for a directory, or where neither a file nor a link is to be. Exactly one
        of these four.
      - C(once) of V(true) is for files that are written only where there is nothing of the name.
      - C(mode) is for files (0644 without it) and directories (0755). It is a text, and has permissions only.
      - Directories come first, then the rest in the order of the plan.
    type: dict
    required: true
  owner:
    description: The user to whom all that is written belongs, and to whose group.
    type: str
    default: root
    version_added: "0.2.0"
seealso:
  - module: ansible.builtin.file
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Write a module and make it the default
  petal.hpc.volume_layout:
    path: /shared
    plan:
      modules/Core/tool:
        directory: true
      modules/Core/tool/1.0.lua:
        content: "{{ lookup('ansible.builtin.template', 'tool.lua.j2') }}"
      modules/Core/tool/default:
        link: 1.0.lua
      bin/tool-check:
        content: |
          #!/bin/sh
          exec tool --version
        mode: "0755"
"""

RETURN = r"""
paths:
  description: What of the plan was written, or would be.
  returned: success
  type: list
  elements: str
  sample: [modules/Core/tool, modules/Core/tool/1.0.lua]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._layout.api import lay_out, owner_of


def main() -> None:
    """Arguments in, what changed out."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "plan": {"type": "dict", "required": True},
            "owner": {"type": "str", "default": "root"},
        },
        supports_check_mode=True,
    )
    try:
        owner = owner_of(module.params["owner"])
        result = lay_out(Path(module.params["path"]), module.params["plan"], owner, check=module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
