#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_base
short_description: Leave nothing but Spack's packages on a volume that was made from a snapshot
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - A volume that begins with a snapshot need not have built what that has already. This module takes all else away, so
    that the rest is made as on an empty volume. M(petal.hpc.spack_environment) takes the packages over that Spack
    chooses again, and nothing else is done with them.
  - What is there is noted in C(.petal/base.json) on the volume, which stays there.
  - Runs where the volume is attached.
attributes:
  check_mode:
    description: Can run in check mode and say whether anything would be removed.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
options:
  path:
    description: Where the volume is mounted. Needed for V(cleared) and V(settled).
    type: path
  snapshot_id:
    description: The snapshot that it was made from. Needed for V(cleared) and V(settled).
    type: str
  device:
    description: Device of the volume. Needed for V(renewed).
    type: path
  volume_id:
    description: What the volume is called by who made it. Needed for V(renewed).
    type: str
  state:
    description:
      - V(cleared) takes away all but Spack's packages, once, and puts checkouts of Spack and its recipes aside in
        C(.petal/former), for O(petal.hpc.git_commit#module:former). Where that was interrupted, it is gone on with. A
        volume that cannot be cleared fails, and is of no use.
      - V(settled) takes away the packages that are not in Spack's database, once all that is wanted is installed.
      - V(renewed) gives its file system a UUID of its own, the same each time, where it is not mounted. Two that share
        one confuse a system that has both. Only superblocks are written.
    type: str
    choices: [cleared, settled, renewed]
    default: cleared
seealso:
  - module: petal.hpc.local_volume_base_info
  - module: petal.hpc.spack_environment
"""

EXAMPLES = r"""
- name: Tell it from the volume of the snapshot, before it is mounted
  petal.hpc.volume_base:
    state: renewed
    device: /dev/nvme1n1
    volume_id: vol-0123456789abcdef0

- name: Leave the packages
  petal.hpc.volume_base:
    path: /shared
    snapshot_id: snap-0123456789abcdef0

- name: Install what is wanted, of which much may be there
  petal.hpc.spack_environment:
    spack: /var/cache/petal/spack/bin/spack
    work_dir: /var/cache/petal/spack
    name: bio-cluster
    specs: [samtools, hdf5]
    base: /shared/.petal/base.json

- name: Remove the others
  petal.hpc.volume_base:
    path: /shared
    snapshot_id: snap-0123456789abcdef0
    state: settled
"""

RETURN = r"""
base:
  description: What the volume was made from.
  returned: with O(state=cleared) and O(state=settled)
  type: dict
  contains:
    snapshot_id:
      description: The snapshot.
      type: str
    name:
      description: Name of its cluster.
      type: str
    fingerprint:
      description: Its fingerprint.
      type: str
    created:
      description: When its volume was complete.
      type: str
    build_id:
      description: The build that made it.
      type: str
    manifest:
      description: The SHA-256 of its manifest.
      type: str
    packages:
      description: How many packages of Spack it had.
      type: int
removed:
  description: Directories of packages that were removed, or would be, below the root of Spack's store.
  returned: with O(state=settled)
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._base.volume_api import Base, renew
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_snapshot_id
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host


def main() -> None:
    """Arguments in, what was left out."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "snapshot_id": {"type": "str"},
            "device": {"type": "path"},
            "volume_id": {"type": "str"},
            "state": {"type": "str", "choices": ["cleared", "settled", "renewed"], "default": "cleared"},
        },
        required_if=[
            ("state", "cleared", ["path", "snapshot_id"]),
            ("state", "settled", ["path", "snapshot_id"]),
            ("state", "renewed", ["device", "volume_id"]),
        ],
        supports_check_mode=True,
    )
    given, host = module.params, Host(module.run_command)
    try:
        if given["state"] == "renewed":
            module.exit_json(changed=renew(host, Path(given["device"]), given["volume_id"], module.check_mode))
        base = Base(host, Path(given["path"]), check_snapshot_id(given["snapshot_id"]))
        told = {}
        if given["state"] == "settled":
            told["removed"], changed = base.settle(module.check_mode)
        else:
            _record, changed = base.clear(module.check_mode)
        module.exit_json(changed=changed, base=base.told(), **told)
    except PetalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
