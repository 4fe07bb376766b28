#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spack_checkout_info
short_description: Say which Spack is checked out
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Reads the commits of Spack and of its packages, and Spack's release, from the checkouts. Nothing of them is run.
extends_documentation_fragment:
  - petal.hpc.info
options:
  root:
    description: Where Spack is checked out.
    type: path
    required: true
  packages:
    description: Where the repository of its packages is checked out.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Ask which Spack it is
  petal.hpc.spack_checkout_info:
    root: /shared/spack
    packages: /shared/spack/var/spack/packages
  register: checked_out
"""

RETURN = r"""
commits:
  description: The commits, as C(spack) and C(packages); without what is not checked out.
  returned: success
  type: dict
release:
  description: Spack's release, such as V(1.2.0). Empty where it is not there.
  returned: success
  type: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import explained
from ansible_collections.petal.hpc.plugins.module_utils._spack.checkout_api import look


def main() -> None:
    """Arguments in, what is there."""
    module = AnsibleModule(
        argument_spec={"root": {"type": "path", "required": True}, "packages": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    try:
        with explained("reading which Spack is checked out"):
            found = look(Path(module.params["root"]), Path(module.params["packages"]))
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
