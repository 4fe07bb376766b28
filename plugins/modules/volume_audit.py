#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_audit
short_description: Look for secrets and for licences that are not open, before a volume is given to others
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Looks through a mounted volume for private keys, credentials, histories and passwords, and through its bill of
    materials for the licences of what is on it. Says who may be given the volume.
  - It goes by names and by the beginning of files. It opens those whose names call for it, and reads at most 256 KiB
    of each. Programs, libraries, sources, pictures and archives are not opened. It follows no symbolic link and stays
    on one file system.
  - A key that a package has for its own tests is no secret. It is told apart by two things. It stands in a directory of
    tests, examples, templates or mock-ups, and the package's list of its files (C(RECORD) of a wheel, Spack's
    C(install_manifest.json)) has this very file. Python's own tests and those of Spack have no list, there the place
    decides.
  - What is inside of container images cannot be seen in their files. It is looked at by the same rules when an image is
    unpacked, and O(images) hands that on; a path there is shown as C(IMAGE:/PATH).
  - A find warns, and does not fail. M(petal.hpc.volume_audit) only tells; what is done about it is up to others.
extends_documentation_fragment:
  - petal.hpc.info
options:
  path:
    description: The directory at which the volume is mounted.
    type: path
    required: true
  sbom:
    description: Its bill of materials, CycloneDX in JSON, as P(petal.hpc.sbom#filter) makes it.
    type: path
    required: true
  accept:
    description:
      - Files that you have looked at and that are no secrets, as shell patterns of paths below O(path), or of
        C(IMAGE:/PATH) inside of images. V(*) matches a slash too.
    type: list
    elements: str
    default: []
  known_licences:
    description:
      - SPDX expressions by the names of packages, and of those inside of images by shell patterns of C(IMAGE:PACKAGE),
        such as V(samtools:*). They count for packages of which O(sbom) says nothing that is known; what is known to be
        not open stays so.
    type: dict
    default: {}
  system:
    description:
      - Packages of the build host that it was built with, each with C(name) and C(version), as
        M(petal.hpc.spack_environment) returns externals. A compiler of a vendor's among them is a reason not to publish
        the volume, as parts of it are in what it builds.
    type: list
    elements: dict
    default: []
  images:
    description:
      - The container images of the volume, as C(images) of its manifest has them, each with what was found in it
        (C(audit)), and what could not be read of its packages (C(problems)). One without C(audit) has not been looked
        into, and so nobody is given the volume.
    type: list
    elements: dict
    default: []
seealso:
  - plugin: petal.hpc.sbom
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See whether the volume may be given to others
  petal.hpc.volume_audit:
    path: /shared
    sbom: /shared/.petal/sbom.cdx.json
  register: audit

- name: Say it
  ansible.builtin.debug:
    var: audit.tag
"""

RETURN = r"""
verdict:
  description:
    - Who may be given the volume, as C(level), with the C(reasons).
    - V(private) is nobody, as there are secrets on it or what could not be read. V(accounts) is who you share it with,
      as a licence is not open or not known. V(public) is everybody.
  returned: success
  type: dict
  sample: {level: accounts, reasons: ["cuda has licence LicenseRef-Not-Open"]}
tag:
  description: The verdict as the tag C(petal:sharing) of a snapshot, at most 256 characters.
  returned: success
  type: str
  sample: "accounts: cuda has licence LicenseRef-Not-Open"
sensitive:
  description: The first hundred secrets, each with its C(path) below O(path) and C(why).
  returned: success
  type: list
  elements: dict
sensitive_count:
  description: How many there are.
  returned: success
  type: int
test_data:
  description: The first hundred secrets of packages' own tests, which are none.
  returned: success
  type: list
  elements: dict
test_data_count:
  description: How many there are.
  returned: success
  type: int
accepted:
  description: The first hundred that O(accept) passes over.
  returned: success
  type: list
  elements: dict
licences:
  description:
    - How many packages have an open licence (RV(licences.open)), and those whose licence is not, or is not known, each
      with C(name), C(version) and C(licence), and with C(image) inside of one.
    - Open is what OSI has approved or FSF calls free. V(OR) in an SPDX expression is open where one side is, V(AND)
      where all are. No licence, C(NOASSERTION) and words that nobody knows are not known.
  returned: success
  type: dict
  contains:
    open:
      description: How many packages have an open licence.
      type: int
    not_open:
      description: Packages whose licence is not open.
      type: list
      elements: dict
    unknown:
      description: Packages of which it is not known.
      type: list
      elements: dict
compilers:
  description: Compilers of vendors in O(system), as C(NAME@VERSION).
  returned: success
  type: list
  elements: str
unread:
  description: What is not known of the packages inside of images, a sentence each.
  returned: success
  type: list
  elements: str
files:
  description: How many files were seen.
  returned: success
  type: int
files_read:
  description: How many of them were opened.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._audit.api import audit
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    """Arguments in, findings out."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "sbom": {"type": "path", "required": True},
            "accept": {"type": "list", "elements": "str", "default": []},
            "known_licences": {"type": "dict", "default": {}},
            "system": {"type": "list", "elements": "dict", "default": []},
            "images": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        stated = {str(name): str(text) for name, text in given["known_licences"].items()}
        found = audit(given["path"], given["sbom"], given["accept"], stated, given["system"], given["images"])
    except PetalError as error:
        module.fail_json(msg=str(error))
    for warning in found.warnings():
        module.warn(warning)
    module.exit_json(changed=False, **found.to_dict())


if __name__ == "__main__":
    main()
