# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_log_places
short_description: Where the logs of a build are looked for
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Tells where on its host a build may have its logs, and below which name they come to the controller.
options:
  _input:
    description:
      - The build, with the keys C(plan), C(work_dir) (Spack's, on the host), C(logs_dir) (on the controller),
        C(snapshot) and C(lock) (null where there is none), and C(answered), what M(petal.hpc.spack_environment) said.
    type: dict
    required: true
  asked:
    description: The hosts that can be asked. Without any, what came to the controller is all that there is.
    type: list
    elements: str
    required: true
  host:
    description: What is there of the store, C(volumes) and C(mark) of M(petal.hpc.local_volume_info).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Note where the log may be
  ansible.builtin.set_fact:
    place: "{{ build | petal.hpc.build_log_places(['builder']) }}"
"""

RETURN = r"""
_value:
  description: The places, and what P(petal.hpc.build_log#filter) has to know of the build.
  type: dict
  contains:
    host:
      description: Where they are.
      type: str
    here:
      description: Whether that is the controller, where logs were fetched to.
      type: bool
    build_id:
      description: Which build it is, fit to be the name of a directory.
      type: str
    places:
      description: Files and directories, the telling ones first.
      type: list
      elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._build.logs import Sought

_KEYS = ("logs_dir", "work_dir", "plan", "snapshot", "lock", "answered")


def build_log_places(build: Any, asked: Sequence[str], host: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """See DOCUMENTATION; anything but a build is an error."""
    if not isinstance(build, Mapping) or set(build) != set(_KEYS):
        raise AnsibleFilterError(f"petal.hpc.build_log_places takes a mapping with {', '.join(_KEYS)}")
    known: dict[str, Any] = {key: build[key] or {} for key in _KEYS}
    return Sought(asked=list(asked), **_of_store(host or {}), **known).to_dict()


def _of_store(host: Mapping[str, Any]) -> dict[str, Any]:
    return {"volumes": host.get("volumes", []), "mark": host.get("mark", "")}


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"build_log_places": build_log_places}
