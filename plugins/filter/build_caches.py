# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_caches
short_description: Which build caches are asked, in which order, and which of them is filled
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Puts the build caches of a run, its seed and its site into their order, and returns the keys that sign those that
    are named with their key. Public caches are last, and never filled.
options:
  _input:
    description:
      - A mapping. C(url) is the site's cache, C(binary_cache) the seed's; C(endpoint_url) and C(region) are where these
        two are. C(mirrors) is a list of C({name, url, endpoint_url, region}).
      - C(public) is a list. Each is C(spack-RELEASE), of Spack's packages from V(v2026.01) on, or C(spack-develop), the
        same as C({name, ref}), an address with the fingerprint of its key behind it, or C({name, url, endpoint_url,
        region, fingerprint}). C(public_url) and C(public_fingerprint) are those of Spack's own.
      - C(push) names the one that is filled; without it, that is the first that can be written.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say where they are
  ansible.builtin.debug:
    msg: "{{ {'url': '/srv/cache', 'public': [site]} | petal.hpc.build_caches }}"
  vars:
    site: https://cache.example.org/stack 0123456789ABCDEF0123456789ABCDEF01234567
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
      description: The keys, as P(petal.hpc.spack_buildcache_keys#module) takes them; none where no cache brings one.
      type: list
      elements: dict
    target:
      description: The cache that is filled; empty where there is none.
      type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def build_caches(given: Any) -> dict[str, Any]:
    """See DOCUMENTATION; what is no cache is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError
    from ansible_collections.petal.hpc.plugins.module_utils._buildcache.naming import asked

    if not isinstance(given, Mapping):
        raise AnsibleFilterError(f"build_caches has got {given!r}: expected a mapping")
    try:
        return asked(given)
    except BuildcacheError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"build_caches": build_caches}
