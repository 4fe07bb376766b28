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
  - boto3 and botocore for a key in KMS, and amazon.aws on the controller.
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
  kms_key_id:
    description:
      - A key in AWS KMS in its place, by id, ARN or alias, of kind C(ECC_NIST_P256) for C(SIGN_VERIFY). Its signatures
        are in the form of OpenSSH's, too, and are verified without AWS.
    type: str
seealso:
  - module: petal.hpc.local_snapshot
extends_documentation_fragment:
  - petal.hpc.store
  - petal.hpc.aws
"""

EXAMPLES = r"""
- name: Sign what was built
  petal.hpc.local_snapshot_signature:
    snapshot_id: snap-0123456789abcdef0
    key_file: /etc/petal/signing-key

- name: Sign it with a key in KMS
  petal.hpc.local_snapshot_signature:
    snapshot_id: snap-0123456789abcdef0
    kms_key_id: alias/petal-signing
    region: us-east-1

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

from ansible_collections.petal.hpc.plugins.module_utils._aws.module.api import local_module
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import KeyFile
from ansible_collections.petal.hpc.plugins.module_utils._trust.kms_api import KmsKey
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import NAMESPACE


def main() -> None:
    module = local_module(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "snapshot_id": {"type": "str"},
            "key_file": {"type": "path", "no_log": False},
            "kms_key_id": {"type": "str", "no_log": False},
        },
        required_one_of=[("key_file", "kms_key_id")],
        mutually_exclusive=[("key_file", "kms_key_id")],
        supports_check_mode=True,
    )
    given, changed = module.params, False
    try:
        host = Host(module.run_command)
        key = KmsKey(module, given["kms_key_id"]) if given["kms_key_id"] else KeyFile(host, given["key_file"])
        if given["snapshot_id"] is None:
            key.sign(b"", NAMESPACE)
        else:
            store = SnapshotStore(host, given["store"])
            _parcel, changed = store.sign(given["snapshot_id"], key, module.check_mode)
        fingerprint = key.fingerprint
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, key=fingerprint)


if __name__ == "__main__":
    main()
