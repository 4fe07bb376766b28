#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: software_image_info
short_description: Find machine images that carry a seed's software
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lists the images that match, newest first, and chooses the one to use, by the rules of M(petal.hpc.snapshot_info) -
    exactly the operating system and architecture that are asked for, the smallest root, and the newest of these.
  - The own account's are known by their tags. Those of accounts of the organization, which have no tags for others, by
    their Description, as far as O(trust) has the account. Those that are signed, or have to be, are judged by that.
  - A registry names no images. Sources of the types V(official) and V(community) are passed over.
options:
  fingerprint:
    description: Only images of this fingerprint.
    type: str
  older_fingerprints:
    description: Fingerprints of older versions that stand for the same bytes.
    type: list
    elements: str
    default: []
  name:
    description: Only images of this name.
    type: str
  image_ids:
    description: Only these images.
    type: list
    elements: str
    default: []
  os:
    description: Only images of this operating system can be used.
    type: str
  architecture:
    description: Only images of this architecture can be used.
    type: str
  release:
    description:
      - Only images that were made from one of this release of ParallelCluster can be used, as it takes no others. The
        others are in RV(passed_over).
    type: str
    default: ""
  deprecated:
    description:
      - Whether images that are deprecated by now are listed and can be used. Without it they are in
        RV(passed_over), unless O(image_ids) names them.
    type: bool
    default: false
  states:
    description: Only images in these states are listed. The one to use is complete in any case.
    type: list
    elements: str
    choices: [pending, completed, error]
    default: [completed]
  build_id:
    description: Only images that this build made.
    type: str
  sources:
    description: Where to look, as C(snapshot_sources) of a seed. Without it that is the own account alone.
    type: list
    elements: dict
    suboptions:
      type:
        description: Kind of the source.
        type: str
        choices: [local, organization, official, community]
        required: true
      priority:
        description: The lowest is asked first. Each once.
        type: int
        required: true
      account:
        description: The account of a source V(organization), twelve digits in quotes.
        type: str
      store:
        description: A store of the provider V(local), which has no images.
        type: str
      enabled:
        description: Whether it is asked.
        type: bool
  all_sources:
    description: Ask every source, for a list.
    type: bool
    default: false
  trusted_accounts:
    description: As in M(petal.hpc.snapshot_info).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.trust
  - petal.hpc.aws
  - petal.hpc.aws.boto3
seealso:
  - module: petal.hpc.snapshot_info
  - module: petal.hpc.aws_build_image
"""

EXAMPLES = r"""
- name: Look for an image with the software of a seed
  petal.hpc.software_image_info:
    region: eu-central-1
    fingerprint: "{{ seed.fingerprint }}"
    os: alinux2023
    architecture: x86_64
    release: 3.16.1
    sources:
      - {type: local, priority: 1}
      - {type: organization, priority: 2, account: "123456789012"}
    trust:
      accounts: ["123456789012"]
  register: found

- name: Show the choice
  ansible.builtin.debug:
    var: found.reason
"""

RETURN = r"""
images:
  description:
    - All that match, fit and are in one of O(states), newest first, as records of M(petal.hpc.snapshot_info) with
      C(image_id), C(release) (of ParallelCluster), C(disks) (the ids of its snapshots), C(ami_name), and C(deprecated),
      the time from which on it is. C(size_gb) is that of its root.
  returned: success
  type: list
  elements: dict
image:
  description: The one to use; null when there is none, or when those that match have several fingerprints.
  returned: success
  type: dict
reason:
  description: Why this one, or why none, in one sentence.
  returned: success
  type: str
  sample: ami-0123456789abcdef0 is the only one that matches, from source local (priority 1)
passed_over:
  description: What matches or may match but cannot be used, each with C(image_id) and C(reason).
  returned: success
  type: list
  elements: dict
source:
  description: The source of the one to use; null when there is none, or no sources were given.
  returned: success
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._image.api import find_images
from ansible_collections.petal.hpc.plugins.module_utils._lookup.options import ARGUMENTS, criteria_of

#: Options of a look-up of snapshots that mean the same here.
SAME = (
    *("fingerprint", "older_fingerprints", "name", "os", "architecture"),
    *("states", "build_id", "sources", "all_sources"),
)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{name: ARGUMENTS[name] for name in SAME},
            "image_ids": {"type": "list", "elements": "str", "default": []},
            "release": {"type": "str", "default": ""},
            "deprecated": {"type": "bool", "default": False},
            "trusted_accounts": {"type": "list", "elements": "str", "default": []},
            "trust": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    asked = {**module.params, "snapshot_ids": module.params["image_ids"], "size_gb": None}
    try:
        found = find_images(module, criteria_of(asked))
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
