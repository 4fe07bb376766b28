#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_snapshot_archive
short_description: Snapshots of the local provider as one file
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Exports a snapshot of a store into one file, or imports it from there into another store.
  - The file is a tar of C(SHA256), C(snapshot.json) and C(volume.tar.zst), in this order. After C(tar --extract),
    C(sha256sum --check SHA256) says whether it is whole.
  - It is written under a temporary name and renamed. What is imported appears in the store when its digests were found
    right, not before. A file that is anything else than such an export is refused.
  - A snapshot that the audit calls private (see M(petal.hpc.volume_audit)), or that has none, is not exported.
attributes:
  check_mode:
    description: Can run in check mode and say what would be done, without changing anything.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  state:
    description:
      - V(exported) writes the snapshot O(snapshot_id) into O(file), unless it is there. A file that holds something
        else is left as it is.
      - V(imported) puts the snapshot of O(file) into the store, unless it is there.
    type: str
    choices: [exported, imported]
    required: true
  snapshot_id:
    description: Snapshot to export.
    type: str
  file:
    description: The file. Its directory has to be there.
    type: path
    required: true
  unaudited:
    description: Somebody has looked at the snapshot and says that it may be exported, whatever the audit says.
    type: bool
    default: false
seealso:
  - module: petal.hpc.local_snapshot
  - module: petal.hpc.volume_audit
extends_documentation_fragment: [petal.hpc.store, petal.hpc.trust]
"""

EXAMPLES = r"""
- name: Write a snapshot into a file
  petal.hpc.local_snapshot_archive:
    state: exported
    snapshot_id: snap-0123456789abcdef0
    file: /media/stick/quickstart.petal.tar

- name: Put it into the store of another host
  petal.hpc.local_snapshot_archive:
    state: imported
    file: /media/stick/quickstart.petal.tar
"""

RETURN = r"""
snapshot:
  description: Its record. M(petal.hpc.local_snapshot) describes it.
  returned: success
  type: dict
file:
  description: The file.
  returned: success
  type: str
trusted:
  description: Why it is trusted, as a clause.
  returned: success, with O(state=imported)
  type: str
  sample: signed by the software group (SHA256:djR5KLsP/hUVPu3LXRcHx7zOUS3AHlwWf8ouAsEaMrQ)
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.file import SnapshotFile
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
            "snapshot_id": {"type": "str"},
            "file": {"type": "path", "required": True},
            "unaudited": {"type": "bool", "default": False},
            "trust": {"type": "dict", "default": {}},
        },
        required_if=[("state", "exported", ["snapshot_id"])],
        supports_check_mode=True,
    )
    given, told = module.params, {}
    try:
        host = Host(module.run_command)
        file = SnapshotFile(host, SnapshotStore(host, given["store"]), given["file"])
        if given["state"] == "exported":
            snapshot, changed = file.write(given["snapshot_id"], given["unaudited"], module.check_mode)
        else:
            snapshot, verdict, changed = file.read(Policy.from_mapping(given["trust"]), module.check_mode)
            told = {"trusted": verdict.reason}
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, snapshot=snapshot.to_dict(), file=given["file"], **told)


if __name__ == "__main__":
    main()
