# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a store are foreign input: read whole, or refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    Snapshot,
    SnapshotError,
    SnapshotRequest,
    parse_snapshot,
)

RECORD: dict[str, Any] = {
    "snapshot_id": "snap-0123456789abcdef0",
    "fingerprint": "sha256:" + "a" * 64,
    "name": "quickstart",
    "os": "debian12",
    "architecture": "x86_64",
    "size_gb": 2,
    "created": "2026-01-31T12:00:00Z",
    "state": "completed",
    "provider": "local",
    "source": "local",
    "owner": "root",
    "region": None,
    "stored_bytes": 100,
    "used_bytes": 1000,
    "sha256": "b" * 64,
    "description": "",
    "packages": ["numpy@2.2.1"],
    "tags": {"petal:build-id": "b1"},
    "progress": 100,
    "message": "",
    "encrypted": None,
    "kms_key_id": None,
}


def test_a_record_reads_back_as_it_was_written() -> None:
    assert json.loads(parse_snapshot(RECORD).record()) == RECORD


def test_a_record_of_before_there_was_progress_can_be_read() -> None:
    later = ("progress", "message", "encrypted", "kms_key_id")
    assert parse_snapshot({key: value for key, value in RECORD.items() if key not in later}) == parse_snapshot(RECORD)


def test_a_newer_record_can_be_read() -> None:
    assert parse_snapshot({**RECORD, "colour": "green"}) == parse_snapshot(RECORD)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("snapshot_id", "../../etc"),
        ("snapshot_id", "snap-0123456789abcdef0\n"),
        ("fingerprint", "sha256:short"),
        ("name", None),
        ("size_gb", 0),
        ("size_gb", True),
        ("size_gb", "2"),
        ("created", "yesterday"),
        ("sha256", None),
        ("stored_bytes", -1),
        ("packages", "numpy"),
        ("packages", [1]),
        ("tags", {"a": 1}),
        ("region", 3),
        ("progress", "all"),
        ("message", 3),
        ("encrypted", "yes"),
        ("kms_key_id", 3),
    ],
)
def test_a_bad_value_is_named(key: str, value: Any) -> None:
    with pytest.raises(SnapshotError, match=key):
        parse_snapshot({**RECORD, key: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_anything_but_a_record_is_refused(value: Any) -> None:
    with pytest.raises(SnapshotError):
        parse_snapshot(value)


@given(st.sampled_from(sorted(RECORD)), JSON)
def test_a_record_with_anything_in_one_place_is_read_or_refused(key: str, value: Any) -> None:
    try:
        assert isinstance(parse_snapshot({**RECORD, key: value}), Snapshot)
    except SnapshotError as error:
        assert key in str(error)


def test_a_build_makes_one_snapshot() -> None:
    request = SnapshotRequest("sha256:" + "a" * 64, "other", "rocky9", "arm64", tags={"petal:build-id": "b1"})
    assert request.is_met_by(parse_snapshot(RECORD))
    assert not request.is_met_by(parse_snapshot({**RECORD, "tags": {"petal:build-id": "b2"}}))
    assert not request.is_met_by(parse_snapshot({**RECORD, "tags": {}}))
    assert not request.is_met_by(parse_snapshot({**RECORD, "fingerprint": "sha256:" + "b" * 64}))
    assert not request.is_met_by(parse_snapshot({**RECORD, "state": "error"}))
