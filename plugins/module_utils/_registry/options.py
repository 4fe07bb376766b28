# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every module that asks a registry; documented in the fragment ``petal.hpc.registry``."""

from __future__ import annotations

from typing import Any

ARGUMENTS: dict[str, dict[str, Any]] = {
    "registry_url": {"type": "str"},
    "registry_cache_dir": {"type": "path"},
    "registry_offline": {"type": "bool", "default": False},
    "registry_max_age": {"type": "int", "default": 600},
    "registry_timeout": {"type": "int", "default": 30},
    "registry_ca_path": {"type": "path"},
    "registry_private_redirects": {"type": "bool", "default": False},
}
