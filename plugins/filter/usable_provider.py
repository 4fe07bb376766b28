# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: usable_provider
short_description: A provider that this controller can use
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns the provider as it is. Where the controller lacks the collection that a provider needs, it is an error that
    says how to install it, before anything of it is used. The provider V(local) needs none.
options:
  _input:
    description: The provider.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: List the provider's snapshots
  ansible.builtin.include_tasks: "{{ provider | petal.hpc.usable_provider }}/list.yml"
"""

RETURN = r"""
_value:
  description: The provider.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._aws.needs import asked
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils.installed import demand_aws


def usable(provider: Any) -> Any:
    """See DOCUMENTATION."""
    why = asked({"provider": provider})
    try:
        if why:
            demand_aws(why)
    except PetalError as error:
        raise AnsibleFilterError(str(error)) from error
    return provider


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"usable_provider": usable}
