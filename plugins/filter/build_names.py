# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_names
short_description: What the resources of a build are called
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Gives the names of what a build makes on AWS or in a store, which follow from its fingerprint.
options:
  _input:
    description: A fingerprint.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say what a build is called
  ansible.builtin.debug:
    msg: "{{ ('sha256:' ~ '0123456789abcdef' * 4) | petal.hpc.build_names }}"
"""

RETURN = r"""
_value:
  description: The names.
  type: dict
  contains:
    fingerprint:
      description: The fingerprint itself.
      type: str
    resource:
      description: Of key pair, security group, volume and instance on AWS.
      type: str
    volume:
      description: Of the volume in a store of the local provider.
      type: str
    image_resource:
      description: Of key pair, security group, volume and instance of what makes a machine image on AWS.
      type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core import names
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def build_names(fingerprint: Any) -> dict[str, str]:
    """See DOCUMENTATION; anything but a fingerprint is an error."""
    try:
        return names.build_names(str(fingerprint))
    except PetalError as error:
        raise AnsibleFilterError(f"petal.hpc.build_names: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"build_names": build_names}
