"""Retention, with the playbooks that users run: what a store keeps, what goes, and what is only said."""

from __future__ import annotations

import json
from pathlib import Path

from playing import play

DATES = {"0": "2026-01-01", "1": "2026-06-01", "2": "2026-11-29"}


def ids(store: Path) -> list[str]:
    return sorted(path.name[-1] for path in store.glob("snapshots/snap-*"))


def fill(store: Path) -> None:
    """Three snapshots of one stack, complete as far as anybody looks who does not unpack them."""
    for digit, day in DATES.items():
        directory = store / "snapshots" / f"snap-{digit * 17}"
        directory.mkdir(parents=True)
        record = {
            "snapshot_id": directory.name,
            "fingerprint": f"sha256:{digit * 64}",
            "name": "bio",
            "os": "debian12",
            "architecture": "x86_64",
            "size_gb": 1,
            "created": f"{day}T00:00:00Z",
            "state": "completed",
            "provider": "local",
            "source": "local",
            "owner": "somebody",
            "stored_bytes": 1048576,
            "sha256": "0" * 64,
            "description": "",
        }
        (directory / "snapshot.json").write_text(json.dumps(record))
        (directory / "volume.tar.zst").write_bytes(b"0" * 1048576)


def test_what_is_not_kept_goes_and_check_mode_says_it(tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(store)
    listed = play("list_volumes", store=store)
    assert f"3 in {store}, 3.0 MiB stored" in listed.output, listed.output
    planned = play("cleanup", "--check", provider="local", store=store, keep_last="1")
    assert planned.rc == 0, planned.output
    assert [f"Would delete snap-{digit * 17}  bio, of {day}" in planned.output for digit, day in DATES.items()] == [
        True,
        True,
        False,
    ]
    assert ids(store) == ["0", "1", "2"]
    done = play("cleanup", provider="local", store=store, keep_last="2", unused_for="2w")
    assert done.rc == 0, done.output
    assert f"Deleted snap-{'0' * 17}  bio, of 2026-01-01" in done.output
    assert ids(store) == ["1", "2"]
    again = play("cleanup", provider="local", store=store, keep_last="2")
    assert "No snapshot is to go by keep_last and unused_for." in again.output, again.output


def test_nothing_goes_where_nothing_or_nonsense_is_said(tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(store)
    for arguments in ([], ["--check"]):
        silent = play("cleanup", *arguments, provider="local", store=store)
        assert silent.rc == 0, silent.output
        assert "Deleted" not in silent.output
    wrong = play("cleanup", provider="local", store=store, keep_last="none")
    assert wrong.rc != 0
    assert "keep_last is 'none': expected how many snapshots of each stack stay, at least 1" in wrong.output
    assert ids(store) == ["0", "1", "2"]
