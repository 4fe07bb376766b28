# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tier_table
short_description: What each tier would take and cost for a seed of which nothing is built
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Says of each way in which the software of a seed can come to the nodes of a cluster what it would take and cost, as
    far as that is known, and how it is started. What nobody knows is said to be unknown.
options:
  _input:
    description: What the run is about, C(snapshots_plan).
    type: dict
    required: true
  known:
    description:
      - What was found out, of C(prices) and C(estimate) (as M(petal.hpc.aws_price_info) returns them), C(unpriced) (why
        there are none), C(root_gb) (GiB of the image that a machine image begins with) and C(former) (snapshots of
        earlier builds of the same name, the newest first).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what each tier would take
  ansible.builtin.debug:
    msg: "{{ (snapshots_plan | petal.hpc.tier_table({})).lines }}"
"""

RETURN = r"""
_value:
  description:
    - The table for people, C(lines), and for programs, C(rows), with C(tier), C(possible), C(not_possible) (why),
      C(takes), C(costs), C(start) (commands), C(build_usd) (at most) and C(month_usd) (of what stays), which are null
      where nobody knows.
  type: dict
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def tier_table(plan: Any, known: Any) -> dict[str, Any]:
    """See DOCUMENTATION; what is no plan is an error. Values of templates are converted to plain types at this door."""
    from ansible_collections.petal.hpc.plugins.module_utils._tiers.table import Known, lines, rows

    try:
        plan, given = json.loads(json.dumps([plan, known]))
        found = Known(**{name: value for name, value in given.items() if value is not None})
        return {"lines": lines(plan, found), "rows": [row.to_dict() for row in rows(plan, found)]}
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.tier_table takes a plan and what is known: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"tier_table": tier_table}
