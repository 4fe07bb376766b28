"""Snapshots of the local provider: complete or not there, found, restored, refused when damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, result_of, run_module, start_module

FINGERPRINT = "sha256:" + "a" * 64


@pytest.fixture
def volume(store: Path, tmp_path: Path) -> Iterator[str]:
    """A detached volume with one file of 64 MiB that does not compress."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    mount_dir = tmp_path / "mount"
    run_module("local_volume", store=store, name=name, size_gb=1, state="mounted", mount_dir=mount_dir)
    (mount_dir / "random").write_bytes(os.urandom(64 * 1024**2))
    (mount_dir / "text").write_text("kept")
    (mount_dir / "deleted").write_bytes(os.urandom(64 * 1024**2))
    os.sync()
    (mount_dir / "deleted").unlink()
    run_module("local_volume", store=store, name=name, state="detached")
    yield name
    for leftover in (name, f"{name}-copy"):
        run_module("local_volume", store=store, name=leftover, state="absent")


def request(store: Path, volume: str, build: str = "b1", **different: Any) -> dict[str, Any]:
    """Arguments for a snapshot."""
    return {
        "store": store,
        "volume": volume,
        "fingerprint": FINGERPRINT,
        "name": "quickstart",
        "os": "debian12",
        "architecture": "x86_64",
        "packages": ["numpy@2.2.1"],
        "tags": {"petal:build-id": build},
        **different,
    }


def entries(store: Path) -> list[str]:
    return sorted(path.name for path in store.glob("snapshots/*"))


