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
  - With O(sources) it looks further, in the order of their priority, and the first that has a match wins. That takes at
    most one more call for all accounts of the organization, and one for all that a registry names.
  - Where nothing of it is on AWS, M(petal.hpc.local_snapshot_info) looks, which needs nothing but ansible-core.
options:
  provider:
    description: Where to look.
    type: str
    choices: [local, aws]
    default: local
  trusted_accounts:
    description:
      - Whose snapshots may be used on a registry's word, as far as O(trust) has them among its C(accounts). AWS has to
        confirm the owner and the size, and the owner's Description has to bear the fingerprint.
    type: list
    elements: str
    default: []
  shared:
    description:
      - With the provider V(aws) and without O(sources), tell also with whom the own snapshots are shared, which takes a
        call for each, and which ones other accounts share with this one. Nobody vouches for those.
    type: bool
    default: false
  registry_size_gb:
    description: Largest size in GiB that is used on a registry's word. Of what is vouched for by an account, any is.
    type: int
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.lookup
  - petal.hpc.registry
  - petal.hpc.trust
  - petal.hpc.aws
requirements:
  - boto3 and botocore for V(aws) and C(s3://), and amazon.aws on the controller.
seealso:
  - module: petal.hpc.local_snapshot
  - module: petal.hpc.local_snapshot_info
  - module: petal.hpc.registry_info
"""

EXAMPLES = r"""
- name: Look for a volume that was built before
  petal.hpc.snapshot_info:
    fingerprint: "{{ seed.fingerprint }}"
    os: debian12
    architecture: x86_64
    size_gb: 50
  register: found

- name: Look in the own account, then in a partner's, then in the registry
  petal.hpc.snapshot_info:
    provider: aws
    region: us-east-1
    fingerprint: "{{ seed.fingerprint }}"
    os: alinux2023
    architecture: x86_64
    size_gb: 50
    sources:
      - {type: local, priority: 1}
      - {type: organization, priority: 2, account: "123456789012"}
      - {type: official, priority: 3, enabled: true}
    registry_url: https://registry.example.org/petal/
    trusted_accounts: ["999888777666"]
    trust:
      accounts: ["123456789012", "999888777666"]

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
    - Those on AWS have the kind of source as C(source), V(local) for the own account, the account as C(owner),
      C(progress) in percent, C(message) (why AWS could not finish it), C(encrypted), C(kms_key_id) and all tags. Their
      C(stored_bytes) is the size of everything that was written to the volume, where AWS tells.
    - Those of other accounts have no tags, and the C(os) and C(architecture) that were asked for with a fingerprint,
      which decides them.
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
  description:
    - What matches or may match but cannot be used, each with C(snapshot_id) and C(reason), and C(source) where
      O(sources) were given.
  returned: success
  type: list
  elements: dict
source:
  description: The source of the one to use; null when there is none.
  returned: with O(sources)
  type: dict
  sample: {account: "123456789012", enabled: true, priority: 2, type: organization}
sources:
  description: Each source in its order, whether it was C(asked), how many it has (C(found)), and the C(reason).
  returned: with O(sources)
  type: list
  elements: dict
shared:
  description:
    - C(with) has C(accounts) and C(public) by the id of each own snapshot. C(others) are the records of what
      other accounts share with this one, with the source V(shared). C(left_out) counts those beyond 500 of each.
  returned: with O(shared)
  type: dict
progress:
  description:
    - How far the snapshot is that was asked for by its id, as C(done) of C(total) percent and C(item), its id.
    - Null when O(states) has no V(pending), when several ids or none were asked for, when it was not found, and when
      it is in error.
  returned: success
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.lookup import find_in_stores
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lookup.ebs_api import find_in_sources
from ansible_collections.petal.hpc.plugins.module_utils._lookup.options import ARGUMENTS as WHICH
from ansible_collections.petal.hpc.plugins.module_utils._lookup.options import criteria_of
from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import select
from ansible_collections.petal.hpc.plugins.module_utils._registry.options import ARGUMENTS
from ansible_collections.petal.hpc.plugins.module_utils._sharing.listing_api import with_whom
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots


def main() -> None:
    module = AnsibleAWSModule(
        # A store in a directory works where there is no boto3, whatever else is in a bucket.
        check_boto3=False,
        argument_spec={
            "provider": {"type": "str", "choices": ["local", "aws"], "default": "local"},
            **WHICH,
            "trusted_accounts": {"type": "list", "elements": "str", "default": []},
            "shared": {"type": "bool", "default": False},
            "trust": {"type": "dict", "default": {}},
            "registry_size_gb": {"type": "int"},
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    criteria = criteria_of(module.params)
    try:
        if module.params["sources"] is not None:
            on_aws = module.params["provider"] == "aws"
            host = Host(module.run_command)
            found = find_in_sources(module, criteria) if on_aws else find_in_stores(module, host, criteria)
            module.exit_json(changed=False, progress=found.selection().progress(criteria), **found.to_dict())
        told = {}
        if module.params["provider"] == "aws":
            snapshots, damaged = EbsSnapshots(module).scan(criteria)
            told = {"shared": with_whom(module, snapshots, criteria)} if module.params["shared"] else {}
        else:
            snapshots, damaged = SnapshotStore(Host(module.run_command), module.params["store"]).scan()
    except PetalError as error:
        module.fail_json(msg=str(error))
    selection = select(snapshots, criteria, damaged)
    module.exit_json(changed=False, progress=selection.progress(criteria), **selection.to_dict(), **told)


if __name__ == "__main__":
    main()
