#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: build_host_info
short_description: Look at a host that is to build a volume of the provider local
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Gathers what decides whether a build can end well on this host, and changes nothing. The filter
    P(petal.hpc.build_problems#filter) says what of it is wrong.
extends_documentation_fragment:
  - petal.hpc.info
options:
  places:
    description: Directories whose disks are looked at, by what they are for. They need not exist.
    type: dict
    default: {}
  image:
    description: Image of the build's volume, where an earlier run may have left it.
    type: path
seealso:
  - plugin: petal.hpc.build_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the build host
  petal.hpc.build_host_info:
    places: {store: /var/lib/petal}
  register: seen
"""

RETURN = r"""
host:
  description: What was seen.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the host.
      type: str
    root:
      description: Whether the task is root, and may mount.
      type: bool
    container:
      description: Kind of container that the host is; empty where it is none.
      type: str
    loop:
      description: Why there are no loop devices; empty where there are.
      type: str
    ext4:
      description: Whether the kernel has ext4.
      type: bool
    missing:
      description: Commands that a build needs and that are not there.
      type: list
      elements: str
    rooms:
      description: For each of O(places) its C(path), C(device), and the bytes C(free) and in C(total) of its disk.
      type: dict
    full:
      description: The paths among O(places) whose disks are full.
      type: list
      elements: str
    kept:
      description: Bytes that O(image) takes on the disk.
      type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._preflight.api import gather


def main() -> None:
    module = AnsibleModule(
        argument_spec={"places": {"type": "dict", "default": {}}, "image": {"type": "path"}},
        supports_check_mode=True,
    )
    try:
        with explained("looking at the build host"):
            facts = gather(Host(module.run_command), module.params["places"], module.params["image"] or "")
    except PetalError as error:
        module.fail_json(msg=str(error))
    full = [room.path for room in facts.rooms.values() if room.is_full]
    module.exit_json(changed=False, host={**facts.to_dict(), "full": full})


if __name__ == "__main__":
    main()
