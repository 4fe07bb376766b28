# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: spack_detected
short_description: What Spack may use of the operating system
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Reads the C(packages.yaml) that C(spack external find) has written.
options:
  _input:
    description: The text of the file; an empty one, where nothing was detected.
    type: str
    required: true
  tools:
    description: Names of the packages that are wanted of it, besides compilers.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say what the operating system's compiler is
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', '/tmp/packages.yaml') | petal.hpc.spack_detected(['cmake'])).compiler }}"
"""

RETURN = r"""
_value:
  description: What was detected.
  type: dict
  contains:
    compilers:
      description: Externals of GCC that compile C, C++ and Fortran.
      type: list
      elements: dict
    default:
      description: The one of them at C(/usr/bin/gcc), or none.
      type: list
      elements: dict
    compiler:
      description: Its name and version, as V(gcc@12.2.0); null where there is none.
      type: str
    tools:
      description: Settings of the packages by name.
      type: dict
"""

from typing import Any, Callable

import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._spack.host import Detected


def spack_detected(text: Any, tools: Any) -> dict[str, Any]:
    """See DOCUMENTATION; a text that is no such file is an error."""
    try:
        packages = (yaml.safe_load(str(text)) or {}).get("packages") or {}
        return Detected.of(packages, [str(tool) for tool in tools]).to_dict()
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.spack_detected takes a packages.yaml of Spack: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"spack_detected": spack_detected}
