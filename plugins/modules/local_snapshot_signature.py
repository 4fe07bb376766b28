#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_snapshot_signature
short_description: Sign snapshots of the local provider
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Puts a signature beside the record of a snapshot, whose very bytes are signed. The record holds the digest of the
    archive, so that the signature stands for every byte of the volume.
  - Signed is with C(ssh-keygen -Y sign) in the namespace C(snapshot@petal.hpc). Several may sign one snapshot.
requirements:
  - OpenSSH 8.2 or later on the host
attributes:
  check_mode:
    description: Can run in check mode and say whether the key has still to sign, without signing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  snapshot_id:
    description: Snapshot to sign. Without one the key is tried, and nothing is signed.
    type: str
  key_file:
    description:
      - File of the private key, on the host with the store; it must ask for no passphrase. Or that of a public key,
        whose private one an agent has (C(SSH_AUTH_SOCK)).
    type: path
    required: true
seealso:
  - module: petal.hpc.local_snapshot
extends_documentation_fragment: [petal.hpc.store]
"""

EXAMPLES = r"""
- name: Sign what was built
  petal.hpc.local_snapshot_signature:
    snapshot_id: snap-0123456789abcdef0
    key_file: /etc/petal/signing-key

- name: See before a build that the key can sign
  petal.hpc.local_snapshot_signature:
    key_file: /etc/petal/signing-key
"""

RETURN = r"""
key:
  description: Fingerprint of the key, as sites name it among their signers.
  returned: success
  type: str
  sample: SHA256:djR5KLsP/hUVPu3LXRcHx7zOUS3AHlwWf8ouAsEaMrQ
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import fingerprint, sign


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "snapshot_id": {"type": "str"},
            "key_file": {"type": "path", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        host = Host(module.run_command)
        key, changed = fingerprint(host, given["key_file"]), False
        if given["snapshot_id"] is None:
            sign(host, b"", given["key_file"])
        else:
            store = SnapshotStore(host, given["store"])
            _parcel, changed = store.sign(given["snapshot_id"], given["key_file"], module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, key=key)


if __name__ == "__main__":
    main()
