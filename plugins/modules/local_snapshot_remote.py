#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_snapshot_remote
short_description: Snapshots of the local provider in stores that others use
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Fetches a snapshot from a shared directory, or from a bucket in S3, into a store. Publishes one there, or takes it
    back.
  - What is fetched appears in the store when its digest was found right, not before. What is published appears there
    when all of it is there.
  - A snapshot that the audit calls private (see M(petal.hpc.volume_audit)) is not published.
attributes:
  check_mode:
    description: Can run in check mode and say what would be done, without changing anything.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  remote:
    description: The other store, an absolute directory such as one on NFS, or C(s3://BUCKET/PREFIX).
    type: str
    required: true
  state:
    description:
      - V(fetched) puts the snapshot O(snapshot_id) of the other store into O(store).
      - V(published) puts the one of O(store) into the other store.
      - V(withdrawn) takes O(snapshot_id), or all of O(fingerprint), out of the other store. Who has fetched it keeps
        it.
    type: str
    choices: [fetched, published, withdrawn]
    required: true
  snapshot_id:
    description: The snapshot.
    type: str
  fingerprint:
    description: Only a snapshot of this fingerprint.
    type: str
  unaudited:
    description: Somebody has looked at the snapshot, which no audit has, and says that it may be published.
    type: bool
    default: false
extends_documentation_fragment:
  - petal.hpc.store
  - petal.hpc.trust
  - petal.hpc.aws
requirements:
  - boto3 and botocore for a bucket, and amazon.aws on the controller.
seealso:
  - module: petal.hpc.local_snapshot
  - module: petal.hpc.snapshot_info
"""

EXAMPLES = r"""
- name: Offer a snapshot to other sites
  petal.hpc.local_snapshot_remote:
    state: published
    snapshot_id: snap-0123456789abcdef0
    remote: s3://lab-software/petal

- name: Take one of theirs
  petal.hpc.local_snapshot_remote:
    state: fetched
    snapshot_id: snap-0123456789abcdef0
    remote: /net/software/petal
"""

RETURN = r"""
snapshot:
  description: The record of what was fetched or published. M(petal.hpc.local_snapshot) describes it.
  returned: success and O(state) is V(fetched) or V(published)
  type: dict
trusted:
  description: Why it is trusted, as a clause.
  returned: success and O(state=fetched)
  type: str
  sample: the site trusts store /net/software/petal
withdrawn:
  description: Ids of the snapshots that were taken back.
  returned: success and O(state=withdrawn)
  type: list
  elements: str
"""

from ansible_collections.petal.hpc.plugins.module_utils._aws.module.api import local_module
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.stores import remote_store
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.transfer import Transfer
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


def main() -> None:
    module = local_module(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "remote": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["fetched", "published", "withdrawn"], "required": True},
            "snapshot_id": {"type": "str"},
            "fingerprint": {"type": "str"},
            "unaudited": {"type": "bool", "default": False},
            "trust": {"type": "dict", "default": {}},
        },
        required_if=[
            ("state", "fetched", ["snapshot_id"]),
            ("state", "published", ["snapshot_id"]),
            ("state", "withdrawn", ["snapshot_id", "fingerprint"], True),
        ],
        supports_check_mode=True,
    )
    given = module.params
    told: dict[str, str] = {}
    wanted, fingerprint, check = given["snapshot_id"], given["fingerprint"], module.check_mode
    try:
        host = Host(module.run_command)
        other = remote_store(module, given["remote"])
        transfer = Transfer(SnapshotStore(host, given["store"]), other, given["remote"])
        if given["state"] == "withdrawn":
            withdrawn = transfer.withdraw(wanted, fingerprint, check)
            module.exit_json(changed=bool(withdrawn), withdrawn=withdrawn)
        if given["state"] == "fetched":
            policy = Policy.from_mapping(given["trust"])
            snapshot, verdict, changed = transfer.fetch(wanted, fingerprint, policy, check)
            told = {"trusted": verdict.reason}
        else:
            snapshot, changed = transfer.publish(wanted, given["unaudited"], check)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, snapshot=snapshot.to_dict(), **told)


if __name__ == "__main__":
    main()
