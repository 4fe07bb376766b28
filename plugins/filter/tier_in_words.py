# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tier_in_words
short_description: What a tier is, in a few words
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Says of C(tier) of a seed how its software comes to the nodes of a cluster.
options:
  _input:
    description: The tier, such as V(volume).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say how the software comes to the nodes
  ansible.builtin.debug:
    msg: "{{ 'volume' | petal.hpc.tier_in_words }}"
"""

RETURN = r"""
_value:
  description: The tier, and what it is.
  type: str
  sample: "volume: on a volume that the nodes mount"
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def tier_in_words(tier: Any) -> str:
    """See DOCUMENTATION; what is no tier is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._tiers.choice import IN_WORDS, in_words

    if tier not in IN_WORDS:
        raise AnsibleFilterError(f"petal.hpc.tier_in_words takes one of {', '.join(IN_WORDS)}")
    return in_words(str(tier))


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"tier_in_words": tier_in_words}
