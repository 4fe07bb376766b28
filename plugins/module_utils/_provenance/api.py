# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State on the host that built a volume where its snapshot comes from."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import checked, statement
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import Attest
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

#: It names the digest of the record, so that it stands beside it; and so does what is on the volume, to be read there.
PROVENANCE = "provenance.json"
SBOM = "sbom.cdx.json"


def attest_of(host: Host, given: Any) -> Attest | None:
    """What makes the documents about a snapshot, for ``SnapshotStore.ensure``; None where nothing is given.

    :param given: as ``model.checked`` takes it, and the bill of materials as ``sbom``. Raises PetalError with what is
        wrong with it, before anything is made.
    """
    if not given:
        return None
    build, name, sbom = checked(given), host.identity()["host"], str(given.get("sbom") or "")

    def attest(record: Snapshot, record_sha256: str) -> dict[str, str]:
        found = json.dumps(statement(build, record, record_sha256, name), indent=2, sort_keys=True) + "\n"
        return {PROVENANCE: found, **({SBOM: sbom} if sbom else {})}

    return attest
