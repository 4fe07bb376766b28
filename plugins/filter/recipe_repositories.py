# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recipe_repositories
short_description: Find Spack's repositories of recipes in directories
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns the directories of the repositories by their namespaces. One is known by its C(repo.yaml), in a directory
    that is given or in C(spack_repo/NAME) below it.
  - A directory without any, and a namespace that is taken, are errors.
options:
  _input:
    description: All C(repo.yaml) in the directories, as M(ansible.builtin.slurp) returns them.
    type: list
    elements: dict
    required: true
  directories:
    description: The directories, in the order of the result.
    type: list
    elements: str
    required: true
  taken:
    description: Repositories that there are already, by their namespaces.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say which there are
  ansible.builtin.debug:
    msg: "{{ read.results | petal.hpc.recipe_repositories(['/srv/recipes']) }}"
"""

RETURN = r"""
_value:
  description: Directories by namespaces.
  type: dict
"""

import base64
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._spack.recipes import found_in


def recipe_repositories(marks: Any, directories: Any, taken: Any = None) -> dict[str, str]:
    """See DOCUMENTATION; what is none of slurp's is an error."""
    try:
        texts = {str(m["source"]): base64.b64decode(m["content"]).decode(errors="replace") for m in marks}
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"petal.hpc.recipe_repositories takes results of slurp: {error}") from error
    try:
        return found_in([str(directory) for directory in directories], texts, list(taken or ()))
    except PetalError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"recipe_repositories": recipe_repositories}
