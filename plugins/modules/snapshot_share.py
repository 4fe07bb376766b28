#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_share
short_description: Share a snapshot of a software volume on AWS, and take it back
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lets other accounts, or everybody, make volumes of a snapshot of the own account in one Region, and takes that back.
  - Looks at who may use it first, and changes only what differs. Accounts can be added to and removed from those that
    there are, also beside everybody, which M(amazon.aws.ec2_snapshot) does not do.
  - Before anything is changed it is checked that the snapshot is complete, that an audit of the volume found nothing
    against it (its tag C(petal:sharing)), that its key can be used by the others, that it has no product codes, and
    that the account does not block public access. What stands against it is said with the way out.
  - To take it back nothing has to hold but that it is the account's own.
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Looks and checks as otherwise, and changes nothing.
    support: full
  diff_mode:
    description: Shows who may use it, before and after.
    support: full
options:
  state:
    description:
      - V(present) gives it to O(accounts), and to everybody with O(public).
      - V(absent) takes it back from O(accounts), and from everybody with O(public). Without either it is taken back
        from all.
    type: str
    choices: [present, absent]
    default: present
  snapshot_id:
    description: The snapshot.
    type: str
  fingerprint:
    description:
      - The fingerprint of the snapshot. With O(state=present) it is the one that a look-up takes, the newest of the
        smallest. With O(state=absent) these are all that have it.
    type: str
  accounts:
    description: Accounts, twelve digits in quotes.
    type: list
    elements: str
    default: []
  accounts_file:
    description:
      - A file with accounts, one in each line, a JSON list, or what C(aws organizations list-accounts) prints.
      - Of an organization those that are active count. The own account may be among them.
    type: path
  public:
    description: Whether everybody may use it. Without it that stays as it is.
    type: bool
  purge:
    description: With O(state=present) take it back from all that are not named, everybody included.
    type: bool
    default: false
  unaudited:
    description:
      - Share a snapshot with accounts although it has no tag C(petal:sharing). Look for licences and private files
        yourself before. It is not made public in any case.
    type: bool
    default: false
notes:
  - Copies in other Regions are snapshots of their own.
  - An account that has made volumes or copies keeps them when the snapshot is taken back.
seealso:
  - module: petal.hpc.snapshot_copy
  - module: petal.hpc.snapshot_info
"""

EXAMPLES = r"""
- name: Share with two accounts
  petal.hpc.snapshot_share:
    region: us-east-1
    snapshot_id: snap-0123456789abcdef0
    accounts: ["123456789012", "210987654321"]

- name: Share with the organization as it is now, and with nobody else
  petal.hpc.snapshot_share:
    region: us-east-1
    fingerprint: "{{ seed.fingerprint }}"
    accounts_file: accounts.json
    purge: true

- name: Make it public
  petal.hpc.snapshot_share:
    region: us-east-1
    snapshot_id: snap-0123456789abcdef0
    public: true

- name: Take it back from all
  petal.hpc.snapshot_share:
    region: us-east-1
    fingerprint: "{{ seed.fingerprint }}"
    state: absent
"""

RETURN = r"""
snapshots:
  description: The snapshots, and who may use each now; in check mode, who would.
  returned: success
  type: list
  elements: dict
  contains:
    snapshot_id:
      description: Its id.
      type: str
    accounts:
      description: The accounts that may use it, beside its owner.
      type: list
      elements: str
    public:
      description: Whether everybody may.
      type: bool
    changed:
      description: Whether that was changed.
      type: bool
owner:
  description: The account that owns it, which others name as a source; null with O(state=absent).
  returned: success
  type: str
region:
  description: The Region.
  returned: success
  type: str
  sample: us-east-1
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._sharing.api import Sharing


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "snapshot_id": {"type": "str"},
            "fingerprint": {"type": "str"},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "accounts_file": {"type": "path"},
            "public": {"type": "bool"},
            "purge": {"type": "bool", "default": False},
            "unaudited": {"type": "bool", "default": False},
        },
        required_one_of=[("snapshot_id", "fingerprint")],
        supports_check_mode=True,
    )
    try:
        result = Sharing(module).run(module.params, module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
