# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: version
short_description: Version of this collection
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - The version of petal.hpc, as the manifest of an installed collection has it, or C(galaxy.yml) of a clone.
options: {}
"""

EXAMPLES = r"""
- name: Say what built a volume
  ansible.builtin.debug:
    msg: "petal.hpc {{ lookup('petal.hpc.version') }}"
"""

RETURN = r"""
_raw:
  description: The version.
  type: list
  elements: str
  sample: ["0.1.0"]
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils.installed import version


class LookupModule(LookupBase):
    """Nothing in, the version out."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **options: Any) -> list[str]:
        self.set_options(var_options=variables, direct=options)
        if terms:
            raise AnsibleLookupError(f"petal.hpc.version takes no names, got {terms!r}: it is the version of petal.hpc")
        try:
            return [version()]
        except PetalError as error:
            raise AnsibleLookupError(str(error)) from error
