# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at an EBS snapshot of the own account: by whose word it may be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import DOCUMENTS
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._provenance.verification import Seen
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.signing_api import judged, own
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


def verify(module: Any, host: Host, snapshot_id: str, policy: Policy, asked: Sequence[str] = ()) -> Seen:
    """What its tags say, and who has signed it. What is on the volume is looked at by the nodes that mount it.

    :param asked: fingerprints of which it has to bear one. Raises SnapshotError where it is none of ours, and AwsError.
    """
    snapshot = own(module, snapshot_id)
    verdict, keys = judged(host, snapshot, policy)
    documents = snapshot.tags.get(DOCUMENTS, "")
    return Seen(snapshot, "", None, verdict, tuple(keys), asked=tuple(asked), documents=documents)
