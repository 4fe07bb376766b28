# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tier_named
short_description: What a run goes by that names what it deploys
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - A snapshot says what the tags of images and the branches in its seed stood for when it was built. A run that names
    it compares it with the seed by that, and asks no registry and no Git what they stand for now.
options:
  _input:
    description: The seed, as M(petal.hpc.seed_info) returns it, of which C(moving) and C(plan) are read.
    type: dict
    required: true
  found:
    description: What M(petal.hpc.snapshot_info) has found by the id alone, C(snapshot) and C(reason).
    type: dict
    required: true
  deployed:
    description: The snapshots that the cluster has already, by their ids.
    type: list
    elements: str
    required: true
  asked:
    description: What the run asks for, of C(snapshot_id) and C(rollback).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whether a registry has to be asked
  ansible.builtin.debug:
    msg: "{{ (seed | petal.hpc.tier_named(found, [], {'snapshot_id': found.snapshot.snapshot_id})).asks }}"
"""

RETURN = r"""
_value:
  description:
    - Whether somebody has to be asked (C(asks)), what is C(known) without, as C(resolved_refs) of
      M(petal.hpc.seed_info). Why the snapshot cannot be used, where that is sure (C(reason)), and what to tell
      (C(says)), both of which may be empty.
  type: dict
"""

from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def tier_named(seed: Any, found: Any, deployed: Any, asked: Any) -> dict[str, Any]:
    """See DOCUMENTATION; what is no seed is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._tiers.choice import Asked
    from ansible_collections.petal.hpc.plugins.module_utils._tiers.named import stands

    try:
        meant = Asked(snapshot_id=str(asked.get("snapshot_id") or ""), rollback=bool(asked.get("rollback")))
        return asdict(stands(seed["moving"], seed["plan"], found, deployed, meant))
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.tier_named takes a seed and what is asked for: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"tier_named": tier_named}
