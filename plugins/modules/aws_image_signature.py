#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_image_signature
short_description: Sign a machine image that carries a seed's software
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lets a key sign an image of the own account, as M(petal.hpc.aws_snapshot_signature) a snapshot. What is signed are
    its id, its owner, its fingerprint and the digest of what is in it; the signature is in its tags.
  - A key that has signed it signs it no more.
attributes:
  check_mode:
    description: Can run in check mode and say whether the key has still to sign, without signing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  image_id:
    description: Image of the own account to sign.
    type: str
    required: true
  key_file:
    description:
      - File of the private key, on the host that runs the module; it must ask for no passphrase. Or that of a public
        key, whose private one an agent has (C(SSH_AUTH_SOCK)).
    type: path
  kms_key_id:
    description: A key in AWS KMS in its place, by id, ARN or alias, of kind C(ECC_NIST_P256) for C(SIGN_VERIFY).
    type: str
  original:
    description:
      - The image of which this one is a copy. It has to bear a signature of the same key; so a copy gets no word that
        the original does not have.
    type: dict
    suboptions:
      region:
        description: Its Region.
        type: str
        required: true
      image_id:
        description: Its id.
        type: str
        required: true
seealso:
  - module: petal.hpc.aws_build_image
  - module: petal.hpc.aws_snapshot_signature
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
"""

EXAMPLES = r"""
- name: Sign what was built with a key in KMS
  petal.hpc.aws_image_signature:
    region: us-east-1
    image_id: ami-0123456789abcdef0
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
from ansible_collections.petal.hpc.plugins.module_utils._image.signing_api import check_original, sign
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import KeyFile
from ansible_collections.petal.hpc.plugins.module_utils._trust.kms_api import KmsKey


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "image_id": {"type": "str", "required": True},
            "key_file": {"type": "path", "no_log": False},
            "kms_key_id": {"type": "str", "no_log": False},
            "original": {
                "type": "dict",
                "options": {
                    "region": {"type": "str", "required": True},
                    "image_id": {"type": "str", "required": True},
                },
            },
        },
        required_one_of=[("key_file", "kms_key_id")],
        mutually_exclusive=[("key_file", "kms_key_id")],
        supports_check_mode=True,
    )
    given = module.params
    try:
        host = Host(module.run_command)
        key = KmsKey(module, given["kms_key_id"]) if given["kms_key_id"] else KeyFile(host, given["key_file"])
        if first := given["original"]:
            check_original(module, host, first["region"], first["image_id"], key)
        changed = sign(module, host, given["image_id"], key, module.check_mode)
        fingerprint = key.fingerprint
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, key=fingerprint)


if __name__ == "__main__":
    main()
