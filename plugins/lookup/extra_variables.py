# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: extra_variables
short_description: Extra variables that were given with -e, and no others
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Variables called C(os), C(region) or C(name) stand in many an inventory and mean something else there. This lookup
    gives those alone that were given on the command line, or by the job template of AWX.
  - What is empty, an empty text or null, was not given. A job template of AWX passes an empty text for each question
    that nobody has answered.
options:
  _terms:
    description: Names of variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Read a seed for the system that is named with -e os=ubuntu2404
  petal.hpc.seed_info:
    path: "{{ seed }}"
    overrides: "{{ lookup('petal.hpc.extra_variables', 'os', 'region') }}"
"""

RETURN = r"""
_raw:
  description: One mapping, with those of the names that were given.
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars


class LookupModule(LookupBase):
    """Names in, what the command line says of them out."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_options: Any) -> list[dict[str, Any]]:
        given = load_extra_vars(self._loader)
        known = variables or {}
        found = {name: self._templar.template(known.get(name, given[name])) for name in terms if name in given}
        return [{name: value for name, value in found.items() if value not in (None, "")}]
