"""What a host keeps is whole, of those who may write there only, and no more than so much."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host import kept_api
from ansible_collections.petal.hpc.plugins.module_utils._host.kept_api import Kept, key_of

FILES = {"a/one": b"1", "two": b"22"}


def contents(entry: Path | None) -> dict[str, bytes]:
    assert entry is not None
    return {str(path.relative_to(entry)): path.read_bytes() for path in entry.rglob("*") if path.is_file()}


def test_what_is_kept_is_found_by_its_key_and_everybody_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert Kept(tmp_path / "kept", 3).put("key", FILES)
    finally:
        os.umask(before)
    entry = Kept(tmp_path / "kept", 3).take("key")
    assert contents(entry) == FILES
    assert entry is not None
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "kept", entry, entry / "a")} == {"0o755"}
    assert oct((entry / "a/one").stat().st_mode & 0o777) == "0o644"
    assert Kept(tmp_path / "kept", 3).take("other") is None


def test_an_entry_is_never_written_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 3)
    assert kept.put("key", FILES)
    assert kept.put("key", {"two": b"3"})
    assert contents(kept.take("key")) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    for number, key in enumerate(("first", "second", "third")):
        Kept(tmp_path, 3).put(key, FILES)
        os.utime(tmp_path / key, (number, number))
    kept = Kept(tmp_path, 2)
    assert kept.take("first") is not None
    kept.put("new", FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "new"]


def test_drafts_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    for name, age in ((".tmp-dead", 2 * kept_api.STALE), (".tmp-alive", 0)):
        (tmp_path / name).mkdir()
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    Kept(tmp_path, 2).put("key", FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-alive", "key"]


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_where_others_can_write_nothing_is_used_or_kept(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "kept"
    assert Kept(directory, 2).put("key", FILES)
    directory.chmod(mode)
    if mode == 0o775:
        os.chown(directory, -1, 4242)
    kept = Kept(directory, 2)
    assert str(directory) in kept.flaw()
    assert kept.take("key") is None
    assert not kept.put("more", FILES)


def test_without_a_directory_nothing_is_kept() -> None:
    kept = Kept(None, 2)
    assert not kept.put("key", FILES)
    assert kept.take("key") is None
    assert kept.flaw() == ""


def test_what_cannot_be_kept_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not Kept(tmp_path / "file" / "kept", 2).put("key", FILES)


def test_all_that_decides_is_in_the_key() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})
