# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deep merge of hand-written ParallelCluster keys into a configuration."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

#: Key by which entries of a list are told apart (queues, compute resources, volumes, pools of login nodes).
NAME = "Name"


def merge(base: Any, override: Any) -> Any:
    """A copy of ``base`` with ``override`` laid over it; neither is changed.

    Mappings are merged key by key, and a key whose value is null is taken out. Lists whose entries all have a
    ``Name`` are merged by it, new names come last. Everything else is replaced.
    """
    if isinstance(base, Mapping) and isinstance(override, Mapping):
        return _mappings(base, override)
    if _named(base) and _named(override):
        return _lists(base, override)
    return _without_null(override)


def _mappings(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in override.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged[key], value) if key in merged else _without_null(value)
    return merged


def _lists(base: list[Any], override: list[Any]) -> list[Any]:
    merged = {entry[NAME]: copy.deepcopy(entry) for entry in base}
    for entry in override:
        name = entry[NAME]
        merged[name] = merge(merged[name], entry) if name in merged else _without_null(entry)
    return list(merged.values())


def _named(value: Any) -> bool:
    """Whether it is a list of mappings that are told apart by their names."""
    if not isinstance(value, list) or not value:
        return False
    names = [entry.get(NAME) if isinstance(entry, Mapping) else None for entry in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _without_null(value: Any) -> Any:
    """A copy in which nothing is null: there it would mean a key that is to be taken out."""
    if isinstance(value, Mapping):
        return {key: _without_null(entry) for key, entry in value.items() if entry is not None}
    return [_without_null(entry) for entry in value] if isinstance(value, list) else copy.deepcopy(value)
