# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: seed_specs
short_description: All that a seed asks of Spack
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns the specs of C(spack_packages), C(build_from_source) and C(stacks), each once.
  - The MPI of a stack is one of them, before the packages of the stack.
options:
  _input:
    description: The key C(software) of a seed, as M(petal.hpc.seed_info) returns it.
    type: dict
    required: true
  stack:
    description: Name of a stack, for what that asks for alone; an empty text for what is asked for beside all stacks.
    type: str
"""

EXAMPLES = r"""
- name: Read a seed
  petal.hpc.seed_info:
    path: seeds/two-mpi.yaml
  register: described

- name: Show what Spack is asked for
  ansible.builtin.debug:
    msg: "{{ described.seed.software | petal.hpc.seed_specs }}"
"""

RETURN = r"""
_value:
  description: The specs, in their order.
  type: list
  elements: str
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def seed_specs(software: Any, stack: str | None = None) -> list[str]:
    """See DOCUMENTATION; values of templates are converted to plain types at this door."""
    from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
    from ansible_collections.petal.hpc.plugins.module_utils._seed.asked import specs, specs_of

    try:
        given = json.loads(json.dumps(dict(software)))
        return specs(given) if stack is None else specs_of(given, stack)
    except (KeyError, TypeError, ValueError, PetalError) as error:
        raise AnsibleFilterError(f"petal.hpc.seed_specs takes the software of a seed: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"seed_specs": seed_specs}
