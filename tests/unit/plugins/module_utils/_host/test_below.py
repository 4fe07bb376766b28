"""Files below directories of others: no link is followed, and nothing but files is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import try_lock


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "top").mkdir()
    with below.directory(tmp_path / "top") as descriptor:
        yield descriptor


def test_written_once_and_read(top: int, tmp_path: Path) -> None:
    with below.made(top, "entry") as entry:
        with below.creating(entry, "file", 0o444) as stream:
            stream.write(b"text")
        with pytest.raises(FileExistsError), below.creating(entry, "file", 0o444):
            pass
        with below.reading(entry, "file") as found:
            assert found.read() == b"text"
    assert (tmp_path / "top" / "entry" / "file").stat().st_mode & 0o777 == 0o444
    with below.made(top, "entry") as entry:
        assert below.names(entry) == ["file"]
    below.remove(top, "entry")
    below.remove(top, "entry")
    assert below.names(top) == []


def test_links_lead_nowhere(top: int, tmp_path: Path) -> None:
    victim, place = tmp_path / "victim", tmp_path / "place"
    victim.write_text("precious")
    place.mkdir()
    (place / "file").write_text("precious")
    for name, target in (("file", victim), ("directory", place), ("dangling", tmp_path / "new")):
        (tmp_path / "top" / name).symlink_to(target)
    with pytest.raises(PetalError, match="is a link"), below.reading(top, "file"):
        pass
    with pytest.raises(PetalError, match="is a link"), below.made(top, "directory"):
        pass
    for name in ("file", "dangling"):
        with pytest.raises(FileExistsError), below.creating(top, name, 0o644):
            pass
    for name in ("file", "directory", "dangling"):
        below.remove(top, name)
    assert below.names(top) == []
    assert victim.read_text() == (place / "file").read_text() == "precious"
    assert not (tmp_path / "new").exists()


def test_only_files_are_read_and_nothing_waits(top: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "top" / "fifo")
    (tmp_path / "top" / "directory").mkdir()
    for name in ("fifo", "directory"):
        with pytest.raises(PetalError, match="is no file"), below.reading(top, name):
            pass


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc/passwd"])
def test_a_name_is_no_path(top: int, name: str) -> None:
    with pytest.raises(PetalError, match="is no name of a file"), below.reading(top, name):
        pass


def test_what_holds_directories_is_not_removed(top: int, tmp_path: Path) -> None:
    (tmp_path / "top" / "entry" / "inner").mkdir(parents=True)
    with pytest.raises(PetalError, match="none of ours"):
        below.remove(top, "entry")
    assert (tmp_path / "top" / "entry" / "inner").is_dir()


def test_dead_drafts_go_and_living_ones_stay(top: int) -> None:
    with below.made(top, ".tmp-lives", 0o700) as living:
        assert try_lock(living)
        with below.made(top, ".tmp-dead", 0o700), below.made(top, "other", 0o700), below.made(top, ".tmp-open"):
            pass
        below.remove_dead(top, ".tmp-")
        assert below.names(top) == [".tmp-lives", ".tmp-open", "other"]
