#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: Find snapshots of software volumes
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lists the snapshots that match, newest first, and chooses the one to use. It has exactly the architecture and
    operating system that are asked for, the smallest size, and is the newest of these.
  - What matches but cannot be used, and what is damaged, is listed with the reason.
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
options:
  provider:
    description: Where to look.
    type: str
    choices: [local]
    default: local
  store:
    description: Directory that holds the snapshots of the local provider. Need not exist.
    type: path
    default: /var/lib/petal
  fingerprint:
    description: Only snapshots of this fingerprint.
    type: str
  name:
    description: Only snapshots of this name.
    type: str
  snapshot_ids:
    description: Only these snapshots.
    type: list
    elements: str
    default: []
  os:
    description: Only snapshots for this operating system can be used.
    type: str
  architecture:
    description: Only snapshots for this architecture can be used.
    type: str
  size_gb:
    description: Largest size in GiB that can be used.
    type: int
seealso:
  - module: petal.hpc.local_snapshot
"""

EXAMPLES = r"""
- name: Look for a volume that was built before
  petal.hpc.snapshot_info:
    fingerprint: "{{ seed.fingerprint }}"
    os: debian12
    architecture: x86_64
    size_gb: 50
  register: found

- name: Show the choice
  ansible.builtin.debug:
    var: found.reason
"""

RETURN = r"""
snapshots:
  description: All that match and can be used, newest first. M(petal.hpc.local_snapshot) describes a record.
  returned: success
  type: list
  elements: dict
snapshot:
  description: The one to use; null when there is none, or when those that match have several fingerprints.
  returned: success
  type: dict
reason:
  description: Why this one, or why none, in one sentence.
  returned: success
  type: str
  sample: snap-0123456789abcdef0 is the only one that matches
passed_over:
  description: What matches or may match but cannot be used, each with C(snapshot_id) and C(reason).
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.select import Criteria, select


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "provider": {"type": "str", "choices": ["local"], "default": "local"},
            "store": {"type": "path", "default": "/var/lib/petal"},
            "fingerprint": {"type": "str"},
            "name": {"type": "str"},
            "snapshot_ids": {"type": "list", "elements": "str", "default": []},
            "os": {"type": "str"},
            "architecture": {"type": "str"},
            "size_gb": {"type": "int"},
        },
        supports_check_mode=True,
    )
    options = {key: value for key, value in module.params.items() if key not in ("provider", "store")}
    options["snapshot_ids"] = tuple(options["snapshot_ids"])
    try:
        snapshots, damaged = SnapshotStore(Host(module.run_command), module.params["store"]).scan()
    except PetalError as error:
        module.fail_json(msg=str(error))
    selection = select(snapshots, Criteria(**options), damaged)
    module.exit_json(changed=False, **selection.to_dict())


if __name__ == "__main__":
    main()
