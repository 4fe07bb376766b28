#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: uv
short_description: Install one version of uv for the use of other modules
version_added: "0.1.0"
description:
  - Fetches uv from a package index with pip and keeps its one file below O(cache_dir).
  - Other uv on the host are neither used nor changed. Versions do not get in each other's way.
author:
  - petal.hpc contributors (@petal-hpc)
extends_documentation_fragment:
  - petal.hpc.downloads
requirements:
  - Python 3.8 or later with ensurepip (python3-venv on Debian)
attributes:
  check_mode:
    description: Says whether it would be installed.
    support: full
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
options:
  version:
    description: The version to install.
    type: str
    required: true
  sha256:
    description: SHA-256 of the archives that may be installed, one for each platform. Without it any archive will do.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Install uv
  petal.hpc.uv:
    version: 0.13.9
  register: uv
"""

RETURN = r"""
path:
  description: The path of this uv.
  returned: success
  type: str
  sample: /var/cache/petal/bin/uv-0.13.9
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._python.api.uv import NETWORK, ensure_uv, settings
from ansible_collections.petal.hpc.plugins.module_utils._python.commands import uv_path


def main() -> None:
    """Arguments in, path out."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "sha256": {"type": "list", "elements": "str", "default": []},
            **NETWORK,
        },
        supports_check_mode=True,
    )
    path = uv_path(module.params["cache_dir"], module.params["version"])
    try:
        changed = ensure_uv(module, module.params["version"], module.params["sha256"], settings(module, path))
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, path=path)


if __name__ == "__main__":
    main()
