# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: retired
short_description: Which snapshots a site needs no more
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Chooses the snapshots that may go by what a site says that it keeps. What is in use, shared with others or not
    complete never goes.
options:
  _input:
    description: The own snapshots, as RV(petal.hpc.snapshot_info#module:snapshots) has them.
    type: list
    elements: dict
    required: true
  retention:
    description:
      - C(keep_last), how many of each stack (name, system and architecture) stay, the newest; C(unused_for), the age
        from which on others may go, as V(90d), V(12h) or V(2w). Where both are given, both have to let it go. Where
        neither is, nothing goes.
    type: dict
    required: true
  uses:
    description: Where snapshots are in use, by their ids, each as a list of texts.
    type: dict
    default: {}
  shared:
    description:
      - With whom they are shared, as M(petal.hpc.snapshot_info) returns it. A task that was skipped says nothing.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say which ones may go
  ansible.builtin.debug:
    msg: "{{ listed.snapshots | petal.hpc.retired({'keep_last': 3, 'unused_for': '90d'}) }}"
"""

RETURN = r"""
_value:
  description: The snapshots that may go, the oldest first.
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def retired(
    snapshots: Sequence[Mapping[str, Any]],
    retention: Any,
    uses: Mapping[str, Sequence[str]] | None = None,
    shared: Any = None,
) -> list[Mapping[str, Any]]:
    """See DOCUMENTATION; what is no retention is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
    from ansible_collections.petal.hpc.plugins.module_utils._snapshot.retention import Retention

    if not isinstance(retention, Mapping):
        raise AnsibleFilterError("petal.hpc.retired takes a mapping with keep_last and unused_for")
    try:
        kept = Retention.of(retention)
    except PetalError as error:
        raise AnsibleFilterError(str(error)) from error
    if kept is None:
        return []
    told = shared if isinstance(shared, Mapping) else {}
    with_whom = (told.get("shared") or {}).get("with")
    return kept.retires(snapshots, uses or {}, with_whom, datetime.now(timezone.utc))


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[Mapping[str, Any]]]]:
        return {"retired": retired}
