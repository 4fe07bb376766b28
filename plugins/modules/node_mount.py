#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_mount
short_description: Mount points of nodes and their lines in fstab
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Puts the line of a mount point into C(/etc/fstab), or takes it away, and mounts or unmounts what it says. Nodes of
    the provider local need no other collection for it.
  - Other lines stay as they are. A line whose mount fails is taken back, so that it stops no boot.
requirements:
  - mount and umount on the host
attributes:
  check_mode:
    description: Can run in check mode and say what would change, without changing it.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  path:
    description: The mount point, an absolute path.
    type: path
    required: true
  src:
    description: What is mounted, as a file, a device or C(HOST:/DIRECTORY). Needed for V(present) and V(mounted).
    type: str
  fstype:
    description: Type of the file system, as C(ext4) or C(nfs). Needed for V(present) and V(mounted).
    type: str
  opts:
    description: Options of mount(8), with commas between them.
    type: str
    default: defaults
  state:
    description:
      - V(present) is a line in C(/etc/fstab), whatever is mounted. V(mounted) is the line, and it is mounted, for which
        the directory is made; anew where the line has changed.
      - V(absent_from_fstab) is no line, whatever is mounted. V(absent) is no line, and where there was one, nothing
        mounted and no directory.
    type: str
    choices: [present, mounted, absent, absent_from_fstab]
    required: true
seealso:
  - module: petal.hpc.local_volume
"""

EXAMPLES = r"""
- name: Mount a volume at every boot
  petal.hpc.node_mount:
    path: /shared
    src: /var/lib/petal/volumes/science.img
    fstype: ext4
    opts: loop,ro,nofail
    state: present

- name: Mount what the head node exports
  petal.hpc.node_mount:
    path: /opt/petal/science
    src: head:/opt/petal/science
    fstype: nfs
    opts: ro,nofail
    state: mounted

- name: Take it away again
  petal.hpc.node_mount:
    path: /opt/petal/science
    state: absent
"""

RETURN = r"""
path:
  description: The mount point.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._fstab.api import MountPoint
from ansible_collections.petal.hpc.plugins.module_utils._fstab.table import Entry


def main() -> None:
    """Arguments in, result out."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "src": {"type": "str"},
            "fstype": {"type": "str"},
            "opts": {"type": "str", "default": "defaults"},
            "state": {
                "type": "str",
                "choices": ["present", "mounted", "absent", "absent_from_fstab"],
                "required": True,
            },
        },
        required_if=[("state", "present", ["src", "fstype"]), ("state", "mounted", ["src", "fstype"])],
        supports_check_mode=True,
    )
    given = module.params
    path, state = given["path"], given["state"]
    try:
        point = MountPoint(module, path)
        if state in ("present", "mounted"):
            entry = Entry(given["src"], path, given["fstype"], given["opts"])
            changed = point.present(entry) if state == "present" else point.mounted(entry)
        else:
            changed = point.absent() if state == "absent" else point.absent_from_fstab()
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, path=path)


if __name__ == "__main__":
    main()
