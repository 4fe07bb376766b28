#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_snapshot_info
short_description: Find snapshots in stores of the provider local
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - What M(petal.hpc.snapshot_info) does where nothing is on AWS, and by the same rules. It needs nothing but
    ansible-core, and takes nothing of AWS to the host.
  - A store C(s3://) among O(sources) is passed over with the reason; M(petal.hpc.snapshot_info) reads it.
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.lookup
  - petal.hpc.trust
seealso:
  - module: petal.hpc.snapshot_info
  - module: petal.hpc.local_snapshot
"""

EXAMPLES = r"""
- name: Look for a volume that was built before
  petal.hpc.local_snapshot_info:
    fingerprint: "{{ seed.fingerprint }}"
    os: debian12
    architecture: x86_64
    size_gb: 50
  register: found

- name: Look in the own store, then in one that other sites fill
  petal.hpc.local_snapshot_info:
    fingerprint: "{{ seed.fingerprint }}"
    sources:
      - {type: local, priority: 1}
      - {type: organization, priority: 2, store: /net/petal}
    trust:
      stores: [/net/petal]
"""

RETURN = r"""
snapshots:
  description:
    - All that match, fit and are in one of O(states), newest first. M(petal.hpc.local_snapshot) describes a record.
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
  sample: {enabled: true, priority: 2, store: /net/petal, type: organization}
sources:
  description: Each source in its order, whether it was C(asked), how many it has (C(found)), and the C(reason).
  returned: with O(sources)
  type: list
  elements: dict
progress:
  description: As of M(petal.hpc.snapshot_info).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.lookup import find_in_stores
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lookup.options import ARGUMENTS, criteria_of
from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import select
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore


def main() -> None:
    """Arguments in, results out."""
    module = AnsibleModule(
        argument_spec={**ARGUMENTS, "trust": {"type": "dict", "default": {}}}, supports_check_mode=True
    )
    criteria, host = criteria_of(module.params), Host(module.run_command)
    try:
        if module.params["sources"] is not None:
            found = find_in_stores(module, host, criteria)
            module.exit_json(changed=False, progress=found.selection().progress(criteria), **found.to_dict())
        snapshots, damaged = SnapshotStore(host, module.params["store"]).scan()
    except PetalError as error:
        module.fail_json(msg=str(error))
    selection = select(snapshots, criteria, damaged)
    module.exit_json(changed=False, progress=selection.progress(criteria), **selection.to_dict())


if __name__ == "__main__":
    main()
