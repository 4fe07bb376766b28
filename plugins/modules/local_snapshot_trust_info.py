#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_snapshot_trust_info
short_description: Tell whether a snapshot of the local provider is what it says, and by whose word
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Reads the archive of a snapshot and compares its digest with the record, verifies the signatures of record and
    provenance, and reads what the provenance says of the build. It needs no network, and changes nothing.
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
    description: Snapshot to look at.
    type: str
    required: true
  fingerprints:
    description: Fingerprints of which it has to bear one, as M(petal.hpc.seed_info) returns them.
    type: list
    elements: str
    default: []
seealso:
  - module: petal.hpc.local_snapshot_signature
  - module: petal.hpc.seed_info
extends_documentation_fragment: [petal.hpc.store, petal.hpc.trust]
"""

EXAMPLES = r"""
- name: Ask who built it
  petal.hpc.local_snapshot_trust_info:
    snapshot_id: snap-0123456789abcdef0
    fingerprints: ["{{ seed.fingerprint }}"]
    trust:
      signers:
        - name: software group
          key: SHA256:djR5KLsP/hUVPu3LXRcHx7zOUS3AHlwWf8ouAsEaMrQ
  register: found

- name: Use nothing else
  ansible.builtin.assert:
    that: found.verified
    fail_msg: "{{ found.problems | join(' ') }}"
"""

RETURN = r"""
snapshot:
  description: Its record. M(petal.hpc.local_snapshot) describes it.
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
  description: Where it came from, as a clause; empty for what was built in the store.
  returned: success
  type: str
keys:
  description: Fingerprints of the keys whose signatures of the record are right, whether the site lists them or not.
  returned: success
  type: list
  elements: str
provenance:
  description:
    - What is said of its build, with C(builder), C(build_id), C(started), C(finished), C(commits), C(locks),
      C(images), C(fetched), C(compiled), C(cached) and the C(caches) and C(cache_signers) of that, and C(keys) whose
      signatures of it are right. Null where nothing is said, or of something else.
  returned: success
  type: dict
report:
  description: All of it in lines for people.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._provenance.api import verify
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "snapshot_id": {"type": "str", "required": True},
            "fingerprints": {"type": "list", "elements": "str", "default": []},
            "trust": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        host, policy = Host(module.run_command), Policy.from_mapping(given["trust"])
        store = SnapshotStore(host, given["store"])
        seen = verify(host, store, given["snapshot_id"], policy, given["fingerprints"])
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, report=seen.report(policy), **seen.to_dict())


if __name__ == "__main__":
    main()
