# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_status
short_description: How far a build is that some run has begun
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Tells from what the provider shows of a build, and from what its install says, how far it is and whether there is
    something to go on with.
options:
  _input:
    description:
      - V(building) where a run looks after it, V(left) where something of a build is there and nobody does,
        V(elsewhere) where that may install on a host to which this controller has no way, else V(none).
    type: str
    required: true
  hit:
    description: Whether the snapshot of the build is there.
    type: bool
    required: true
  answers:
    description:
      - What RV(petal.hpc.spack_environment#module:status) was on the host, if there is one that could be asked; a
        text that is empty where the host did not answer.
    type: list
    elements: str
    default: []
  watch:
    description: Whether somebody stays until it is finished.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say whether there is something to go on with
  ansible.builtin.debug:
    msg: "{{ ('left' | petal.hpc.build_status(false, ['finished'])).go_on }}"
"""

RETURN = r"""
_value:
  description: The status.
  type: dict
  contains:
    state:
      description:
        - V(built), V(none), V(building), V(left), V(elsewhere), V(unreachable), or what the install says.
      type: str
    go_on:
      description: Whether to go on with it, as the install has ended or somebody watches.
      type: bool
"""

from collections.abc import Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._build.status import Seen, Status


def build_status(seen: Any, hit: bool, answers: Sequence[str] = (), *, watch: bool = False) -> dict[str, Any]:
    """See DOCUMENTATION; what no provider shows is an error."""
    try:
        shown = Seen(str(seen))
    except ValueError as error:
        expected = ", ".join(one.value for one in Seen)
        raise AnsibleFilterError(f"petal.hpc.build_status takes one of {expected}, got {seen!r}") from error
    status = Status(hit=bool(hit), seen=shown, asked=len(answers) > 0, answer=str(answers[0]) if answers else "")
    return {"state": status.state, "go_on": status.goes_on(watched=bool(watch))}


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"build_status": build_status}
