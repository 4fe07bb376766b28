# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_log
short_description: Where the log of a build is, in words
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Says where the log of a build can be read, from what was found on a host and what was brought to the controller.
options:
  _input:
    description: Paths of logs, as RV(petal.hpc.build_log_info#module:logs) has them.
    type: list
    elements: str
    required: true
  place:
    description:
      - What P(petal.hpc.build_log_places#filter) returned; or of its keys C(host), where the logs are, and C(here),
        whether that is the controller.
    type: dict
    required: true
  fetched:
    description: The result of a task that looped over M(ansible.builtin.fetch).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say where the log is
  ansible.builtin.debug:
    msg: "{{ (['/shared/.petal/logs/spack.log'] | petal.hpc.build_log({'host': 'builder', 'here': false})).lines }}"
"""

RETURN = r"""
_value:
  description: O(place), and where it is.
  type: dict
  contains:
    files:
      description: Paths on the controller.
      type: list
      elements: str
    lines:
      description: One line for each log, or one that says where else it is, or why there is none.
      type: list
      elements: str
    said:
      description: A sentence that names their directory on the controller; empty where none are there.
      type: str
"""

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._build.logs import Found

_KNOWN = ("packages", "volume", "mount_dir", "built")


def build_log(logs: Any, place: Mapping[str, Any], fetched: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """See DOCUMENTATION; anything but a list is an error."""
    if isinstance(logs, (str, bytes)) or not isinstance(logs, Iterable):
        raise AnsibleFilterError(f"petal.hpc.build_log takes a list of paths, got {type(logs).__name__}")
    paths = [str(path) for path in logs]
    brought = [str(one["dest"]) for one in (fetched or {}).get("results", ()) if "dest" in one]
    known = {key: place[key] for key in _KNOWN if key in place}
    found = Found(str(place.get("host", "")), paths, paths if place.get("here") else brought, **known)
    return {**place, "files": list(found.brought), "lines": found.lines(), "said": found.said()}


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"build_log": build_log}
