# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes to a seed from outside of its file, before it is checked: extra variables that override some of its keys,
so that one seed serves many clusters, and a site's own sources of snapshots and registry.

The seed is checked with them as if they stood in it. What is wrong about them names where they come from:
``extra variable os``, ``variable registry.trusted_accounts[0]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import schema
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path, Report, SourceMap

#: Extra variables that override a key of the seed.
OVERRIDES: Mapping[str, Path] = {
    "cluster_name": ("cluster", "name"),
    "os": ("cluster", "os"),
    "region": ("cluster", "region"),
    "build_instance": ("software", "build", "instance_type"),
    "on_demand": ("software", "build", "spot"),
}
#: Of those that say the opposite of their key: what a value is the opposite of. Any other is checked as it stands.
OPPOSITES: Mapping[str, Mapping[Any, bool]] = {
    "on_demand": {True: False, False: True, "true": False, "false": True, "yes": False, "no": True}
}
#: The extra variable with the name of a build, which is that of the cluster otherwise.
NAME = "name"
#: The extra variable that says which part of a hybrid seed is meant: its volume, or what build_ami makes of it.
PART = "part"
PART_OF_AMI = "ami"
_PARTS = ("volume", PART_OF_AMI)


def overridden(data: Any, source: SourceMap, given: Mapping[str, Any]) -> tuple[Any, SourceMap]:
    """A seed's data with the extra variables that are given in place of its own; None and "" give nothing.

    Where the seed has no mapping to put them into, it stays as it is: that is an error of its own.
    """
    for name, path in OVERRIDES.items():
        if given.get(name) not in (None, ""):
            value = given[name].lower() if isinstance(given[name], str) and name in OPPOSITES else given[name]
            opposite = OPPOSITES.get(name, {}).get(value, value) if isinstance(value, (str, bool)) else value
            data, source = _put(data, source, path, opposite, f"extra variable {name}")
    return data, source


def with_site(data: Any, source: SourceMap, snapshot_sources: Any, registry: Any) -> tuple[Any, SourceMap]:
    """A seed's data with what a site has set for all seeds.

    snapshot_sources: in place of the seed's own. registry: the seed's own keys win, each for itself; the site's fill
    the rest. None gives nothing.
    """
    if not isinstance(data, Mapping):
        return data, source
    if snapshot_sources is not None:
        data, source = _put(data, source, ("snapshot_sources",), snapshot_sources, "variable snapshot_sources")
    if registry is None:
        return data, source
    own = data.get("registry")
    if not isinstance(registry, Mapping) or "registry" not in data:
        return _put(data, source, ("registry",), registry, "variable registry")
    for key, value in registry.items():
        if isinstance(own, Mapping) and key not in own:
            data, source = _put(data, source, ("registry", key), value, f"variable registry.{key}")
    return data, source


def build_name(given: Mapping[str, Any]) -> tuple[str | None, list[Problem]]:
    """The name of a build that is given, or None; and what is wrong about it."""
    value = given.get(NAME)
    if value in (None, ""):
        return None, []
    report = Report()
    return schema.BUILD_NAME.check(value, (f"extra variable {NAME}",), report), report.problems


def build_part(given: Mapping[str, Any]) -> tuple[str, list[Problem]]:
    """The part of a hybrid seed that is meant, and what is wrong about it."""
    value = given.get(PART) or _PARTS[0]
    if value in _PARTS:
        return str(value), []
    expected = "volume, or ami, which is what petal.hpc.build_ami makes of the seed"
    return _PARTS[0], [Problem(f"extra variable {PART}", "a seed has no such part", str(value), expected)]


def _put(data: Any, source: SourceMap, path: Path, value: Any, origin: str) -> tuple[Any, SourceMap]:
    changed = _with(data, path, value)
    return changed, source if changed is data else replace(source, origins={**source.origins, path: origin})


def _with(data: Any, path: Path, value: Any) -> Any:
    """A copy with one value set; the same where a place on the way is no mapping."""
    if not path:
        return value
    if not isinstance(data, Mapping):
        return data
    inner = data.get(path[0], {})
    changed = _with(inner, path[1:], value)
    return data if len(path) > 1 and changed is inner else {**data, path[0]: changed}
