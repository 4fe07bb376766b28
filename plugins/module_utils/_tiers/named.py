# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that names what it deploys: whether registries and Git have to be asked at all, and what is known without."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import PINS
from ansible_collections.petal.hpc.plugins.module_utils._seed import pins
from ansible_collections.petal.hpc.plugins.module_utils._tiers.choice import IMAGES, Asked

#: Sources that have nothing of an id for certain where they do not show it. What other accounts and registries have is
#: looked for by its fingerprint.
_OWN = "local"


@dataclass(frozen=True)
class Stands:
    """What a run goes by.

    asks: whether somebody has to be asked what tags and branches stand for. known: what they stood for, by their names.
    reason: why the snapshot cannot be used, where that is sure. says: what to tell; empty where there is nothing.
    """

    asks: bool = True
    known: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    says: str = ""


def stands(
    moving: Mapping[str, str],
    plan: Mapping[str, Any],
    found: Mapping[str, Any],
    deployed: Collection[str],
    asked: Asked,
) -> Stands:
    """What a run goes by that names a snapshot, or goes back.

    moving: what can stand for something else tomorrow, by the keys of resolved_refs. plan: of the seed. found: what a
    look-up by the id alone has found. deployed: the snapshots that the cluster has already.
    """
    if not moving or (not asked.snapshot_id and (not asked.rollback or plan["provider"] in IMAGES)):
        return Stands()
    names = ", ".join(dict.fromkeys(moving.values()))
    unasked = f"What {names} in the seed stands for now was not looked up"
    if asked.rollback:
        return Stands(False, says=f"{unasked}: what was deployed before is used as it is.")
    snapshot = found.get("snapshot")
    known = pins.from_tags(snapshot.get("tags") or {}, moving) if snapshot else {}
    if len(known) == len(moving):
        said = ", ".join(f"{moving[name]} {value}" for name, value in known.items())
        compared = f"{asked.snapshot_id} is compared with the seed by what it stood for when that was built"
        return Stands(False, known, says=f"{unasked}: {compared} ({said}).")
    if asked.snapshot_id in deployed:
        return Stands(False, says=f"{unasked}: {asked.snapshot_id} is deployed already, and is used as it is.")
    if snapshot:
        lacks = ", ".join(ref for name, ref in moving.items() if name not in known)
        why = f"{asked.snapshot_id} does not say what {lacks} stood for when it was built (tag {PINS})"
        return Stands(says=f"{why}, so what the seed stands for now is looked up.")
    return Stands(False, reason=str(found.get("reason") or "")) if _sure(plan) else Stands()


def _sure(plan: Mapping[str, Any]) -> bool:
    """Whether what no source shows by its id alone is nowhere."""
    enabled = [one for one in plan["seed"]["snapshot_sources"] if one.get("enabled", True)]
    return all(one.get("type") == _OWN or one.get("store") for one in enabled)
