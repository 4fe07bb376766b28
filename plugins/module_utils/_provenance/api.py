# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State on the host that built a volume where its snapshot comes from, and look at what somebody has stated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import MANIFEST, checked, statement
from ansible_collections.petal.hpc.plugins.module_utils._provenance.reading import read
from ansible_collections.petal.hpc.plugins.module_utils._provenance.verification import Seen
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import (
    Attest,
    SnapshotStore,
    digest,
    judged_with_keys,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    STATEMENT,
    STATEMENT_SIGNATURES,
    Snapshot,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust.api import signed_by
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    STATEMENT_NAMESPACE,
    Policy,
    TrustError,
    Verdict,
    parse_signatures,
)

#: It names what is on the volume, and stands beside the record to be read there.
SBOM = "sbom.cdx.json"


def attest_of(host: Host, given: Any) -> Attest | None:
    """What makes the documents about a snapshot, for ``SnapshotStore.ensure``; None where nothing is given.

    :param given: as ``model.checked`` takes it, and as texts the bill of materials (``sbom``) and the manifest
        (``manifest_text``). Raises PetalError with what is wrong with it, before anything is made.
    """
    if not given:
        return None
    build, name = checked(given), host.identity()["host"]
    texts = {SBOM: str(given.get("sbom") or ""), MANIFEST: str(given.get("manifest_text") or "")}

    def attest(record: Snapshot, record_sha256: str) -> dict[str, str]:
        found = json.dumps(statement(build, record, record_sha256, name), indent=2, sort_keys=True) + "\n"
        return {STATEMENT: found, **{document: text for document, text in texts.items() if text}}

    return attest


def verify(host: Host, store: SnapshotStore, snapshot_id: str, policy: Policy, asked: Sequence[str] = ()) -> Seen:
    """Look at a snapshot of the own store as a stranger would: archive, signatures, provenance. It changes nothing.

    :param asked: fingerprints of which it has to bear one. Raises PetalError where there is none that can be read.
    """
    parcel, origin = store.parcel(snapshot_id)
    snapshot, stated, doubt = parcel.snapshot, None, ""
    with explained(f"reading the archive of {snapshot_id}"):
        found = digest(store.archive(snapshot_id))
    try:
        verdict, keys = judged_with_keys(host, policy, parcel, origin)
    except TrustError as error:
        keys, verdict = [], Verdict(False, str(error))
    statement, signers = parcel.beside.get(STATEMENT), []
    if statement is not None:
        try:
            stated = read(statement, snapshot, hashlib.sha256(parcel.record).hexdigest())
            signatures = parse_signatures(parcel.beside.get(STATEMENT_SIGNATURES, b""))
            signers = signed_by(host, statement, signatures, STATEMENT_NAMESPACE)
            doubt = _doubt(verdict, signers, policy)
        except PetalError as error:
            doubt = str(error)
    came = "" if origin is None else str(origin.place)
    return Seen(snapshot, came, found, verdict, tuple(keys), tuple(signers), stated, doubt, tuple(asked))


def _doubt(verdict: Verdict, keys: Sequence[str], policy: Policy) -> str:
    """Why a statement that is about the snapshot says nothing: whoever vouches for the one has to for the other."""
    known = {signer.key for signer in policy.signers if not signer.revoked}
    return "nobody whom the site trusts has signed it" if verdict.signer and not known & set(keys) else ""
