# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The snapshots of a store of the local provider as bases of a volume."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.petal.hpc.plugins.module_utils._base import choice
from ansible_collections.petal.hpc.plugins.module_utils._base.choice import Candidate, Choice, Sought, of_manifest
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import MANIFEST
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy

#: Manifests that are read for one choice, the newest snapshots first.
MOST = 200
#: Packages that have to be shared. To unpack a volume and to clear it takes about as long as Spack needs to unpack ten
#: small packages from the host's own cache (docs/base.md).
LEAST = 12


def choose(host: Host, directory: str, policy: Policy, asked: str, sought: Sought) -> Choice:
    """What a volume begins with. Raises PetalError where one that was named is not there, does not fit or is not
    trusted.

    :param directory: the store's. policy: what the site trusts.
    """
    store, wanted = SnapshotStore(host, directory), replace(sought, least=LEAST)

    def candidates() -> list[Candidate]:
        there = [one for one in store.scan()[0] if asked in (choice.AUTO, one.snapshot_id)]
        # What was named is judged whatever it is; of the others, what is of another system need not be read.
        fit = there if asked != choice.AUTO else [one for one in there if _may_fit(one, sought)]
        return [_candidate(store, one) for one in fit[:MOST]]

    def doubt(snapshot: Snapshot) -> str:
        try:
            verdict = store.judged(snapshot, policy)
        except PetalError as error:
            return str(error)
        return "" if verdict.trusted else verdict.reason

    return choice.choose(asked, wanted, directory, candidates, doubt)


def _may_fit(snapshot: Snapshot, sought: Sought) -> bool:
    return (snapshot.os, snapshot.architecture) == (sought.ground.os, sought.ground.architecture)


def _candidate(store: SnapshotStore, snapshot: Snapshot) -> Candidate:
    try:
        return of_manifest(snapshot, store.beside(snapshot.snapshot_id, MANIFEST))
    except PetalError as error:
        return Candidate(snapshot, doubt=str(error))
