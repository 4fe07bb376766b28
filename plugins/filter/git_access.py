# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: git_access
short_description: Take the token out of a Git repository's address
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns the address without user name and password, and variables with which Git has them all the same. What is on
    a command line, everybody on the host can read, and Git writes the address down.
  - For M(petal.hpc.git_commit). Only addresses of http and https have something taken out.
options:
  _input:
    description: The address, such as V(https://USER:TOKEN@git.example.org/spack.git).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Fetch a repository that wants a token
  petal.hpc.git_commit:
    url: "{{ access.url }}"
    ref: main
    path: /srv/spack
    environment: "{{ access.environment }}"
    secrets: "{{ access.secrets }}"
  vars:
    access: "{{ spack_git_url | petal.hpc.git_access }}"
"""

RETURN = r"""
_value:
  description: Address and variables.
  type: dict
  contains:
    url:
      description: The address without user name and password.
      type: str
    environment:
      description: Variables that may be seen.
      type: dict
    secrets:
      description: Variables for O(petal.hpc.git_commit#module:secrets); none where the address has no token.
      type: dict
"""

from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import git_access


def access(url: Any) -> dict[str, Any]:
    """See DOCUMENTATION; anything but a text is an error."""
    if not isinstance(url, str):
        raise AnsibleFilterError(f"petal.hpc.git_access takes an address, got {type(url).__name__}")
    return asdict(git_access(str(url)))


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"git_access": access}
