"""A directory as a store of objects, really on disk, with what hostile neighbours put into it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._objects.api.directory import Directory
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Content, File, ObjectsError


@pytest.fixture
def store(tmp_path: Path) -> Directory:
    made = Directory(tmp_path / "deep" / "store")
    assert not made.exists()
    made.make()
    assert made.exists()
    return made


def test_objects_are_written_listed_read_and_removed(store: Directory) -> None:
    store.write("a/b/one", b"1")
    store.write("a/two", b"22")
    store.write("a/two", b"222")
    assert {item.path: item.size for item in store.listing()} == {"a/b/one": 1, "a/two": 3}
    assert [item.path for item in store.listing("a/b")] == ["a/b/one"]
    wanted = ["a/two", "a/b/one", "a/none", "none/at/all"]
    assert store.read(wanted, 100) == {"a/two": b"222", "a/b/one": b"1"}
    assert store.digests(wanted)["a/two"] == hashlib.sha256(b"222").hexdigest()
    assert store.sizes(wanted) == {"a/two": 3, "a/b/one": 1}
    store.remove(["a/two", "a/none", "none/at/all"])
    assert [item.path for item in store.listing()] == ["a/b/one"]
    assert store.names("a") == ["b"]
    assert store.names("none") == []


def test_no_more_is_read_than_shows_that_it_is_too_large(store: Directory) -> None:
    store.write("large", b"x" * 1000)
    assert store.read(["large"], 10) == {"large": b"x" * 11}
    assert b"".join(store.pieces("large", 999)) == b"x" * 999
    assert b"".join(store.pieces("large", 2000)) == b"x" * 1000
    with pytest.raises(FileNotFoundError):
        list(store.pieces("none", 1))


@pytest.mark.parametrize("what", ["link", "directory", "pipe", "link between"])
def test_what_is_no_plain_file_is_named_and_not_opened(store: Directory, tmp_path: Path, what: str) -> None:
    (tmp_path / "secret").write_text("secret")
    at = store.path / "folder" / "object"
    if what == "link between":
        at.parent.symlink_to(tmp_path)
        (tmp_path / "object").write_text("secret")
    else:
        at.parent.mkdir()
    if what == "link":
        at.symlink_to(tmp_path / "secret")
    elif what == "directory":
        at.mkdir()
    elif what == "pipe":
        os.mkfifo(at)
    for ask in (
        lambda: store.read(["folder/object"], 10),
        lambda: store.digests(["folder/object"]),
        lambda: list(store.pieces("folder/object", 10)),
    ):
        with pytest.raises(ObjectsError) as raised:
            ask()
        assert raised.value.path == "folder/object"
    assert [item.path for item in store.listing()] == []


def test_nothing_is_written_or_removed_through_a_link(store: Directory, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "object").write_text("precious")
    (store.path / "folder").symlink_to(victim)
    with pytest.raises(ObjectsError, match="is a link"):
        store.write("folder/object", b"x")
    with pytest.raises(ObjectsError, match="is a link"):
        store.remove(["folder/object"])
    with pytest.raises(ObjectsError, match="is a link"):
        store.add("folder/new", {"file": b"x"})
    # A link in the place of the file itself is replaced, and led nowhere.
    (store.path / "file").symlink_to(victim / "object")
    store.write("file", b"x")
    assert (victim / "object").read_text() == "precious"
    assert [path.name for path in victim.iterdir()] == ["object"]


def large(path: Path, data: bytes) -> File:
    path.write_bytes(data)

    def copy(stream: BinaryIO) -> None:
        stream.write(path.read_bytes())

    return File(path, copy)


def test_a_folder_is_there_whole_or_not_at_all(store: Directory, tmp_path: Path) -> None:
    files: dict[str, Content] = {"archive": large(tmp_path / "archive", b"data"), "record": b"{}"}
    assert store.add("all/one", files)
    assert not store.add("all/one", {"record": b"another"})
    assert store.read(["all/one/archive", "all/one/record"], 10) == {
        "all/one/archive": b"data",
        "all/one/record": b"{}",
    }
    assert {path.stat().st_mode & 0o777 for path in (store.path / "all" / "one").iterdir()} == {0o444}

    def fail(_stream: BinaryIO) -> None:
        raise PetalError("it is damaged")

    with pytest.raises(ObjectsError, match="it is damaged"):
        store.add("all/two", {"record": b"{}", "archive": File(tmp_path / "archive", fail)})
    assert store.names("all") == ["one"]
    store.drop("all/one", ["record", "archive"])
    assert store.names("all") == []
    with pytest.raises(FileNotFoundError):
        store.drop("all/one", ["record", "archive"])


def test_what_a_dead_writer_left_goes_and_what_is_of_others_stays(store: Directory) -> None:
    (store.path / "all" / ".tmp-dead").mkdir(0o700, parents=True)
    (store.path / "all" / ".tmp-open").mkdir()
    assert store.add("all/one", {"record": b"{}"})
    assert store.names("all") == [".tmp-open", "one"]
