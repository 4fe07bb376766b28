"""The store numbers what is built in it, so that no clock decides which snapshot is the newest."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import BUILD_ID as BUILD_ID_TAG
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import select
from ansible_collections.petal.hpc.plugins.module_utils._snapshot import api
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore, VolumeAtRest
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    Parcel,
    Snapshot,
    SnapshotRequest,
    parse_snapshot,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import FILE, Place, Policy, TrustError

FINGERPRINT = "sha256:" + "a" * 64


def run(args: list[str], **options: Any) -> tuple[int, str, str]:
    """What Ansible's run_command does, as far as a store needs it."""
    done = subprocess.run(args, cwd=options.get("cwd"), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Clock:
    """The time module of a host whose clock stands somewhere."""

    def __init__(self, now: str) -> None:
        self.now = now

    def gmtime(self) -> None:
        """Nobody looks at it but strftime."""

    def strftime(self, _form: str, _time: None) -> str:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    (tmp_path / "image").write_bytes(b"software")
    return SnapshotStore(Host(run), str(tmp_path / "store"))


def build(store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, now: str) -> Snapshot:
    """A snapshot that a build makes when the host's clock says so."""

    @contextlib.contextmanager
    def at_rest() -> Iterator[VolumeAtRest]:
        yield VolumeAtRest(tmp_path / "image", 1)

    with monkeypatch.context() as patched:
        patched.setattr(api, "time", Clock(now))
        request = SnapshotRequest(
            fingerprint=FINGERPRINT,
            name="quickstart",
            os="debian12",
            architecture="x86_64",
            tags={BUILD_ID_TAG: f"b{number}"},
        )
        return store.ensure(request, at_rest)[0]


def test_the_last_build_is_the_newest_whatever_the_clock_says(
    store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = ("2026-01-01T00:00:00Z", "2040-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    built = [build(store, tmp_path, monkeypatch, number, date) for number, date in enumerate(dates)]
    assert [one.sequence for one in built] == [1, 2, 3, 4]
    found, damaged = store.scan()
    assert (found, damaged) == (built[::-1], [])
    assert select(found[1:], Criteria(fingerprint=FINGERPRINT)).best == built[2], "of 2001, and the last but one"
    store.delete([built[3].snapshot_id])
    assert build(store, tmp_path, monkeypatch, 5, dates[0]).sequence == 4
    assert "sequence" not in json.dumps(built[0].to_dict()), "the record is what it was, for earlier releases too"


def test_what_is_brought_in_has_no_number_and_brings_none(
    store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor has what an earlier release built; a file that is none of ours is passed over."""
    own = build(store, tmp_path, monkeypatch, 1, "2026-01-01T00:00:00Z")
    entry = tmp_path / "store" / "snapshots" / own.snapshot_id
    changed = {"snapshot_id": "snap-" + "f" * 17, "sequence": 99, "created": "2026-06-01T00:00:00Z"}
    record = {**json.loads((entry / "snapshot.json").read_text()), **changed}
    other = parse_snapshot(record)

    def pieces() -> Iterator[bytes]:
        yield store.archive(own.snapshot_id).read_bytes()

    parcel, place = Parcel(other, json.dumps(record).encode()), Place(FILE, "/media/stick/a.tar")
    with pytest.raises(TrustError, match="is not taken: nobody has signed it"):
        store.adopt(parcel, place, Policy(), pieces, "importing it")
    _verdict, adopted = store.adopt(parcel, place, Policy(unsigned=True), pieces, "importing it")
    assert adopted
    assert [one.snapshot_id for one in store.scan()[0]] == [own.snapshot_id, other.snapshot_id]
    for text in ("[]", "{}", "no json", '{"sequence": true}', '{"sequence": -1}', '{"sequence": 1e3}'):
        (entry / "sequence.json").chmod(0o600)
        (entry / "sequence.json").write_text(text)
        assert store.get(own.snapshot_id).sequence is None
    assert store.scan()[0][0].snapshot_id == other.snapshot_id, "without a number it goes by its date"
