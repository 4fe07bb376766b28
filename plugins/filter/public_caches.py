# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: public_caches
short_description: Public build caches by name, with the key that signs them
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Turns the names of the public build caches of the Spack project into their addresses, and returns the key that signs
    them, by its fingerprint. Caches that have an address stay as they are.
options:
  _input:
    description:
      - The caches, each C(spack-RELEASE), the same as C({name, ref}), or a mapping with C(name), C(url) and where it
        matters C(endpoint_url) and C(region). A release is one of Spack's packages, from V(v2026.01) on, or V(develop).
    type: list
    elements: raw
    required: true
  url:
    description: Where all of Spack's public caches are, or a mirror of them.
    type: str
    required: true
  fingerprint:
    description: The whole fingerprint of the key that signs them.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say where that is
  ansible.builtin.debug:
    msg: "{{ ['spack-v2026.06.0'] | petal.hpc.public_caches('https://binaries.spack.io', fingerprint) }}"
"""

RETURN = r"""
_value:
  description: The caches and the keys.
  type: dict
  contains:
    caches:
      description: The caches, as P(petal.hpc.spack_buildcache_info#module) takes them.
      type: list
      elements: dict
    keys:
      description: The keys, as P(petal.hpc.spack_buildcache_keys#module) takes them; none where no cache is named.
      type: list
      elements: dict
"""

from collections.abc import Iterable
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def public_caches(wanted: Any, url: str, fingerprint: str) -> dict[str, Any]:
    """See DOCUMENTATION; what is no cache is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError
    from ansible_collections.petal.hpc.plugins.module_utils._buildcache.public import Known, resolved

    if isinstance(wanted, (str, bytes)) or not isinstance(wanted, Iterable):
        raise AnsibleFilterError(f"spack_buildcache_public is {wanted!r}: expected a list of build caches")
    try:
        return resolved(wanted, Known(str(url), str(fingerprint)))
    except BuildcacheError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"public_caches": public_caches}