def differing(one: Path, other: Path) -> int:
    """How many blocks of 4 KiB differ in two images of one size."""
    with one.open("rb") as first, other.open("rb") as second:
        return sum(first.read(4096) != second.read(4096) for _number in range(one.stat().st_size // 4096))


def of_file_system(image: Path) -> dict[str, str]:
    said = subprocess.run(["dumpe2fs", "-h", image], check=True, capture_output=True, text=True).stdout
    return {name: value.strip() for name, _colon, value in (line.partition(":") for line in said.splitlines())}


def test_what_begins_with_a_snapshot_is_another_file_system_of_the_same_blocks(
    store: Path, volume: str, tmp_path: Path
) -> None:
    record = run_module("local_snapshot", **request(store, volume))["snapshot"]
    asked = {"store": store, "name": f"{volume}-copy", "snapshot_id": record["snapshot_id"]}
    before = run_module("local_volume", store=store, name=volume)["volume"]
    made = run_module("local_volume", **asked, new_uuid=True)["volume"]
    image = Path(made["image"])
    assert (
        made["filesystem_uuid"] != before["filesystem_uuid"] == of_file_system(Path(before["image"]))["Filesystem UUID"]
    )
    assert made["filesystem_uuid"] == of_file_system(image)["Filesystem UUID"]
    # The superblock and its copies; a UUID in every checksum would be all of its tables.
    assert differing(image, Path(before["image"])) < 16
    for name, place in ((volume, "first"), (f"{volume}-copy", "second")):
        run_module("local_volume", store=store, name=name, state="mounted", mount_dir=tmp_path / place)
        assert (tmp_path / place / "text").read_text() == "kept"
    for name in (volume, f"{volume}-copy"):
        run_module("local_volume", store=store, name=name, state="detached")
    subprocess.run(["e2fsck", "-f", "-n", image], check=True, capture_output=True)
    run_module("local_volume", store=store, name=f"{volume}-copy", state="absent")
    assert run_module("local_volume", **asked)["volume"]["filesystem_uuid"] == before["filesystem_uuid"]


def test_a_device_that_is_not_mounted_gets_a_uuid_of_its_own_once(tmp_path: Path) -> None:
    first, second, place = tmp_path / "first", tmp_path / "second", tmp_path / "place"
    with first.open("xb") as stream:
        stream.truncate(256 * 1024**2)
    place.mkdir()
    # As a build host on AWS makes one, with what its e2fsprogs have by default.
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-L", "petal", "-J", "size=16", first], check=True)
    subprocess.run(["mount", "-o", "loop", first, place], check=True)
    for number in range(500):
        (place / f"{number}").write_text("x")
    subprocess.run(["umount", place], check=True)
    shutil.copyfile(first, second)
    found = subprocess.run(["losetup", "--find", "--show", second], check=True, capture_output=True, text=True)
    device = found.stdout.strip()
    try:
        asked: dict[str, Any] = {"state": "renewed", "device": device, "volume_id": "vol-1"}
        before = of_file_system(first)["Filesystem UUID"]
        assert run_module("volume_base", check=True, **asked)["changed"]
        assert of_file_system(second)["Filesystem UUID"] == before
        assert run_module("volume_base", **asked)["changed"]
        after = of_file_system(second)["Filesystem UUID"]
        assert after != before
        assert not run_module("volume_base", **asked)["changed"]
        subprocess.run(["e2fsck", "-f", "-n", device], check=True, capture_output=True)
        subprocess.run(["sync", device], check=True)
        assert differing(first, second) < 16
        subprocess.run(["mount", device, place], check=True)
        try:
            assert not run_module("volume_base", **{**asked, "volume_id": "vol-2"})["changed"]
        finally:
            subprocess.run(["umount", place], check=True)
        assert of_file_system(second)["Filesystem UUID"] == after
        subprocess.run(["wipefs", "--all", "--quiet", device], check=True)
        assert f"there is no ext4 on {device}" in fail_module("volume_base", **asked)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_life_of_a_snapshot(store: Path, volume: str, tmp_path: Path) -> None:
    assert run_module("local_snapshot", check=True, **request(store, volume))["changed"]
    assert entries(store) == []
    made = run_module("local_snapshot", **request(store, volume))
    record = made["snapshot"]
    assert made["changed"]
    assert entries(store) == [record["snapshot_id"]]
    directory = store / "snapshots" / record["snapshot_id"]
    assert sorted(path.name for path in directory.iterdir()) == ["sequence.json", "snapshot.json", "volume.tar.zst"]
    # Files inside that not everybody may read are in the archive, too.
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == {
        "sequence.json": 0o444,
        "snapshot.json": 0o444,
        "volume.tar.zst": 0o600,
    }
    assert 64 * 1024**2 < record["stored_bytes"] < 80 * 1024**2, "deleted files are not in it"
    assert (record["state"], record["provider"], record["region"], record["size_gb"]) == ("completed", "local", None, 1)

    again = run_module("local_snapshot", **request(store, volume))
    assert (again["changed"], again["snapshot"]) == (False, record)
    other = run_module("local_snapshot", **request(store, volume, build="b2"))["snapshot"]
    assert other["snapshot_id"] != record["snapshot_id"]

    found = run_module("snapshot_info", store=store, fingerprint=FINGERPRINT, os="debian12", architecture="x86_64")
    assert len(found["snapshots"]) == 2
    assert found["snapshot"]["snapshot_id"] in found["reason"]
    none = run_module("snapshot_info", store=store, fingerprint=FINGERPRINT, architecture="arm64")
    assert none["snapshot"] is None
    assert len(none["passed_over"]) == 2

    # Copies are independent: the volume and the snapshot may go.
    mount_dir = tmp_path / "copy"
    run_module("local_volume", store=store, name=volume, state="absent")
    copy = run_module(
        "local_volume",
        store=store,
        name=f"{volume}-copy",
        state="mounted",
        mount_dir=mount_dir,
        snapshot_id=record["snapshot_id"],
        size_gb=2,
        read_only=True,
    )["volume"]
    assert (copy["size_gb"], copy["snapshot_id"], copy["existed"]) == (2, record["snapshot_id"], False)
    assert (mount_dir / "text").read_text() == "kept"
    doomed: dict[str, Any] = {"store": store, "state": "absent", "snapshot_id": record["snapshot_id"]}
    assert f"mounted at {mount_dir}" in fail_module("local_snapshot", **doomed)
    deleted = run_module("local_snapshot", **doomed, force=True)
    assert deleted["deleted"] == [record["snapshot_id"]]
    assert (mount_dir / "text").read_text() == "kept"
    rest = run_module("local_snapshot", store=store, state="absent", fingerprint=FINGERPRINT)
    assert rest["deleted"] == [other["snapshot_id"]]
    assert not run_module("local_snapshot", store=store, state="absent", fingerprint=FINGERPRINT)["changed"]
    assert entries(store) == []


@pytest.fixture
def manifest_volume(store: Path, tmp_path: Path) -> Iterator[Callable[[Callable[[Path], Any]], str]]:
    """Makes snapshots that claim FINGERPRINT, of volumes whose manifest somebody else writes; gives their ids."""
    names: list[str] = []

    def make(write: Callable[[Path], Any]) -> str:
        name, mount_dir = f"test-{uuid.uuid4().hex[:8]}", tmp_path / "manifest"
        names.append(name)
        run_module("local_volume", store=store, name=name, size_gb=1, state="mounted", mount_dir=mount_dir)
        (mount_dir / ".petal").mkdir()
        write(mount_dir / ".petal" / "manifest.json")
        run_module("local_volume", store=store, name=name, state="detached")
        return str(run_module("local_snapshot", **request(store, name, build=name))["snapshot"]["snapshot_id"])

    yield make
    for name in [*names, "test-restored"]:
        run_module("local_volume", store=store, name=name, state="absent")


def test_a_volume_is_made_only_where_its_manifest_bears_the_fingerprint(
    store: Path, tmp_path: Path, manifest_volume: Callable[[Callable[[Path], Any]], str]
) -> None:
    def sparse(path: Path) -> None:
        with path.open("w") as stream:
            stream.truncate(900 * 1024**2)

    wanted: dict[str, Any] = {"store": store, "name": "test-restored", "fingerprint": FINGERPRINT, "state": "mounted"}
    hostile: dict[Callable[[Path], Any], str] = {
        lambda path: path.write_text(
            json.dumps({"fingerprint": "sha256:" + "b" * 64})
        ): "it bears the fingerprint 'sha256:bbb",
        lambda path: path.write_text("[]"): "it bears the fingerprint 'None'",
        lambda path: path.write_text("{"): "is not JSON",
        lambda path: path.write_text("[" * 100_000): "is not JSON",
        lambda _path: None: "there is none that can be read",
        Path.mkdir: "manifest",
        lambda path: path.symlink_to("/etc/hostname"): "manifest",
        os.mkfifo: "manifest",
        sparse: "there is none that can be read",
    }
    for write, said in hostile.items():
        forged = manifest_volume(write)
        message = fail_module("local_volume", **wanted, snapshot_id=forged, mount_dir=tmp_path / "restored")
        assert said in message
        assert "\n" not in message
        assert list((store / "volumes").glob("*restored*")) == []
        assert not (tmp_path / "restored").exists()
    good = manifest_volume(lambda path: path.write_text(json.dumps({"fingerprint": FINGERPRINT})))
    made = run_module("local_volume", **wanted, snapshot_id=good, mount_dir=tmp_path / "restored", read_only=True)
    assert made["volume"]["mounted"]


def test_a_file_system_with_errors_is_never_mounted(store: Path, tmp_path: Path, volume: str) -> None:
    """Digests say that it is whole; the kernel would have read it all the same."""
    snapshot_id = run_module("local_snapshot", **request(store, volume))["snapshot"]["snapshot_id"]
    entry, work = store / "snapshots" / snapshot_id, tmp_path / "work"
    archive, record = entry / "volume.tar.zst", json.loads((entry / "snapshot.json").read_text())
    work.mkdir()
    subprocess.run(["tar", "-x", "--zstd", "-f", archive, "-C", work], check=True)
    # The root directory's inode, without its checksum.
    subprocess.run(["debugfs", "-w", "-R", "clri <2>", work / "volume.img"], check=True, capture_output=True)
    subprocess.run(["tar", "-c", "--zstd", "--sparse", "-f", archive, "-C", work, "volume.img"], check=True)
    data = archive.read_bytes()
    record.update(sha256=hashlib.sha256(data).hexdigest(), stored_bytes=len(data))
    (entry / "snapshot.json").unlink()
    (entry / "snapshot.json").write_text(json.dumps(record))
    wanted = {"store": store, "name": f"{volume}-copy", "snapshot_id": snapshot_id, "state": "mounted"}
    message = fail_module("local_volume", **wanted, mount_dir=tmp_path / "restored")
    assert "it has errors (e2fsck ended with status" in message
    assert not (tmp_path / "restored").exists()
    assert list((store / "volumes").glob("*-copy*")) == []


def test_an_archive_that_is_larger_than_its_record_says_fills_no_disk(store: Path, volume: str, tmp_path: Path) -> None:
    made = run_module("local_snapshot", **request(store, volume))["snapshot"]["snapshot_id"]
    archive = store / "snapshots" / made / "volume.tar.zst"
    bomb = tmp_path / "volume.img"
    with bomb.open("wb") as stream:
        stream.truncate(3 * 1024**3)
    archive.unlink()
    pack = ["tar", "--create", "--zstd", f"--file={archive}", f"--directory={tmp_path}", bomb.name]
    # Not sparse for tar: it would write all of it.
    subprocess.run(pack, check=True)
    record = store / "snapshots" / made / "snapshot.json"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    changed = {"sha256": digest, "stored_bytes": archive.stat().st_size, "used_bytes": 1}
    record.write_text(json.dumps({**json.loads(record.read_text()), **changed}))
    message = fail_module("local_volume", store=store, name=f"{volume}-copy", snapshot_id=made)
    assert "tar ended with status" in message
    assert [path.name for path in store.glob("volumes/*") if volume not in path.name or "copy" in path.name] == []


def test_a_volume_in_use_is_refused(store: Path, volume: str, tmp_path: Path) -> None:
    run_module("local_volume", store=store, name=volume, state="mounted", mount_dir=tmp_path / "mount")
    assert "detach it first" in fail_module("local_snapshot", **request(store, volume))
    run_module("local_volume", store=store, name=volume, state="detached")
    assert "there is no volume" in fail_module("local_snapshot", **request(store, "test-none"))


def test_a_snapshot_in_use_is_not_deleted_in_silence(store: Path, volume: str, tmp_path: Path) -> None:
    record = run_module("local_snapshot", **request(store, volume))["snapshot"]
    copy = f"{volume[:40]}-copy"
    asked: dict[str, Any] = {"store": store, "name": copy, "tags": {"petal:cluster": "bio"}}
    run_module(
        "local_volume",
        **asked,
        snapshot_id=record["snapshot_id"],
        state="mounted",
        mount_dir=tmp_path / "m",
        read_only=True,
    )
    doomed: dict[str, Any] = {"store": store, "state": "absent", "fingerprint": FINGERPRINT}
    try:
        uses = run_module("local_volume_info", store=store)["uses"]
        assert uses == {record["snapshot_id"]: [f"mounted at {tmp_path / 'm'} for bio"]}
        for check in (True, False):
            message = fail_module("local_snapshot", check=check, **doomed)
            assert f"{record['snapshot_id']} is mounted at {tmp_path / 'm'} for bio" in message
            assert "force=true" in message
        run_module("local_volume", **asked, state="detached")
        assert "is kept for bio" in fail_module("local_snapshot", **doomed)
        assert entries(store) != []
        would = run_module("local_snapshot", check=True, **doomed, force=True)
        assert would["deleted"] == [record["snapshot_id"]]
        assert would["snapshots"][0]["name"] == record["name"]
        assert entries(store) != []
        assert run_module("local_snapshot", **doomed, force=True)["snapshots"] == would["snapshots"]
        assert entries(store) == []
    finally:
        run_module("local_volume", store=store, name=copy, state="absent")


def test_two_at_once_make_one(store: Path, volume: str) -> None:
    both = [start_module("local_snapshot", **request(store, volume)) for _copy in range(2)]
    results = [result_of(process) for process in both]
    assert sorted(result["changed"] for result in results) == [False, True]
    assert entries(store) == [results[0]["snapshot"]["snapshot_id"]]


@pytest.mark.parametrize("whole_group", [True, False])
def test_killed_in_the_middle(store: Path, volume: str, whole_group: bool) -> None:
    """The writer is killed while zstd runs, with its helpers or without."""
    process = start_module("local_snapshot", **request(store, volume))
    deadline = time.monotonic() + 20
    while not list(store.glob("snapshots/.tmp-*/volume.tar.zst")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert [name for name in entries(store) if not name.startswith(".tmp-")] == []
    assert run_module("snapshot_info", store=store)["snapshots"] == []
    made = run_module("local_snapshot", **request(store, volume))
    assert entries(store) == [made["snapshot"]["snapshot_id"]]


def test_a_full_disk_leaves_nothing(store: Path, volume: str) -> None:
    (store / "snapshots").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "petal-test", store / "snapshots"], check=True)
    try:
        message = fail_module("local_snapshot", **request(store, volume))
        assert "No space left" in message
        assert "Free some space" in message
        assert entries(store) == []
    finally:
        subprocess.run(["umount", store / "snapshots"], check=True)
    snapshot = run_module("local_snapshot", **request(store, volume))["snapshot"]["snapshot_id"]

    run_module("local_volume", store=store, name=volume, state="absent")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "petal-test", store / "volumes"], check=True)
    try:
        copy = f"{volume}-copy"
        assert "are free" in fail_module("local_volume", store=store, name=copy, snapshot_id=snapshot)
        # What the record does not tell shows while it is unpacked.
        record = store / "snapshots" / snapshot / "snapshot.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "used_bytes": None}))
        assert "No space left" in fail_module("local_volume", store=store, name=copy, snapshot_id=snapshot)
        assert list((store / "volumes").iterdir()) == []
    finally:
        subprocess.run(["umount", store / "volumes"], check=True)


