# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: spack_platform
short_description: Operating system and target of a host, as Spack names them
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns what stands behind C(os=) and C(target=) in Spack's specs.
options:
  _input:
    description:
      - Facts of the host, with C(distribution), C(distribution_version), C(distribution_major_version) and
        C(architecture).
    type: dict
    required: true
  target:
    description: The target that is asked for. Without it the architecture's default.
    type: str
"""

EXAMPLES = r"""
- name: Say what is compiled for
  ansible.builtin.debug:
    msg: "target={{ (ansible_facts | petal.hpc.spack_platform).target }}"
"""

RETURN = r"""
_value:
  description: The platform.
  type: dict
  contains:
    os:
      description: The operating system, as V(debian12), V(ubuntu24.04) or V(amzn2023).
      type: str
    target:
      description: The target, as V(x86_64_v3) or V(aarch64).
      type: str
"""

from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._spack.host import Platform


def spack_platform(facts: Any, target: Any = None) -> dict[str, str]:
    """See DOCUMENTATION; facts that are missing are an error."""
    try:
        return asdict(Platform.of(facts, target))
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.spack_platform: facts of the host are missing: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"spack_platform": spack_platform}
