# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots are in use on a host: those that a volume was made from, which is deployed or kept to go back to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import CLUSTER


def uses_of(volumes: Iterable[Mapping[str, Any]], previous: Mapping[str, str]) -> dict[str, list[str]]:
    """Where snapshots are used, by their ids, as clauses for people.

    :param volumes: as petal.hpc.local_volume returns one; a volume that is neither mounted nor a cluster's is none.
    :param previous: by directory of a cluster's versions the snapshot that its link ``previous`` leads to.
    """
    found: dict[str, list[str]] = {}
    for volume in volumes:
        snapshot_id, where = volume["snapshot_id"], volume["mount_dir"]
        cluster = volume["tags"].get(CLUSTER, "")
        if snapshot_id is None or not (where or cluster):
            continue
        of = f" for {cluster}" if cluster else ""
        directory, _slash, name = (where or "").rpartition("/")
        if not where:
            text = f"kept{of}, not mounted"
        elif name == snapshot_id and previous.get(directory) == snapshot_id:
            text = f"kept at {where}{of}, to go back to"
        else:
            text = f"mounted at {where}{of}"
        found.setdefault(snapshot_id, []).append(text)
    return found


def refusal(doomed: Sequence[Mapping[str, Any]], uses: Mapping[str, Sequence[str]]) -> str:
    """Why these snapshots are not deleted; empty where none is in use.

    :param doomed: each with snapshot_id.
    """
    used = [one["snapshot_id"] for one in doomed if uses.get(one["snapshot_id"])]
    if not used:
        return ""
    what = "; ".join(f"{snapshot_id} is {', '.join(uses[snapshot_id])}" for snapshot_id in used)
    free = [one["snapshot_id"] for one in doomed if one["snapshot_id"] not in used]
    others = f" Not in use, to be deleted with -e snapshot_id=ID: {', '.join(free)}." if free else ""
    return (
        f"in use, so nothing was deleted: {what}.{others} Take the deployment away first (petal.hpc.delete_cluster), "
        "or delete all the same with -e force=true (of the module, force: true): what is mounted stays, and cannot be "
        "made again without a build."
    )
