"""Snapshots of the local provider as they stand in a store; their archives are of no volume."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FINGERPRINT = "sha256:" + "a" * 64
ID = "snap-0123456789abcdef0"


def record_of(data: bytes, snapshot_id: str = ID, **different: Any) -> dict[str, Any]:
    """The record of a snapshot whose archive has these bytes; some values may be different."""
    return {
        "snapshot_id": snapshot_id,
        "fingerprint": FINGERPRINT,
        "name": "quickstart",
        "state": "completed",
        "provider": "local",
        "source": "local",
        "owner": "root",
        "region": None,
        "os": "debian12",
        "architecture": "x86_64",
        "size_gb": 1,
        "stored_bytes": len(data),
        "used_bytes": 4096,
        "sha256": hashlib.sha256(data).hexdigest(),
        "created": "2026-01-31T12:00:00Z",
        "description": "",
        "packages": ["six@1.17.0"],
        "tags": {"petal:build-id": "b", "petal:sharing": "public"},
        "progress": 100,
        "message": "",
        "encrypted": None,
        "kms_key_id": None,
        **different,
    }


def put(store: Path, data: bytes, snapshot_id: str = ID, **different: Any) -> dict[str, Any]:
    """Put a snapshot into a store; its record."""
    record = record_of(data, snapshot_id, **different)
    directory = store / "snapshots" / snapshot_id
    directory.mkdir(parents=True)
    (directory / "volume.tar.zst").write_bytes(data)
    (directory / "snapshot.json").write_text(json.dumps(record))
    return record
