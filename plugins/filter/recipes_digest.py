# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recipes_digest
short_description: What a repository of Spack's recipes holds, as one digest
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns a digest over names and contents of files, without what Git and Python put beside them. It enters the
    fingerprint of a volume.
options:
  _input:
    description: Files as M(ansible.builtin.find) returns them, with C(path) and C(checksum), which is a SHA-256.
    type: list
    elements: dict
    required: true
  directory:
    description: The directory that they are in.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look into the repository
  ansible.builtin.find:
    paths: /srv/recipes
    recurse: true
    get_checksum: true
    checksum_algorithm: sha256
  register: found

- name: Say what it holds
  ansible.builtin.debug:
    msg: "{{ found.files | petal.hpc.recipes_digest('/srv/recipes') }}"
"""

RETURN = r"""
_value:
  description: V(sha256:) and 64 hex digits.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._spack.recipes import digest


def recipes_digest(files: Any, directory: Any) -> str:
    """See DOCUMENTATION; files without names or checksums are an error."""
    try:
        plain = [{"path": str(file["path"]), "checksum": str(file["checksum"])} for file in files]
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.recipes_digest takes files with path and checksum: {error}") from error
    return digest(plain, str(directory))


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"recipes_digest": recipes_digest}
