#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_volume_info
short_description: List the volumes of the local provider
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lists the volumes of a store, with where they are mounted now.
  - A volume whose record is damaged is passed over with a warning.
options:
  store:
    description: Directory that holds the volumes. Need not exist.
    type: path
    default: /var/lib/petal
  tags:
    description: Only volumes that have all of these tags.
    type: dict
    default: {}
  signatures:
    description:
      - By the ids of snapshots the signatures of their records that came after volumes were made from them, as
        C(snapshot.json.sig) has them.
    type: dict
    default: {}
    version_added: "0.2.0"
seealso:
  - module: petal.hpc.local_volume
extends_documentation_fragment: [petal.hpc.info, petal.hpc.trust]
"""

EXAMPLES = r"""
- name: List what is deployed of a cluster
  petal.hpc.local_volume_info:
    tags:
      petal:cluster: quickstart
  register: deployed
"""

RETURN = r"""
volumes:
  description: The volumes by name, each as RV(petal.hpc.local_volume#module:volume).
  returned: success
  type: list
  elements: dict
uses:
  description:
    - Where snapshots are in use on this host, by their ids, each as a list of texts; mounted, or kept to go back to.
  returned: success
  type: dict
  sample: {snap-0123456789abcdef0: [mounted at /shared for quickstart]}
mark:
  description: How what belongs to the volumes of this store on its host, such as their mount namespaces, ends.
  returned: success
  type: str
  sample: 0d9a1f3e
  version_added: "0.2.0"
there:
  description: Whether there is such a store at all.
  returned: success
  type: bool
  version_added: "0.2.0"
untrusted:
  description:
    - Of the snapshots that RV(volumes) were made from those that O(trust) does not have now, by their ids, each with
      why, as a clause.
  returned: success
  type: dict
  sample: {snap-0123456789abcdef0: "the key of stolen (SHA256:8r3vSg0kq1PpB1uVqJtNnJcPq2o5u9s5wXJZyD0m1nY) is revoked"}
  version_added: "0.2.0"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.store import VolumeStore
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import text_tags


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "tags": {"type": "dict", "default": {}},
            "signatures": {"type": "dict", "default": {}},
            "trust": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        store = VolumeStore(Host(module.run_command), given["store"], Policy.from_mapping(given["trust"]))
        volumes, warnings = store.volumes(text_tags(given["tags"]))
        untrusted = store.untrusted([volume["name"] for volume in volumes], text_tags(given["signatures"]) or {})
        uses = store.uses()
    except PetalError as error:
        module.fail_json(msg=str(error))
    for warning in warnings:
        module.warn(warning)
    existing = [{**volume, "existed": True} for volume in volumes]
    module.exit_json(
        changed=False, volumes=existing, uses=uses, untrusted=untrusted, mark=store.mark, there=store.there
    )


if __name__ == "__main__":
    main()
