"""On a full disk: what lets a clean-up begin needs no room, and the disk is named."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore


@pytest.fixture
def host() -> Host:
    return Host(lambda *_arguments, **_options: (0, "", ""))


def refuse(code: int) -> Any:
    """A system call that finds no room."""

    def call(*_arguments: Any, **_options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_record_that_is_there_is_written_over(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "record.json"
    host.write_json(path, {"holder": "x" * 200})
    size = path.stat().st_size
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(Path, "replace", refuse(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        host.write_json(path, {"state": "free"})
    host.write_json(path, {"state": "free"}, in_place=True)
    assert json.loads(path.read_text()) == {"state": "free"}
    assert path.stat().st_size == size, "its blocks are kept"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]
    # What is not there needs room, and other errors are errors.
    with pytest.raises(OSError, match=os.strerror(code)):
        host.write_json(tmp_path / "new.json", {}, in_place=True)
    monkeypatch.setattr(Path, "replace", refuse(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        host.write_json(path, {}, in_place=True)


def test_a_lock_is_held_though_its_holder_cannot_sign(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", refuse(errno.ENOSPC))
    with (
        host.lock(tmp_path / "a.lock", "cleaning up"),
        pytest.raises(PetalError, match="unknown"),
        host.lock(tmp_path / "a.lock", "second", patience=0),
    ):
        pass
    monkeypatch.setattr(os, "pwrite", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"), host.lock(tmp_path / "a.lock", "cleaning up"):
        pass


def test_a_snapshot_goes_where_there_is_no_room_for_another_name(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = tmp_path / "snapshots" / ("snap-" + "a" * 17)
    entry.mkdir(parents=True)
    (entry / "snapshot.json").write_text("{}")
    monkeypatch.setattr(Path, "rename", refuse(errno.ENOSPC))
    SnapshotStore(host, str(tmp_path)).delete([entry.name])
    assert list((tmp_path / "snapshots").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_the_disk_is_named(code: int) -> None:
    with (
        pytest.raises(PetalError, match=r"^making x: the disk with /srv/store/x is full\. Free some space"),
        explained("making x"),
    ):
        raise OSError(code, os.strerror(code), "/srv/store/x")
