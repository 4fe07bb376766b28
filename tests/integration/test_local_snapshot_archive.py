"""A snapshot goes out of one store and into another as one file; what is no such file does not get in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, run_module, start_module
from playing import play
from stored import FINGERPRINT, ID, put


def exported(store: Path, file: Path, **options: Any) -> dict[str, Any]:
    return run_module("local_snapshot_archive", store=store, state="exported", snapshot_id=ID, file=file, **options)


#: Of somebody who takes what nobody has signed.
UNSIGNED = {"unsigned": True}


def imported(store: Path, file: Path, **options: Any) -> dict[str, Any]:
    return run_module("local_snapshot_archive", store=store, state="imported", file=file, trust=UNSIGNED, **options)


def refused(store: Path, file: Path) -> str:
    """The one line in which an import is refused; nothing of it may be in the store then."""
    message = fail_module("local_snapshot_archive", store=store, state="imported", file=file, trust=UNSIGNED)
    assert "\n" not in message
    left = [path for path in store.rglob("*") if path.is_file() and path.name != "snapshots.lock"]
    assert [path for path in left if "adopt" not in path.name] == []
    assert list((store / "snapshots").glob("*")) == []
    return message


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "with space.petal.tar"


def test_there_and_back(here: Path, there: Path, file: Path, tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    record = put(here, data)
    assert exported(here, file, check=True)["changed"]
    assert not file.exists()
    made = exported(here, file)
    assert (made["changed"], made["snapshot"]) == (True, {**record, "imported": ""})
    before = (file.stat().st_ino, file.stat().st_mtime_ns)
    assert not exported(here, file)["changed"]
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == before

    # Anybody's tools read it.
    subprocess.run(["tar", "--extract", "--file", file, "--directory", tmp_path], check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256"], cwd=tmp_path, check=True, capture_output=True)

    assert imported(there, file, check=True)["changed"]
    assert not there.exists()
    got = imported(there, file)
    assert (got["changed"], got["snapshot"]["sha256"]) == (True, record["sha256"])
    assert not imported(there, file)["changed"]
    assert (there / "snapshots" / ID / "volume.tar.zst").read_bytes() == data
    found = run_module("snapshot_info", store=there, fingerprint=FINGERPRINT)["snapshot"]
    assert found == {**record, "imported": f"file {file}"}
    # The same snapshot is the same file, wherever it comes from.
    exported(there, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_what_the_audit_says_decides(here: Path, file: Path) -> None:
    arguments: dict[str, Any] = {"store": here, "state": "exported", "snapshot_id": ID, "file": file}
    for sharing, said in {
        "private: k.pem is a private key": "k.pem is a private key",
        "nonsense": "is no verdict",
        None: "nobody has looked",
    }.items():
        tags = {"petal:build-id": "b", **({"petal:sharing": sharing} if sharing else {})}
        put(here, b"x" * 100, tags=tags)
        message = fail_module("local_snapshot_archive", **arguments)
        assert said in message
        assert not file.exists()
        assert exported(here, file, unaudited=True)["changed"]
        file.unlink()
        subprocess.run(["rm", "-r", here / "snapshots" / ID], check=True)
    put(here, b"x" * 100, tags={"petal:sharing": "accounts: cuda has licence x"})
    assert exported(here, file)["changed"]


def test_files_of_others_stay(here: Path, file: Path, tmp_path: Path) -> None:
    put(here, b"x" * 2000)
    arguments: dict[str, Any] = {"store": here, "state": "exported", "snapshot_id": ID}
    file.write_text("mine")
    assert "none of its exports" in fail_module("local_snapshot_archive", **arguments, file=file)
    assert file.read_text() == "mine"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "link" in fail_module("local_snapshot_archive", **arguments, file=tmp_path / "link")
    assert not (tmp_path / "nowhere").exists()
    other = tmp_path / "other"
    put(other, b"y" * 100)
    exported(other, tmp_path / "other.tar")
    assert "another snapshot" in fail_module("local_snapshot_archive", **arguments, file=tmp_path / "other.tar")
    assert "no directory" in fail_module("local_snapshot_archive", **arguments, file=tmp_path / "none" / "x.tar")
    whole = tmp_path / "whole.tar"
    exported(here, whole)
    whole.write_bytes(whole.read_bytes()[:4700])
    assert "unfinished" in fail_module("local_snapshot_archive", **arguments, file=whole)
    # The id is taken.
    put(tmp_path / "third", b"z" * 100)
    third: dict[str, Any] = {"store": tmp_path / "third", "file": tmp_path / "other.tar", "trust": UNSIGNED}
    message = fail_module("local_snapshot_archive", state="imported", **third)
    assert "another snapshot of the same id" in message


def test_a_damaged_snapshot_is_not_exported(here: Path, file: Path) -> None:
    put(here, b"x" * 100)
    archive = here / "snapshots" / ID / "volume.tar.zst"
    archive.write_bytes(b"x" * 99 + b"y")
    message = fail_module("local_snapshot_archive", store=here, state="exported", snapshot_id=ID, file=file)
    assert "sha256" in message
    assert list(file.parent.glob("*petal*")) == []


def test_the_playbooks(here: Path, there: Path, file: Path) -> None:
    record = put(here, b"x" * 100)
    assert "give -e file=PATH" in play("export_volume", store=here, snapshot_id=ID).output
    assert "Nothing says which snapshot" in play("export_volume", store=here, file=file).output
    out = play("export_volume", store=here, snapshot_id=ID, file=file)
    assert (out.rc, f"Exported: {ID} of quickstart" in out.output) == (0, True), out.output
    again = play("export_volume", "-v", store=here, snapshot_id=ID, file=file)
    assert "Was there already" in again.output, again.output
    assert " changed=0 " in again.output
    doubted = play("import_volume", store=there, file=file)
    assert (doubted.rc, "nobody has signed it" in " ".join(doubted.output.split())) == (2, True), doubted.output
    back = play("import_volume", store=there, file=file, unsigned=True)
    assert (back.rc, f"Imported: {ID} of quickstart" in back.output) == (0, True), back.output
    assert json.loads((there / "snapshots" / ID / "snapshot.json").read_text()) == record
    file.write_text("nonsense")
    wrong = play("import_volume", store=there, file=file, unsigned=True)
    assert wrong.rc != 0
    assert "It is damaged, or no export of a snapshot." in " ".join(wrong.output.split())
    assert "Traceback" not in wrong.output


def test_a_seed_names_the_snapshot_to_export(here: Path, file: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("cluster: {name: quickstart, provider: local, os: debian12, architecture: x86_64}\n")
    missing = play("export_volume", store=here, seed=seed, file=file)
    assert missing.rc != 0
    assert "Build it first" in missing.output, missing.output
    fingerprint = re.findall(r"sha256:[0-9a-f]{64}", play("validate_seed", seed=seed).output)[-1]
    put(here, b"x" * 100, fingerprint=fingerprint)
    made = play("export_volume", store=here, seed=seed, file=file)
    assert (made.rc, file.exists()) == (0, True), made.output


def build(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar by Python's library."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type = kind
    for key, value in more.items():
        setattr(found, key, value)
    return found


def forged(record: dict[str, Any], archive: bytes) -> bytes:
    """An export with right digests of whatever it holds."""
    text = json.dumps(record).encode()
    sums = f"{hashlib.sha256(text).hexdigest()}  snapshot.json\n{hashlib.sha256(archive).hexdigest()}  volume.tar.zst\n"
    return build(
        (member("SHA256"), sums.encode()), (member("snapshot.json"), text), (member("volume.tar.zst"), archive)
    )


def test_hostile_files_are_refused_in_one_line(here: Path, there: Path, file: Path, tmp_path: Path) -> None:
    data = b"x" * 5000
    record = put(here, data)
    exported(here, file)
    good = file.read_bytes()
    change: Callable[..., bytes] = lambda **different: forged({**record, **different}, data)  # noqa: E731
    long = {"comment": "x" * 5_000_000}
    cases: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "ends before SHA256"),
        "noise": (os.urandom(20_000), "no SHA256"),
        "text": (b"hello\n" * 1000, "no SHA256"),
        "cut in the archive": (good[:4000], "fewer bytes"),
        "cut in the record": (good[:1600], "snapshot.json"),
        "another byte in the archive": (good.replace(b"x" * 50, b"x" * 49 + b"y", 1), "damaged"),
        "another byte in the record": (good.replace(b"quickstart", b"quickstarr", 1), "is damaged"),
        "other archive, other sum": (forged(record, b"y" * 5000), "its record says"),
        "longer archive": (
            forged({**record, "sha256": hashlib.sha256(data * 2).hexdigest()}, data * 2),
            "its record says",
        ),
        "path": (build((member("../../SHA256"), b"x")), "stands where"),
        "absolute": (build((member("/etc/cron.d/x"), b"x")), "stands where"),
        "link": (build((member("SHA256", tarfile.SYMTYPE, linkname="/etc/passwd"), b"")), "stands where"),
        "hard link": (build((member("SHA256", tarfile.LNKTYPE, linkname="/etc/passwd"), b"")), "stands where"),
        "device": (build((member("SHA256", tarfile.CHRTYPE), b"")), "stands where"),
        "pax header": (build((member("SHA256", pax_headers=long), b"x")), "stands where"),
        "pax name": (build((member("SHA256" * 50), b"x")), "stands where"),
        "large sums": (build((member("SHA256"), b"x" * 10_000)), "at most"),
        "large record": (forged({**record, "description": "x" * 2_000_000}, data), "at most"),
        "order": (build((member("snapshot.json"), b"{}")), "stands where"),
        "id": (change(snapshot_id="../../../etc"), "snapshot_id"),
        "name": (change(name="../x"), "name"),
        "template": (change(name="{{ lookup('pipe', 'id') }}"), "name"),
        "types": (change(size_gb="1"), "size_gb"),
        "bomb": (change(stored_bytes=10**18), "stored_bytes"),
        "tags": (change(tags={"a": ["b"]}), "tags"),
        "state": (change(state="pending"), "completed"),
        "no json": (forged({}, data).replace(b"{}", b"{{", 1), "is damaged"),
    }
    for name, (content, said) in cases.items():
        file.write_bytes(content)
        assert said in refused(there, file), name
    file.unlink()
    assert "No such file" in refused(there, file)
    file.symlink_to(tmp_path)
    assert "Is a directory" in refused(there, file) or "is no file" in refused(there, file)
    file.unlink()
    os.mkfifo(file)
    assert "is no file" in refused(there, file)


def test_a_header_that_promises_terabytes_is_not_believed(here: Path, there: Path, file: Path) -> None:
    """The record says little, the header of the archive much; the file has a hole of a terabyte behind it."""
    put(here, b"x" * 100)
    exported(here, file)
    good = file.read_bytes()
    place = good.index(b"volume.tar.zst", good.index(b"snapshot.json", 1024))
    big = member("volume.tar.zst", size=10**12).tobuf(tarfile.GNU_FORMAT)
    with file.open("wb") as stream:
        stream.write(good[:place] + big + good[place + 512 :])
        stream.truncate(10**12)
    assert "its record says" in refused(there, file)


@pytest.mark.parametrize("state", ["exported", "imported"])
def test_killed_in_the_middle(here: Path, there: Path, file: Path, state: str) -> None:
    put(here, os.urandom(200_000_000))
    if state == "imported":
        exported(here, file)
    target = file.parent if state == "exported" else there / "snapshots"
    store = here if state == "exported" else there
    asked: dict[str, Any] = {"state": state, "snapshot_id": ID, "file": file, "trust": UNSIGNED}
    process = start_module("local_snapshot_archive", store=store, **asked)
    deadline = time.monotonic() + 20
    while not list(target.glob(".tmp-*")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (file.exists() and state == "exported")
    assert list(there.glob("snapshots/snap-*")) == []
    (exported if state == "exported" else imported)(store, file)
    assert list(target.glob(".tmp-*")) == []


def test_a_full_disk_leaves_nothing(here: Path, there: Path, file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    put(here, os.urandom(40_000_000))
    exported(here, file)
    (there / "snapshots").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "petal-test", there / "snapshots"], check=True)
    try:
        assert "are free" in refused(there, file)
    finally:
        subprocess.run(["umount", there / "snapshots"], check=True)
