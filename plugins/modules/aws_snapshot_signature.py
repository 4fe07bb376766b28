#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_snapshot_signature
short_description: Sign EBS snapshots of software volumes
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Signs that this snapshot of this account is that build, by its fingerprint and the digest of the documents on it,
    and puts the signature into tags of the snapshot. AWS says who owns it, and never lets its blocks change.
  - Signed is in the form of OpenSSH (C(ssh-keygen -Y)) in the namespace C(ebs-snapshot@petal.hpc). Several may sign.
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
    description: Snapshot of the own account to sign. Without one the key is tried, and nothing is signed.
    type: str
  key_file:
    description:
      - File of the private key, on the host that runs the module; it must ask for no passphrase. Or that of a public
        key, whose private one an agent has (C(SSH_AUTH_SOCK)).
    type: path
  kms_key_id:
    description:
      - A key in AWS KMS in its place, by id, ARN or alias, of kind C(ECC_NIST_P256) for C(SIGN_VERIFY). Its signatures
        are verified without AWS, too.
    type: str
  original:
    description:
      - The snapshot of which this one is a copy. It has to bear a signature of the same key; so a copy gets no word
        that the original does not have.
    type: dict
    suboptions:
      region:
        description: Its Region.
        type: str
        required: true
      snapshot_id:
        description: Its id.
        type: str
        required: true
seealso:
  - module: petal.hpc.aws_build_snapshot
  - module: petal.hpc.local_snapshot_signature
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
"""

EXAMPLES = r"""
- name: Sign what was built with a key in KMS
  petal.hpc.aws_snapshot_signature:
    region: us-east-1
    snapshot_id: snap-0123456789abcdef0
    kms_key_id: alias/petal-signing
"""

RETURN = r"""
key:
  description: Fingerprint of the key, as sites name it among their signers.
  returned: success
  type: str
  sample: SHA256:djR5KLsP/hUVPu3LXRcHx7zOUS3AHlwWf8ouAsEaMrQ
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.signing_api import check_original, sign
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import KeyFile
from ansible_collections.petal.hpc.plugins.module_utils._trust.ebs import NAMESPACE
from ansible_collections.petal.hpc.plugins.module_utils._trust.kms_api import KmsKey


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "snapshot_id": {"type": "str"},
            "key_file": {"type": "path", "no_log": False},
            "kms_key_id": {"type": "str", "no_log": False},
            "original": {
                "type": "dict",
                "options": {
                    "region": {"type": "str", "required": True},
                    "snapshot_id": {"type": "str", "required": True},
                },
            },
        },
        required_by={"original": ["snapshot_id"]},
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
            if first := given["original"]:
                check_original(module, host, first["region"], first["snapshot_id"], key)
            changed = sign(module, host, given["snapshot_id"], key, module.check_mode)
        fingerprint = key.fingerprint
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, key=fingerprint)


if __name__ == "__main__":
    main()
