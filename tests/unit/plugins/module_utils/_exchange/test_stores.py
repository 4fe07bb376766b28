"""Stores of others at their seam: whole snapshots come and go, and what is odd is named instead of believed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from stored import FINGERPRINT, ID, put, record_of

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api import stores
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.stores import SharedBucket, remote_store
from ansible_collections.petal.hpc.plugins.module_utils._exchange.model import parse_record
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Content, Item, ObjectsError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Parcel

DATA = b"x" * 5000
OTHER = "snap-0000000000000000a"


class Memory:
    """A bucket in memory, in the order in which it was written."""

    def __init__(self, _open_client: Any, url: str) -> None:
        self.url = url
        self.objects: dict[str, bytes] = {}
        self.removed: list[str] = []

    def listing(self, start: str = "") -> list[Item]:
        return [Item(path, len(data), 0.0) for path, data in self.objects.items() if path.startswith(start)]

    def read(self, paths: list[str], limit: int) -> dict[str, bytes]:
        return {path: self.objects[path][: limit + 1] for path in paths if path in self.objects}

    def pieces(self, path: str, size: int) -> list[bytes]:
        if path not in self.objects:
            raise ObjectsError("it does not exist", code="NoSuchKey")
        return [self.objects[path][:size]]

    def add(self, folder: str, files: dict[str, Content]) -> bool:
        for name, content in files.items():
            self.objects[f"{folder}/{name}"] = content if isinstance(content, bytes) else content.path.read_bytes()
        return True

    def drop(self, folder: str, names: tuple[str, ...]) -> None:
        self.removed += [name for name in names if self.objects.pop(f"{folder}/{name}", None) is not None]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Memory:
    memory = Memory(None, "s3://lab/p")
    monkeypatch.setattr(stores, "Bucket", lambda *_given: memory)
    return memory


@pytest.fixture(params=["directory", "bucket"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> stores.Remote:
    if request.param == "directory":
        (tmp_path / "other").mkdir()
        return remote_store(None, str(tmp_path / "other"))
    request.getfixturevalue("bucket")
    return SharedBucket(NoModule(), "s3://lab/p")


class NoModule:
    """What gives no client, for nobody asks."""

    client = None


@pytest.fixture
def own(tmp_path: Path) -> Path:
    put(tmp_path / "own", DATA)
    return tmp_path / "own" / "snapshots" / ID


def parcel(own: Path, **beside: bytes) -> Parcel:
    return Parcel(parse_record((own / "snapshot.json").read_bytes()), (own / "snapshot.json").read_bytes(), beside)


def test_a_snapshot_goes_in_is_found_and_comes_out(other: stores.Remote, own: Path) -> None:
    sent = Parcel(parcel(own).snapshot, parcel(own).record, {"snapshot.json.sig": b"signed", "provenance.json": b"{}"})
    archive = own / "volume.tar.zst"
    assert other.publish(sent, archive, check=True)
    assert other.scan(Criteria()) == ([], [])
    assert other.publish(sent, archive, check=False)
    assert not other.publish(sent, archive, check=False)
    # A look-up reads no more than the signatures.
    (found,), refused = other.scan(Criteria(fingerprint=FINGERPRINT))
    assert (found.snapshot, dict(found.beside), refused) == (sent.snapshot, {"snapshot.json.sig": b"signed"}, [])
    assert other.get(ID) == sent
    assert b"".join(other.pieces(sent.snapshot)) == DATA
    with pytest.raises(PetalError, match="there with other signatures"):
        other.publish(parcel(own), archive, check=False)
    changed = Parcel(sent.snapshot, sent.record.replace(b"quickstart", b"slowstart!"), sent.beside)
    with pytest.raises(PetalError, match="another snapshot of the same id"):
        other.publish(changed, archive, check=False)


def test_it_is_withdrawn_by_id_or_by_fingerprint_and_never_all(other: stores.Remote, own: Path) -> None:
    other.publish(parcel(own), own / "volume.tar.zst", check=False)
    assert other.withdraw(None, None, check=False) == []
    assert other.withdraw(OTHER, None, check=False) == []
    assert other.withdraw(None, "sha256:" + "b" * 64, check=False) == []
    with pytest.raises(PetalError, match="snapshot_id"):
        other.withdraw("../../etc", None, check=False)
    assert other.withdraw(None, FINGERPRINT, check=True) == [ID]
    assert other.withdraw(ID, FINGERPRINT, check=False) == [ID]
    assert other.withdraw(ID, FINGERPRINT, check=False) == []
    with pytest.raises(PetalError, match=f"there is no snapshot {ID}"):
        other.get(ID)


def test_the_record_of_a_bucket_comes_last_and_goes_first(bucket: Memory, own: Path) -> None:
    other = SharedBucket(NoModule(), "s3://lab/p")
    other.publish(
        Parcel(parcel(own).snapshot, parcel(own).record, {"provenance.json": b"{}"}), own / "volume.tar.zst", False
    )
    folder = f"snapshots/{'a' * 64}/{ID}"
    assert [path.rpartition("/") for path in bucket.objects] == [
        (folder, "/", name) for name in ("volume.tar.zst", "provenance.json", "snapshot.json")
    ]
    other.withdraw(ID, None, check=False)
    assert bucket.removed == ["snapshot.json", "provenance.json", "volume.tar.zst"]


def test_what_a_bucket_refuses_says_where_and_why(bucket: Memory, own: Path) -> None:
    assert bucket.objects == {}
    other = SharedBucket(NoModule(), "s3://lab/p")
    with pytest.raises(PetalError, match="fetching from s3://lab/p: NoSuchKey: it does not exist"):
        list(other.pieces(parcel(own).snapshot))


def test_an_archive_that_is_not_the_records_does_not_get_into_a_directory(own: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (own / "volume.tar.zst").write_bytes(b"y" * 5000)
    with pytest.raises(PetalError, match=f"publishing {ID} in .*/other: volume.tar.zst is damaged"):
        remote_store(None, str(tmp_path / "other")).publish(parcel(own), own / "volume.tar.zst", check=False)
    assert list((tmp_path / "other" / "snapshots").iterdir()) == []


def test_a_directory_without_a_record_is_in_the_way(own: Path, tmp_path: Path) -> None:
    """It could not be replaced, and the snapshot was said to be published all the same."""
    other = tmp_path / "other"
    (other / "snapshots" / ID).mkdir(parents=True)
    (other / "snapshots" / ID / "volume.tar.zst").write_bytes(DATA)
    store = remote_store(None, str(other))
    with pytest.raises(PetalError, match=r"of that id is damaged: there is no snapshot\.json\. Withdraw it first"):
        store.publish(parcel(own), own / "volume.tar.zst", check=False)
    assert store.withdraw(ID, None, check=False) == [ID]
    assert store.publish(parcel(own), own / "volume.tar.zst", check=False)


def test_a_store_that_is_not_mounted_is_no_empty_one(own: Path, tmp_path: Path) -> None:
    nowhere = remote_store(None, str(tmp_path / "nowhere"))
    with pytest.raises(PetalError, match=r"no directory .*/nowhere on this host: is it mounted\?"):
        nowhere.scan(Criteria())
    with pytest.raises(PetalError, match="mount it, or make it first"):
        nowhere.publish(parcel(own), own / "volume.tar.zst", check=False)


def test_a_record_is_read_up_to_its_limit(tmp_path: Path) -> None:
    entry = tmp_path / "snapshots" / ID
    put(tmp_path, DATA)
    os.truncate(entry / "snapshot.json", 10**9)
    found, (refusal,) = remote_store(None, str(tmp_path)).scan(Criteria())
    assert found == []
    assert refusal.reason == f"its entry in {tmp_path} is damaged: snapshot.json has more than 1048576 bytes"
    (entry / "snapshot.json").unlink()
    (entry / "snapshot.json").write_text(str(record_of(DATA)))
    assert "is not JSON" in remote_store(None, str(tmp_path)).scan(Criteria())[1][0].reason


@pytest.mark.parametrize("text", ["relative", "/a/../etc", "s3://x", "https://somewhere"])
def test_what_names_no_store(text: str) -> None:
    with pytest.raises(PetalError, match="the store"):
        remote_store(None, text)
