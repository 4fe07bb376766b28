# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare what is in a store of the local provider, by what stands beside the records. Nothing is unpacked."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._comparison.choice import Asked, difference, pair
from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import Difference, Side
from ansible_collections.petal.hpc.plugins.module_utils._comparison.reading import of_snapshot
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import MANIFEST
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import STATEMENT, Snapshot


def compared(host: Host, directory: str, asked: Asked) -> Difference:
    """What is different on the new side. Raises PetalError.

    :param directory: the store's.
    """
    store = SnapshotStore(host, directory)
    old, new = pair(asked, store.scan()[0], directory)
    return difference(asked, _side(store, old), _side(store, new) if new else None)


def _side(store: SnapshotStore, snapshot: Snapshot) -> Side:
    parcel, _origin = store.parcel(snapshot.snapshot_id)
    manifest = store.beside(snapshot.snapshot_id, MANIFEST)
    return of_snapshot(parcel.snapshot, parcel.record, parcel.beside.get(STATEMENT), manifest)
