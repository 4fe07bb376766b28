#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_snapshot_trust_info
short_description: Tell by whose word an EBS snapshot of a software volume may be used
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Reads the tags of a snapshot of this account and verifies the signatures in them. It takes one call of the API, and
    changes nothing. What is on the volume is compared with what is signed by the nodes that have it.
requirements:
  - OpenSSH 8.2 or later on the host
attributes:
  check_mode:
    description: Can run in check mode, and does the same.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  snapshot_id:
    description: Snapshot of the own account to look at.
    type: str
    required: true
  fingerprints:
    description: Fingerprints of which it has to bear one, as M(petal.hpc.seed_info) returns them.
    type: list
    elements: str
    default: []
seealso:
  - module: petal.hpc.aws_snapshot_signature
  - module: petal.hpc.local_snapshot_trust_info
extends_documentation_fragment:
  - petal.hpc.trust
  - petal.hpc.aws
  - petal.hpc.aws.boto3
"""

EXAMPLES = r"""
- name: Ask who has signed it
  petal.hpc.aws_snapshot_trust_info:
    region: us-east-1
    snapshot_id: snap-0123456789abcdef0
    fingerprints: ["{{ seed.fingerprint }}"]
    trust:
      signers:
        - name: software group
          key: SHA256:djR5KLsP/hUVPu3LXRcHx7zOUS3AHlwWf8ouAsEaMrQ
  register: found
"""

RETURN = r"""
snapshot:
  description: Its record, as M(petal.hpc.snapshot_info) returns it.
  returned: success
  type: dict
verified:
  description: Whether there is no problem.
  returned: success
  type: bool
problems:
  description: What keeps it from being what it says, a sentence each.
  returned: success
  type: list
  elements: str
trusted:
  description: Whether the site trusts it.
  returned: success
  type: bool
reason:
  description: Why, or why not, as a clause.
  returned: success
  type: str
  sample: signed by software group (SHA256:djR5KLsP/hUVPu3LXRcHx7zOUS3AHlwWf8ouAsEaMrQ)
imported:
  description: Empty; all snapshots of the own account were made here.
  returned: success
  type: str
keys:
  description: Fingerprints of the keys whose signatures are right, whether the site lists them or not.
  returned: success
  type: list
  elements: str
provenance:
  description: Null. What is said of the build is on the volume, as C(.petal/provenance.json).
  returned: success
  type: dict
report:
  description: All of it in lines for people.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._provenance.ebs_api import verify
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "snapshot_id": {"type": "str", "required": True},
            "fingerprints": {"type": "list", "elements": "str", "default": []},
            "trust": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        policy = Policy.from_mapping(given["trust"])
        host = Host(module.run_command)
        seen = verify(module, host, given["snapshot_id"], policy, given["fingerprints"])
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, report=seen.report(policy), **seen.to_dict())


if __name__ == "__main__":
    main()
