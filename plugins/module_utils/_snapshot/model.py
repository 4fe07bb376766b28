# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One record for the snapshots of every provider."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import FINGERPRINT
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import SHA256, SNAPSHOT_ID
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import BUILD_ID
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import SIGNATURES_LIMIT

COMPLETED = "completed"
PENDING = "pending"
ERROR = "error"
CREATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class SnapshotError(PetalError):
    """A snapshot cannot be made, read or used."""


RECORD = "snapshot.json"
SIGNATURES = "snapshot.json.sig"
#: Where it comes from: an in-toto statement about the record, and the signatures of that.
STATEMENT = "provenance.json"
STATEMENT_SIGNATURES = "provenance.json.sig"
#: What goes with a record wherever a snapshot goes, in the order in which it is written, and its limits in bytes.
BESIDE = {SIGNATURES: SIGNATURES_LIMIT, STATEMENT: 16 * 1024**2, STATEMENT_SIGNATURES: SIGNATURES_LIMIT}
#: What a store says of a snapshot, and no record does: nobody can bring it along.
OF_STORE = ("imported", "sequence")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a software volume.

    size_gb: size in GiB of the volume it was taken from; a volume made from it is at least as large.
    stored_bytes, sha256: of the archive; None where the provider does not tell.
    used_bytes: what its files take of a disk when restored; None when not known.
    created: ISO 8601, UTC, ``2026-01-31T12:00:00Z``; sorts by time.
    owner: account (AWS) or user (local) that made it. region: None for local ones.
    progress: percent done; below 100 only while pending. message: why it is in its state, where the provider says.
    encrypted, kms_key_id: None where the provider knows no such thing.
    imported: where one that was not built here came from, as a clause; no part of its record.
    sequence: its number among those that were built in the store it was read from; None for what came from elsewhere,
        and what earlier releases built. The store's word and no part of the record: nobody can bring it along.
    """

    snapshot_id: str
    fingerprint: str
    name: str
    os: str
    architecture: str
    size_gb: int
    created: str
    state: str = COMPLETED
    provider: str = "local"
    source: str = "local"
    owner: str = ""
    region: str | None = None
    stored_bytes: int | None = None
    used_bytes: int | None = None
    sha256: str | None = None
    description: str = ""
    packages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    progress: int = 100
    message: str = ""
    encrypted: bool | None = None
    kms_key_id: str | None = None
    imported: str = ""
    sequence: int | None = field(default=None, compare=False)

    @property
    def build_id(self) -> str | None:
        return self.tags.get(BUILD_ID)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, as the modules return them."""
        return {key: value for key, value in asdict(self).items() if key != "sequence"}

    def record(self) -> bytes:
        """The record as a store keeps it, and as it is signed: the same bytes for the same snapshot."""
        kept = {key: value for key, value in asdict(self).items() if key not in OF_STORE}
        return (json.dumps(kept, indent=2, sort_keys=True) + "\n").encode()


@dataclass(frozen=True)
class Parcel:
    """A snapshot on its way from one store to another.

    record: its very bytes, which are what is signed. beside: what is there of BESIDE, by name. A look-up reads no more
    of it than the signatures.
    """

    snapshot: Snapshot
    record: bytes
    beside: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def signatures(self) -> bytes:
        """Of the record; empty where nobody has signed it."""
        return self.beside.get(SIGNATURES, b"")


def _text(value: Mapping[str, Any], key: str, pattern: re.Pattern[str] | None = None) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise SnapshotError(f"{key} is missing or no text")
    if pattern is not None and not pattern.fullmatch(found):
        raise SnapshotError(f"{key} is not of the form {pattern.pattern}")
    return found


def _number(value: Mapping[str, Any], key: str, least: int, optional: bool = False) -> int | None:
    found = value.get(key)
    if found is None and optional:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or found < least:
        raise SnapshotError(f"{key} is not a whole number of at least {least}")
    return found


def parse_snapshot(value: Any) -> Snapshot:
    """Read a record of the local store, which is checked like any foreign input.

    :param value: what was in snapshot.json. Unknown keys are passed over, so that newer records can be read.
    :return: the record. Raises SnapshotError with what is wrong.
    """
    if not isinstance(value, dict):
        raise SnapshotError("the record is no mapping")
    packages, tags, region = value.get("packages", []), value.get("tags", {}), value.get("region")
    if not isinstance(packages, list) or not all(isinstance(item, str) for item in packages):
        raise SnapshotError("packages is not a list of texts")
    if not isinstance(tags, dict) or not all(isinstance(item, str) for item in tags.values()):
        raise SnapshotError("tags is not a mapping of texts")
    if region is not None and not isinstance(region, str):
        raise SnapshotError("region is no text")
    encrypted, key = value.get("encrypted"), value.get("kms_key_id")
    if not isinstance(encrypted, (bool, type(None))) or not isinstance(key, (str, type(None))):
        raise SnapshotError("encrypted is not true, false or null, or kms_key_id is no text")
    return Snapshot(
        snapshot_id=_text(value, "snapshot_id", SNAPSHOT_ID),
        fingerprint=_text(value, "fingerprint", FINGERPRINT),
        name=_text(value, "name"),
        os=_text(value, "os"),
        architecture=_text(value, "architecture"),
        size_gb=_number(value, "size_gb", 1) or 0,
        created=_text(value, "created", CREATED),
        state=_text(value, "state"),
        provider=_text(value, "provider"),
        source=_text(value, "source"),
        owner=_text(value, "owner"),
        region=region,
        stored_bytes=_number(value, "stored_bytes", 0, optional=True),
        used_bytes=_number(value, "used_bytes", 0, optional=True),
        sha256=_text(value, "sha256", SHA256),
        description=_text(value, "description"),
        packages=packages,
        tags=tags,
        progress=_number({"progress": 100, **value}, "progress", 0) or 0,
        message=_text({"message": "", **value}, "message"),
        encrypted=encrypted,
        kms_key_id=key,
    )


@dataclass(frozen=True)
class SnapshotRequest:
    """What a new snapshot shall say of itself."""

    fingerprint: str
    name: str
    os: str
    architecture: str
    description: str = ""
    packages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def is_met_by(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot is the one that this build would make: same fingerprint, same build."""
        same_build = snapshot.build_id == self.tags.get(BUILD_ID)
        return snapshot.state == COMPLETED and snapshot.fingerprint == self.fingerprint and same_build
