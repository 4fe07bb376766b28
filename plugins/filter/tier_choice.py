# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tier_choice
short_description: How the software of a seed comes to the nodes of a cluster
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Takes what the run asks for, else what the seed says (C(tier)), else what there is, a volume before an image.
options:
  _input:
    description:
      - What the run is about, C(snapshots_plan), with C(seed), C(name), C(provider), C(snapshot) and C(reason); with
        C(image) where one was found, and with C(target) where the hosts of a cluster were asked what they have.
    type: dict
    required: true
  asked:
    description: What the run asks for, of C(tier), C(image_id), C(snapshot_id), C(rollback) and C(force).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show how the software comes to the nodes
  ansible.builtin.debug:
    msg: "{{ snapshots_plan | petal.hpc.tier_choice({'tier': 'auto'}) }}"
"""

RETURN = r"""
_value:
  description:
    - The C(tier), empty where it is left open and nothing has the software, and the C(reason). Whether an C(image) has
      to be looked for, and whether all that the tier needs is C(there). Why the run cannot go on, C(problem), which is
      empty where it can.
  type: dict
"""

from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def tier_choice(plan: Any, asked: Any) -> dict[str, Any]:
    """See DOCUMENTATION; what is no plan is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._tiers.choice import Asked, choose

    try:
        given = {name: str(asked.get(name) or "") for name in ("tier", "image_id", "snapshot_id")}
        rollback, force = (bool(asked.get(name)) for name in ("rollback", "force"))
        return asdict(choose(plan, Asked(**given, rollback=rollback, force=force)))
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.tier_choice takes a plan and what is asked for: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"tier_choice": tier_choice}
