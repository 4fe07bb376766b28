#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_build_snapshot
short_description: Make the one EBS snapshot of a build
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Makes the snapshot of a build's volume, or finds the one that was begun, and waits until it is completed and AWS
    lists it. One that AWS ends in error is made once more. There is never more than one.
  - AWS takes no client token for snapshots, and may not list for minutes what it has made. So the volume gets the tag
    C(petal:snapshot) before the call, and the id as soon as there is one.
  - To be called by the one who holds the lock of M(petal.hpc.aws_build_lock).
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Has no check mode.
    support: none
  diff_mode:
    description: Shows no differences.
    support: none
options:
  state:
    description:
      - V(present) gives a completed snapshot.
      - V(begun) only says which one the build has begun, and deletes those that AWS has given up.
    type: str
    choices: [present, begun]
    default: present
  name:
    description: Name of what is built, for messages.
    type: str
    required: true
  resource:
    description: Name of the volume of the build.
    type: str
    required: true
  fingerprint:
    description: Fingerprint of the seed.
    type: str
    required: true
  build_id:
    description: Id of the build.
    type: str
    required: true
  volume_id:
    description: The volume. Without it only what was begun is waited for.
    type: str
  description:
    description: Description of the snapshot.
    type: str
    default: ""
  tags:
    description: Tags of the snapshot.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait until it is completed.
    type: int
    default: 14400
  patience:
    description: Seconds that AWS may take to show what it has made.
    type: int
    default: 300
  poll_interval:
    description: The most seconds between two looks.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Make the snapshot
  petal.hpc.aws_build_snapshot:
    region: eu-central-1
    name: bio
    resource: "{{ build.lock.name }}"
    fingerprint: "{{ seed.fingerprint }}"
    build_id: "{{ build.lock.build_id }}"
    volume_id: vol-0123456789abcdef0
    description: "petal.hpc bio {{ seed.fingerprint }}"
    tags:
      "petal:fingerprint": "{{ seed.fingerprint }}"
      "petal:build-id": "{{ build.lock.build_id }}"
"""

RETURN = r"""
snapshot_id:
  description: Its id; empty with O(state=begun) when none was begun.
  returned: success
  type: str
snapshot:
  description: The snapshot, as M(petal.hpc.snapshot_info) returns it; null with O(state=begun).
  returned: success
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.making.api import BuildSnapshot, BuildSnapshotRequest


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "begun"], "default": "present"},
            "name": {"type": "str", "required": True},
            "resource": {"type": "str", "required": True},
            "fingerprint": {"type": "str", "required": True},
            "build_id": {"type": "str", "required": True},
            "volume_id": {"type": "str"},
            "description": {"type": "str", "default": ""},
            "tags": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 14400},
            "patience": {"type": "int", "default": 300},
            "poll_interval": {"type": "int", "default": 5},
        },
    )
    p = module.params
    quick = ec2_client(module, retries={"total_max_attempts": 1})
    snapshots = BuildSnapshot(ec2_client(module), quick, module.region)
    wanted = BuildSnapshotRequest(
        fingerprint=p["fingerprint"],
        build_id=p["build_id"],
        name=p["name"],
        resource=p["resource"],
        tags={str(key): str(value) for key, value in p["tags"].items()},
        volume_id=p["volume_id"],
        description=p["description"],
        timeout=p["timeout"],
        patience=p["patience"],
        poll=p["poll_interval"],
    )
    try:
        result = snapshots.present(wanted) if p["state"] == "present" else snapshots.found(wanted)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
