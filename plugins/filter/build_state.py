# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_state
short_description: How far a build of this run is
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Tells from the facts of the hosts of a build how far it is, and what that means for who goes on with it or clears
    up.
  - The hosts are those in C(volume_build_hosts) of localhost, in order; the last one has the volume.
options:
  _input:
    description: C(hostvars). Without any there is no build.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Go on where a host went away
  ansible.builtin.include_role:
    name: petal.hpc.volume_build
    tasks_from: replace
  when: (hostvars | petal.hpc.build_state).open
"""

RETURN = r"""
_value:
  description: Where the build is.
  type: dict
  contains:
    state:
      description:
        - V(none) where no host builds, V(given) while its host has the volume and has not mounted it, V(building)
          while it is mounted there.
        - V(sealed), V(detached) (the install goes on by itself), V(aborted) or V(away) (the host is gone), as it
          ended there.
      type: str
    host:
      description: The host that has the volume; empty where none builds.
      type: str
    open:
      description:
        - Whether it has not ended. Where the play on its host is over, that one went away, and another has to go on.
      type: bool
    lost:
      description: Whether it went away in the middle, so that an install may go on by itself.
      type: bool
    logs:
      description: Whether its host has logs of it.
      type: bool
    worked:
      description: Whether something was installed on the volume.
      type: bool
    play:
      description: What the play that installs has as its C(hosts); no host where nothing is to be built.
      type: list
      elements: str
    play_of_all:
      description: The same for a play on all hosts that the build has had.
      type: list
      elements: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._build.hosts import (
    BUILDERS,
    HOSTS,
    Build,
    BuildStateError,
    play_of,
)


def build_state(facts: Any) -> dict[str, Any]:
    """See DOCUMENTATION; anything but facts of hosts is an error."""
    if not isinstance(facts, Mapping):
        raise AnsibleFilterError(f"petal.hpc.build_state takes hostvars, got {type(facts).__name__}")
    # get of hostvars gives something undefined for a host that it does not know.
    mine: Mapping[str, Any] = {}
    if "localhost" in facts:
        mine = facts["localhost"]
    names, builders = ([str(name) for name in mine.get(fact, [])] for fact in (HOSTS, BUILDERS))
    try:
        build = Build.of(names, {name: facts[name] for name in names})
    except BuildStateError as error:
        raise AnsibleFilterError(str(error)) from error
    return {**build.to_dict(), "play": play_of(builders), "play_of_all": play_of(names)}


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"build_state": build_state}
