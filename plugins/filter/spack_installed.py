# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: spack_installed
short_description: Packages of a Spack environment, as a volume's manifest lists them
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns what of an environment is on the volume. Externals are not, they are the operating system's.
options:
  _input:
    description: The packages that M(petal.hpc.spack_environment) returns.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what is on the volume
  ansible.builtin.debug:
    msg: "{{ built.environment.packages | petal.hpc.spack_installed }}"
"""

RETURN = r"""
_value:
  description:
    - The packages, each with C(name), C(version), C(manager), C(hash), C(origin), C(prefix), C(license),
      C(dependencies) and C(variants).
  type: list
  elements: dict
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def spack_installed(packages: Any) -> list[dict[str, Any]]:
    """See DOCUMENTATION; values of templates are converted to plain types at this door."""
    from ansible_collections.petal.hpc.plugins.module_utils._spack.model import installed

    try:
        return installed(json.loads(json.dumps(list(packages))))
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"petal.hpc.spack_installed takes packages of an environment: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        return {"spack_installed": spack_installed}
