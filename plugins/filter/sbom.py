# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sbom
short_description: Make one bill of materials from a volume's manifest
version_added: "0.1.0"
description:
  - Gives a software bill of materials in CycloneDX 1.6 JSON for everything that a manifest lists.
  - Container images are components, and so are the packages inside of them, as C(images) of the manifest lists them.
  - The same manifest always gives the same text.
author:
  - petal.hpc contributors (@petal-hpc)
options:
  _input:
    description: The manifest of a volume.
    type: dict
    required: true
requirements:
  - cyclonedx-python-lib on the controller
"""

EXAMPLES = r"""
- name: Write the bill of materials of a volume
  ansible.builtin.copy:
    content: "{{ manifest | petal.hpc.sbom }}"
    dest: /shared/.petal/sbom.cdx.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The bill of materials, as JSON text.
  type: str
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def sbom(manifest: Any) -> str:
    """The filter; values of templates are converted to plain types at this door."""
    # The library has 70 modules.
    from ansible_collections.petal.hpc.plugins.plugin_utils.sbom import volume_sbom

    if not isinstance(manifest, dict):
        raise AnsibleFilterError(f"petal.hpc.sbom: a volume's manifest is a mapping, this is {type(manifest).__name__}")
    try:
        return volume_sbom(json.loads(json.dumps(manifest)))
    except PetalError as error:
        raise AnsibleFilterError(f"petal.hpc.sbom: {error}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"sbom": sbom}
