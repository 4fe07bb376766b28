#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_info
short_description: Ask a registry of software volumes
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Tells what a registry has, which stacks, what is in them, in which Regions, and whether it has a fingerprint.
  - What a registry says is bounded, checked and never acted on. Whether a snapshot can be used says
    M(petal.hpc.snapshot_info), which asks AWS.
  - Answers are kept with their ETag. When the registry cannot be reached the copy is used, with a warning.
attributes:
  check_mode:
    description: Changes nothing in any mode, and writes no copies in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
options:
  question:
    description:
      - V(list) are all stacks, V(search) those in which every word of O(text) is found.
      - V(info) is everything about the stack O(name), V(regions) where it is, V(variants) its snapshots.
      - V(check) is whether there are snapshots of O(fingerprint).
      - V(update) asks for the newest index, whatever the age of the copy.
    type: str
    choices: [list, search, info, regions, variants, check, update]
    default: list
  name:
    description: Name of a stack, for V(info), V(regions) and V(variants).
    type: str
  text:
    description: Words to look for, for V(search).
    type: str
  fingerprint:
    description: Only snapshots of this fingerprint. V(check) needs it.
    type: str
  older_fingerprints:
    description: Others that stand for the same bytes, as M(petal.hpc.seed_info) returns them; V(check) takes them too.
    type: list
    elements: str
    default: []
  region:
    description: Only snapshots in this Region.
    type: str
  os:
    description: Only snapshots for this operating system.
    type: str
  architecture:
    description: Only snapshots for this architecture.
    type: str
  official:
    description:
      - For V(list), only stacks that the registry's maintainers have verified, or with V(false) only the others. All
        without it.
    type: bool
  details:
    description:
      - For V(list), what the documents of the stacks tell beside the index, such as their Regions. At most 200 are
        read, and as many as O(registry_timeout) allows.
      - V(search) reads the documents of those stacks of whose packages the index tells nothing.
    type: bool
    default: false
  limit:
    description: How many stacks are returned at most, for V(list) and V(search).
    type: int
    default: 1000
  registry_url:
    required: true
extends_documentation_fragment:
  - petal.hpc.registry
seealso:
  - module: petal.hpc.snapshot_info
  - module: petal.hpc.registry_submit
"""

EXAMPLES = r"""
- name: Is there a snapshot of this seed in my Region
  petal.hpc.registry_info:
    registry_url: https://registry.example.org/petal/
    question: check
    fingerprint: "{{ seed.fingerprint }}"
    region: us-east-1
  register: offered

- name: Which stacks have samtools
  petal.hpc.registry_info:
    registry_url: file:///srv/registry
    question: search
    text: samtools
"""

RETURN = r"""
reason:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: the registry has 12 stacks
stacks:
  description:
    - Stacks with C(name), C(fingerprint), C(description), C(packages) and C(tags).
    - With O(details) or O(official) also C(regions), C(verified), C(public), C(aws_account) and C(updated). These are
      null where the document was not read.
  returned: for V(list), V(search)
  type: list
  elements: dict
total:
  description: How many there are; RV(stacks) has at most O(limit) of them.
  returned: for V(list), V(search)
  type: int
stack:
  description: The stack as the registry describes it.
  returned: for V(info)
  type: dict
regions:
  description: Regions in which the stack has snapshots.
  returned: for V(info), V(regions)
  type: list
  elements: str
variants:
  description:
    - Snapshots with C(name), C(region), C(snapshot_id), C(fingerprint), C(os), C(architecture) and C(size_gb).
    - C(signers) has the fingerprints of the keys that their signatures name, which M(petal.hpc.snapshot_info) verifies.
  returned: for V(variants), V(check)
  type: list
  elements: dict
available:
  description: Whether the registry says that there is one. Only AWS can confirm it.
  returned: for V(check)
  type: bool
registry:
  description:
    - Its C(url), how many C(stacks) it has, when the index was C(fetched), whether it is a copy that was not asked
      about (C(from_cache)), whether it C(changed), and the number of C(requests).
  returned: success
  type: dict
passed_over:
  description: Entries of the index that cannot be used, each with its place and the reason.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._registry.api import Registry, Settings
from ansible_collections.petal.hpc.plugins.module_utils._registry.options import ARGUMENTS
from ansible_collections.petal.hpc.plugins.module_utils._registry.query import QUESTIONS
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import secrets_of


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "registry_url": {"type": "str", "required": True},
            "question": {"type": "str", "choices": list(QUESTIONS), "default": "list"},
            "name": {"type": "str"},
            "text": {"type": "str"},
            "fingerprint": {"type": "str"},
            "older_fingerprints": {"type": "list", "elements": "str", "default": []},
            "region": {"type": "str"},
            "os": {"type": "str"},
            "architecture": {"type": "str"},
            "official": {"type": "bool"},
            "details": {"type": "bool", "default": False},
            "limit": {"type": "int", "default": 1000},
        },
        required_if=[
            ("question", "search", ["text"]),
            ("question", "info", ["name"]),
            ("question", "regions", ["name"]),
            ("question", "variants", ["name"]),
            ("question", "check", ["fingerprint"]),
        ],
        supports_check_mode=True,
    )
    module.no_log_values |= secrets_of(module.params["registry_url"])
    try:
        settings = Settings.of(module.params, keep=not module.check_mode)
        registry = Registry(module.params["registry_url"], settings)
        answer = registry.answer(module.params)
    except PetalError as error:
        module.fail_json(msg=str(error))
    for note in registry.notes:
        module.warn(note)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
