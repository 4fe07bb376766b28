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
    operating system that are asked for, the smallest size, and is the newest of these. It is complete.
  - What matches but cannot be used, and what is damaged, is listed with the reason.
  - On AWS these are the own account's snapshots in one Region that have the tag C(petal:fingerprint). It takes one
    call of the API for each thousand, and no others.
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
    choices: [local, aws]
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
  states:
    description: Only snapshots in these states are listed. The one to use is complete in any case.
    type: list
    elements: str
    choices: [pending, completed, error]
    default: [completed]
  build_id:
    description: Only snapshots that this build made, which is their tag C(petal:build-id).
    type: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
requirements:
  - boto3 and botocore for provider V(aws), see R(the amazon.aws collection,ansible_collections.amazon.aws).
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

- name: Wait for a snapshot on AWS
  petal.hpc.snapshot_info:
    provider: aws
    region: us-east-1
    snapshot_ids: ["{{ begun.snapshot_id }}"]
    states: [pending, completed, error]
  register: waited
  until: waited.snapshots | map(attribute='state') | first | default('pending') != 'pending'
  retries: 240
  delay: 15

- name: Show the choice
  ansible.builtin.debug:
    var: found.reason
"""

RETURN = r"""
snapshots:
  description:
    - All that match, fit and are in one of O(states), newest first. M(petal.hpc.local_snapshot) describes a record.
    - Those on AWS have C(source) V(local), which is the own account, the account as C(owner), C(progress) in percent,
      C(message) (why AWS could not finish it), C(encrypted), C(kms_key_id) and all tags. Their C(stored_bytes) is the
      size of everything that was written to the volume, where AWS tells.
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
progress:
  description:
    - How far the snapshot is that was asked for by its id, as C(done) of C(total) percent and C(item), its id.
    - Null when O(states) has no V(pending), when several ids or none were asked for, when it was not found, and when
      it is in error.
  returned: success
  type: dict
"""

from dataclasses import fields

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.select import Criteria, select


def main() -> None:
    module = AnsibleAWSModule(
        # The local provider works where there is no boto3.
        check_boto3=False,
        argument_spec={
            "provider": {"type": "str", "choices": ["local", "aws"], "default": "local"},
            "store": {"type": "path", "default": "/var/lib/petal"},
            "fingerprint": {"type": "str"},
            "name": {"type": "str"},
            "snapshot_ids": {"type": "list", "elements": "str", "default": []},
            "os": {"type": "str"},
            "architecture": {"type": "str"},
            "size_gb": {"type": "int"},
            "states": {
                "type": "list",
                "elements": "str",
                "choices": ["pending", "completed", "error"],
                "default": ["completed"],
            },
            "build_id": {"type": "str"},
        },
        supports_check_mode=True,
    )
    options = {field.name: module.params[field.name] for field in fields(Criteria)}
    for several in ("snapshot_ids", "states"):
        options[several] = tuple(options[several])
    criteria = Criteria(**options)
    try:
        if module.params["provider"] == "aws":
            snapshots, damaged = EbsSnapshots(module).scan(criteria)
        else:
            snapshots, damaged = SnapshotStore(Host(module.run_command), module.params["store"]).scan()
    except PetalError as error:
        module.fail_json(msg=str(error))
    selection = select(snapshots, criteria, damaged)
    module.exit_json(changed=False, progress=selection.progress(criteria), **selection.to_dict())


if __name__ == "__main__":
    main()
