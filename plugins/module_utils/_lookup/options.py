# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every module that looks snapshots up; documented in the fragment ``petal.hpc.lookup``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._lookup.sources import TYPES
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria

ARGUMENTS: dict[str, dict[str, Any]] = {
    "store": {"type": "path", "default": "/var/lib/petal"},
    "fingerprint": {"type": "str"},
    "older_fingerprints": {"type": "list", "elements": "str", "default": []},
    "name": {"type": "str"},
    "snapshot_ids": {"type": "list", "elements": "str", "default": []},
    "os": {"type": "str"},
    "architecture": {"type": "str"},
    "size_gb": {"type": "int"},
    "states": {
        "type": "list",
        "elements": "str",
        "choices": ["pending", "completed", "error"],
        "default": ["completed"],
    },
    "build_id": {"type": "str"},
    "sources": {
        "type": "list",
        "elements": "dict",
        "options": {
            "type": {"type": "str", "choices": list(TYPES), "required": True},
            "priority": {"type": "int", "required": True},
            "account": {"type": "str"},
            "store": {"type": "str"},
            "enabled": {"type": "bool"},
        },
    },
    "all_sources": {"type": "bool", "default": False},
}


def criteria_of(given: Mapping[str, Any]) -> Criteria:
    """What a module with these options is asked for."""
    options = {field.name: given[field.name] for field in fields(Criteria)}
    for several in ("snapshot_ids", "states", "older_fingerprints"):
        options[several] = tuple(options[several])
    return Criteria(**options)
