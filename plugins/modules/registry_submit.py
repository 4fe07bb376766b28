# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/registry_submit.py and runs on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_submit
short_description: Prepare a contribution to a registry, or validate a registry
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Writes a stack's description, its seed and its lines of the index into a Git clone of a registry, sorted and in one
    form, so that the difference is what is contributed. Commits nothing; that, and the pull request, is the user's.
  - Refuses what cannot be shared, and says every reason at once. These are software whose licence forbids it where the
    snapshots are public, encrypted snapshots as public ones, snapshots that are not complete or of another fingerprint,
    what is not in the snapshot, and texts that look like secrets.
  - Of the seed only what others need is published. Users, data, keys, caches, images and sources are left out.
attributes:
  action:
    description: Runs on the controller, where the clone and the seed are.
    support: full
  async:
    description: Runs to its end.
    support: none
  check_mode:
    description: Says what it would write.
    support: full
  diff_mode:
    description: Shows the files that change.
    support: full
options:
  path:
    description: Root of the clone. For O(state=validated) any directory with a registry.
    type: str
    required: true
  state:
    description:
      - V(present) writes the contribution, V(validated) reads the whole registry and fails with all problems. What
        could be better is a warning.
    type: str
    choices: [present, validated]
    default: present
  seed:
    description: File of the seed, or its own text, required for O(state=present).
    type: raw
  resolved_refs:
    description: Commits at which the branches of Spack stood that the seed names, as C(resolved_refs) of the build.
    type: dict
  overrides:
    description: What counts in place of the seed's own, as for M(petal.hpc.seed_info).
    type: raw
  snapshots:
    description: Snapshots of the seed as M(petal.hpc.snapshot_info) returns them, one for each Region.
    type: list
    elements: dict
    default: []
  name:
    description: Name of the stack. Without it that of the seed's cluster.
    type: str
  description:
    description: One line about it.
    type: str
    default: ""
  packages:
    description: What is on it. Without it what the snapshots' tags say, else what the seed asks for.
    type: list
    elements: str
  tags:
    description: Words by which it is found.
    type: list
    elements: str
    default: []
  public:
    description: Whether everybody may use the snapshots.
    type: bool
    default: false
  registry:
    description: Address of the registry, for its first stack.
    type: str
  date:
    description: Date of the contribution, as V(2026-01-31). Without it today.
    type: str
seealso:
  - module: petal.hpc.registry_info
  - module: petal.hpc.snapshot_info
"""

EXAMPLES = r"""
- name: Find what was built
  petal.hpc.snapshot_info:
    provider: aws
    region: us-east-1
    fingerprint: "{{ seed.fingerprint }}"
  register: built

- name: Offer it
  petal.hpc.registry_submit:
    path: ~/registry
    seed: seeds/bioinformatics.yaml
    snapshots: ["{{ built.snapshot }}"]
    description: Short-read and long-read genomics
    public: true

- name: Validate the registry in its own CI
  petal.hpc.registry_submit:
    path: "{{ playbook_dir }}"
    state: validated
"""

RETURN = r"""
files:
  description: What was written, from the root of the clone.
  returned: for O(state=present)
  type: list
  elements: str
name:
  description: Name of the stack.
  returned: for O(state=present)
  type: str
fingerprint:
  description: Fingerprint of the seed.
  returned: for O(state=present)
  type: str
stack:
  description: The stack as the registry describes it now.
  returned: for O(state=present)
  type: dict
stacks:
  description: How many stacks the registry has.
  returned: for O(state=validated)
  type: int
snapshots:
  description: How many snapshots it has.
  returned: for O(state=validated)
  type: int
problems:
  description: Everything that is wrong.
  returned: failure
  type: list
  elements: str
"""
