#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_packages
short_description: Which packages a host has in its image, as externals of the Spack of a volume
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Asks a host, before packages of a hybrid seed are chosen on it, which packages of C(software.in_ami) it has. An
    image that P(petal.hpc.machine_image#role) made is read by its documents, which have to be those of the fingerprint.
  - Fails with all that is missing, and with what there is.
options:
  spack:
    description: The command of the volume's Spack.
    type: path
    required: true
  work_dir:
    description: Directory in which that command works.
    type: path
    required: true
  specs:
    description: What the image is to have.
    type: list
    elements: str
    required: true
  mount_dir:
    description: Where petal.hpc.build_ami has put the image's part of the seed.
    type: path
    default: /
  fingerprint:
    description: The fingerprint of that part.
    type: str
    default: ""
  image_id:
    description:
      - The image, where somebody else made it. Its own Spack is asked then, as a login shell finds it or below
        C(/opt), and what that does not know is looked for, as C(spack external find) does, in C(/usr/local) and
        C(/opt).
    type: str
    default: ""
  beside:
    description: Externals of GCC that the volume's Spack knows already, as in a C(packages.yaml).
    type: list
    elements: dict
    default: []
  compilers:
    description: The compilers that the seed asks for, for all of its packages or for those of a stack.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - petal.hpc.info
"""

EXAMPLES = r"""
- name: Ask what the image has
  petal.hpc.image_packages:
    spack: /var/cache/petal/spack/bin/spack
    work_dir: /var/cache/petal/spack
    specs: [gcc@11.3.0, openmpi@4.1.4]
    mount_dir: /shared-image
    fingerprint: sha256:3819bc29dc5c46114270d8c3d5abff6c5f01115fc544b2149e1ab6de6983a290
  register: there
"""

RETURN = r"""
packages:
  description: Settings of these packages by name, for C(packages.yaml). None of them is built.
  returned: success
  type: dict
specs:
  description: The specs that only they fit, by which their modules are asked for.
  returned: success
  type: list
  elements: str
prefixes:
  description: Where they are.
  returned: success
  type: list
  elements: str
requires:
  description: By which a node shows that it has the image, as a manifest says it.
  returned: success
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.externals_api import Wanted, ask


def main() -> None:
    """Arguments in, what the image has out."""
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "path", "required": True} for name in ("spack", "work_dir")},
            "mount_dir": {"type": "path", "default": "/"},
            **{name: {"type": "str", "default": ""} for name in ("fingerprint", "image_id")},
            "compilers": {"type": "list", "elements": "str", "default": []},
            "specs": {"type": "list", "elements": "str", "required": True},
            "beside": {"type": "list", "elements": "dict", "default": []},
        },
        required_one_of=[("fingerprint", "image_id")],
        supports_check_mode=True,
    )
    given = module.params
    wanted = Wanted(
        **{name: given[name] for name in ("specs", "fingerprint", "mount_dir", "image_id", "beside", "compilers")}
    )
    try:
        with explained("asking which packages the image has"):
            host = Host(module.run_command)
            found = ask(host, Spack(host, given["spack"], Path(given["work_dir"])), wanted)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
