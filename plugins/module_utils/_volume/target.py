# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshot a cluster is to use, of those that are deployed and the one that was found; and what to do about one
that the site does not trust any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import FINGERPRINT
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import VolumeError


@dataclass(frozen=True)
class There:
    """What a cluster has.

    volumes: the deployed ones, as petal.hpc.local_volume_info returns them. untrusted: why the site does not trust them
    any more, by snapshot. current, previous: the snapshots that are in use and were before; empty where none is.
    scontrol: the path of Slurm's command on its head; empty where there is none.
    """

    volumes: Sequence[Mapping[str, Any]] = ()
    untrusted: Mapping[str, str] = field(default_factory=dict)
    current: str = ""
    previous: str = ""
    scontrol: str = ""


@dataclass(frozen=True)
class Asked:
    """What a run asks of a cluster.

    cluster: its name. fingerprint, found: the seed's, and the snapshot that was found of it; empty where none was.
    snapshot_id: the one that was named. rollback: go back to what was in use before. versions: the directory with a
    directory for each snapshot. signatures: those that came after a snapshot was restored, by snapshot.
    """

    cluster: str
    fingerprint: str
    found: str = ""
    snapshot_id: str = ""
    rollback: bool = False
    versions: str = ""
    signatures: Mapping[str, str] = field(default_factory=dict)


def target(there: There, asked: Asked) -> dict[str, Any]:
    """The snapshot that is to be used, where it is, and what there is beside it, as plain JSON types.

    Its id is empty where nothing was found. Raises VolumeError for a volume that does not say whose software it has.
    """
    restored = {volume["snapshot_id"]: volume for volume in there.volumes}
    wanted = _wanted(there, asked, restored)
    return {
        "current": there.current,
        "previous": there.previous,
        "scontrol": there.scontrol,
        "snapshot_id": wanted,
        "fingerprint": _borne(restored[wanted]) if wanted in restored else asked.fingerprint,
        "volume": f"{asked.cluster.lower()}-{wanted[5:13]}",
        "directory": f"{asked.versions}/{wanted}",
        "volumes": [*there.volumes],
        "untrusted": {**there.untrusted},
        "signatures": asked.signatures.get(wanted, ""),
    }


def _wanted(there: There, asked: Asked, restored: Collection[str]) -> str:
    """What is deployed needs no snapshot in a store: it can be named although nothing was found of it."""
    if asked.rollback:
        return there.previous
    return asked.snapshot_id if asked.snapshot_id in restored else asked.found


def _borne(volume: Mapping[str, Any]) -> str:
    try:
        return str(volume["tags"][FINGERPRINT])
    except KeyError:
        raise VolumeError(
            f"the volume {volume.get('name')} of {volume['snapshot_id']} has no tag {FINGERPRINT}, so nothing says "
            "which software it has: remove it (petal.hpc.local_volume with state absent), and deploy again"
        ) from None


def ways_on(volumes: Sequence[Mapping[str, Any]], untrusted: Collection[str], doubted: str) -> str:
    """What to do about a snapshot that is deployed, and which the site does not trust any more: a sentence.

    volumes: the deployed ones. untrusted: the snapshots that the site does not trust.
    """
    trusted = [one for one in dict.fromkeys(volume["snapshot_id"] for volume in volumes) if one not in untrusted]
    first = f"Go to what is there and trusted (deploy_cluster with -e snapshot_id={' or '.join(trusted)}), sign it"
    return (
        f"{first if trusted else 'Sign it'} with a key that the site trusts (ansible-playbook petal.hpc.sign_volume "
        f"-e snapshot_id={doubted} -e petal_signing_key=FILE), deploy another snapshot, or take it away "
        "(petal.hpc.delete_cluster)."
    )