def test_damage_is_named_and_passed_over(store: Path, volume: str) -> None:
    good = run_module("local_snapshot", **request(store, volume))["snapshot"]["snapshot_id"]
    root = store / "snapshots"
    record = json.loads((root / good / "snapshot.json").read_text())
    cases = {
        "snap-00000000000000001": None,
        "snap-00000000000000002": "{ this is no JSON",
        "snap-00000000000000003": json.dumps({**record, "snapshot_id": "snap-00000000000000003"}),
        "snap-00000000000000004": json.dumps(record),
        "snap-00000000000000005": "[" * 100_000,
        "snap-00000000000000006": " " * (5 * 1024**2),
        "snap-00000000000000007": json.dumps({**record, "size_gb": "big"}),
        "strange": json.dumps(record),
    }
    for name, text in cases.items():
        (root / name).mkdir()
        if text is not None:
            (root / name / "snapshot.json").write_text(text)
    found = run_module("snapshot_info", store=store, fingerprint=FINGERPRINT)
    assert found["snapshot"]["snapshot_id"] == good
    assert sorted(item["snapshot_id"] for item in found["passed_over"]) == sorted(cases)
    assert all("damaged" in item["reason"] for item in found["passed_over"])

    archive = root / good / "volume.tar.zst"
    archive.chmod(0o644)
    with archive.open("r+b") as stream:
        stream.seek(archive.stat().st_size // 2)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 1]))
    message = fail_module("local_volume", store=store, name=f"{volume}-copy", snapshot_id=good)
    assert "is damaged" in message
    assert "sha256" in message
    assert sorted(path.name for path in store.glob("volumes/*")) == [f"{volume}.img", f"{volume}.json"]
    with archive.open("ab") as stream:
        stream.write(b"x")
    assert "its record says" in fail_module("local_volume", store=store, name=f"{volume}-copy", snapshot_id=good)
    again = run_module("local_snapshot", **request(store, volume))
    assert again["changed"], "a damaged one does not count"


def test_bad_ids(store: Path) -> None:
    for snapshot_id in ("../../etc", "snap-1", "snap-00000000000000001"):
        fail_module("local_volume", store=store, name="test-none", snapshot_id=snapshot_id)
    assert "expected" in fail_module("local_snapshot", store=store, state="absent", snapshot_id="../x")
    assert "expected" in fail_module("local_snapshot", store=store, state="absent", fingerprint="x")
