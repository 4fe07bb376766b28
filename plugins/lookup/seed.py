# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: seed
short_description: The seed that a run was given, the path of its file or its own text
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Gives the variable C(seed) for options that take a seed, such as O(petal.hpc.seed_info#module:path).
  - A path may be a template, as all variables of Ansible may. The text of a seed is none, whatever stands in it, so
    C({{ seed }}) is not the same.
  - Nothing that was given is an empty text.
"""

EXAMPLES = r"""
- name: Read the seed, a file or a text of a survey
  petal.hpc.seed_info:
    path: "{{ lookup('petal.hpc.seed') }}"
"""

RETURN = r"""
_raw:
  description: The path, or the text.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.petal.hpc.plugins.module_utils._seed.given import is_text, refusal


class LookupModule(LookupBase):
    """Nothing in, the seed out."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_options: Any) -> list[str]:
        if terms:
            raise AnsibleLookupError(f"petal.hpc.seed takes no names, got {terms!r}: it is the variable seed")
        value = (variables or {}).get("seed")
        if isinstance(value, str) and not is_text(value):
            value = self._templar.template(value)
        if wrong := refusal(value):
            raise AnsibleLookupError(f"seed: {wrong}")
        # Plain, without what makes Ansible take it for a template.
        text = "".join(value or "")
        return [text if is_text(text) else text.strip("\r\n") or text]
