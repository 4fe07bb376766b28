# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of every module that asks a registry."""

    DOCUMENTATION = r"""
options:
  registry_url:
    description: Address of a registry, C(https://…) or C(file:///…).
    type: str
  registry_cache_dir:
    description: Directory for copies of what it answered. Without it C(petal.hpc/registry) in the user's cache.
    type: path
  registry_offline:
    description: Ask nobody, use the copies alone.
    type: bool
    default: false
  registry_max_age:
    description: Seconds for which a copy is used without asking whether it is still the newest.
    type: int
    default: 600
  registry_timeout:
    description: Seconds that all answers of the registry together may take.
    type: int
    default: 30
  registry_ca_path:
    description: File with the certificates to trust, for a registry with one that the system does not know.
    type: path
  registry_private_redirects:
    description:
      - Follow redirects of the registry also to addresses that only this network or this machine reaches (private,
        link-local, loopback). Without it they are followed to the registry's own host, and to public addresses.
    type: bool
    default: false
"""
