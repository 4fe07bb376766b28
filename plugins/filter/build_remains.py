# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_remains
short_description: What a failed build leaves in a store, in words
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Says what became of the volume of a build that failed, and how to go on. For builds on AWS that is what
    P(petal.hpc.build_fate#filter) says.
options:
  _input:
    description:
      - What became of the volume, with the keys C(volume) and C(store), its name and the directory of its store;
        C(stuck), why it could not be taken away, and C(taken_over), why it is no longer this run that builds, each
        empty where that is not so; C(kept), whether the volume was kept; C(full), whether it was removed because its
        disk is full.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what is left
  ansible.builtin.debug:
    msg: "{{ remains | petal.hpc.build_remains }}"
  vars:
    remains: {volume: build-0123456789abcdef0123, store: /var/lib/petal, kept: true}
"""

RETURN = r"""
_value:
  description: A sentence.
  type: str
  sample: Kept - volume build-0123456789abcdef0123 in /var/lib/petal; the same command goes on with it.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._build.remains import Remains


def build_remains(remains: Any) -> str:
    """See DOCUMENTATION; anything but these keys is an error."""
    known = [field.name for field in fields(Remains)]
    if not isinstance(remains, Mapping) or not {"volume", "store"} <= set(remains) <= set(known):
        raise AnsibleFilterError(f"petal.hpc.build_remains takes a mapping with {', '.join(known)}, got {remains!r}")
    return Remains(**{str(key): value for key, value in remains.items()}).say()


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"build_remains": build_remains}
