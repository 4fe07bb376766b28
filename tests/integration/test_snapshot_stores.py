"""Stores of others as sources of the local provider: a shared directory, and a real S3 server on the loopback."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, run_module
from playing import leftovers, play
from s3_server import serve
from stored import FINGERPRINT, ID, put, record_of

LOCAL = {"type": "local", "priority": 1}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A client of an S3 server with a bucket; the credentials are in the environment."""
    with serve(monkeypatch, tmp_path, "not-a-secret") as endpoint:
        import boto3

        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        client = boto3.client("s3")
        client.create_bucket(Bucket="lab-software")
        yield client


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


@pytest.fixture(params=["directory", "bucket"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The store of somebody else, empty."""
    if request.param == "bucket":
        request.getfixturevalue("s3")
        return "s3://lab-software/petal/prod"
    (tmp_path / "other").mkdir()
    return str(tmp_path / "other")


def source(other: str, priority: int = 2) -> dict[str, Any]:
    return {"type": "organization", "store": other, "priority": priority}


def trusting(*stores: Any) -> dict[str, Any]:
    """What a site says that takes what is there from these stores."""
    return {"stores": [str(store) for store in stores]}


def look(own: Path, *sources: dict[str, Any], **options: Any) -> dict[str, Any]:
    trust = trusting(*(one["store"] for one in sources if "store" in one))
    arguments = {"fingerprint": FINGERPRINT, "os": "debian12", "architecture": "x86_64", "trust": trust, **options}
    return run_module("snapshot_info", store=own, sources=list(sources), **arguments)


def remote(own: Path, other: str, state: str, **options: Any) -> dict[str, Any]:
    given = {"trust": trusting(other), **options}
    return run_module("local_snapshot_remote", store=own, remote=other, state=state, **given)


def brought(record: dict[str, Any], other: str) -> dict[str, Any]:
    """What a store says of a snapshot that came from another one."""
    return {**record, "imported": f"store {other}"}


def test_published_found_fetched_withdrawn(own: Path, other: str, tmp_path: Path) -> None:
    data = os.urandom(9_000_001)
    record = put(own, data)
    assert remote(own, other, "published", snapshot_id=ID, check=True)["changed"]
    third = tmp_path / "third"
    assert look(third, LOCAL, source(other))["snapshot"] is None
    assert remote(own, other, "published", snapshot_id=ID)["changed"]
    assert not remote(own, other, "published", snapshot_id=ID)["changed"]

    found = look(third, LOCAL, source(other))
    assert found["snapshot"] == {**record, "source": "organization", "imported": ""}
    assert found["source"] == {**source(other), "account": None, "enabled": True}
    assert f"from source organization {other} (priority 2); before it: local: no snapshot" in found["reason"]
    assert look(own, LOCAL, source(other))["source"]["type"] == "local"
    assert look(own, {**LOCAL, "priority": 9}, source(other))["source"]["store"] == other

    fetch: dict[str, Any] = {"snapshot_id": ID, "fingerprint": FINGERPRINT}
    assert remote(third, other, "fetched", check=True, **fetch)["changed"]
    assert not third.exists()
    assert remote(third, other, "fetched", **fetch)["changed"]
    assert not remote(third, other, "fetched", **fetch)["changed"]
    assert (third / "snapshots" / ID / "volume.tar.zst").read_bytes() == data
    assert look(third, LOCAL, source(other))["snapshot"] == brought(record, other)
    another: dict[str, Any] = {"snapshot_id": ID, "fingerprint": "sha256:" + "b" * 64}
    message = fail_module("local_snapshot_remote", store=third, remote=other, state="fetched", **another)
    assert "its fingerprint is" in message

    assert remote(own, other, "withdrawn", snapshot_id=ID, check=True)["withdrawn"] == [ID]
    assert remote(own, other, "withdrawn", fingerprint=FINGERPRINT)["withdrawn"] == [ID]
    assert not remote(own, other, "withdrawn", fingerprint=FINGERPRINT)["changed"]
    assert look(tmp_path / "fourth", LOCAL, source(other))["snapshot"] is None


def test_what_is_private_stays(own: Path, other: str) -> None:
    arguments: dict[str, Any] = {"store": own, "remote": other, "state": "published", "snapshot_id": ID}
    put(own, b"x" * 100, tags={"petal:sharing": "private: k.pem is a private key"})
    for unaudited in (False, True):
        message = fail_module("local_snapshot_remote", **arguments, unaudited=unaudited)
        assert "k.pem is a private key" in message
        assert "unaudited" not in message
    record = own / "snapshots" / ID / "snapshot.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "tags": {}}))
    assert "nobody has looked" in fail_module("local_snapshot_remote", **arguments)
    assert look(own.parent / "third", source(other))["snapshot"] is None
    assert remote(own, other, "published", snapshot_id=ID, unaudited=True)["changed"]


def test_stores_that_cannot_be_asked_are_passed_over(own: Path, tmp_path: Path, other: str) -> None:
    put(own, b"x" * 100)
    remote(own, other, "published", snapshot_id=ID)
    found = look(
        tmp_path / "third",
        {"type": "local", "priority": 1},
        {"type": "organization", "account": "123456789012", "priority": 2},
        {"type": "official", "enabled": True, "priority": 3},
        source("/nowhere/at/all", 4),
        source(other, 5),
    )
    assert found["snapshot"]["snapshot_id"] == ID
    reasons = [entry["reason"] for entry in found["sources"]]
    assert "account 123456789012 offers is on AWS" in reasons[1]
    assert "registry offers is on AWS" in reasons[2]
    assert "no directory /nowhere/at/all on this host: is it mounted?" in reasons[3]
    assert len(found["warnings"]) == 3
    if other.startswith("s3:"):
        assert "NoSuchBucket" in look(tmp_path / "third", source("s3://no-such-bucket/x"))["reason"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"type": "organization", "priority": 1}, "needs an account"),
        ({"type": "organization", "priority": 1, "store": "relative"}, "neither an absolute directory"),
        ({"type": "organization", "priority": 1, "store": "/a/../etc"}, "neither an absolute directory"),
        ({"type": "organization", "priority": 1, "store": "s3://x"}, "no bucket name"),
        ({"type": "organization", "priority": 1, "store": "/a", "account": "123456789012"}, "two sources"),
        ({"type": "local", "priority": 1, "store": "/a"}, "takes no store"),
    ],
)
def test_wrong_sources_are_one_line(own: Path, wrong: dict[str, Any], said: str) -> None:
    message = fail_module("snapshot_info", store=own, sources=[wrong])
    assert said in message
    assert "\n" not in message


def hostile(path: Path) -> dict[str, str]:
    """Entries of a directory that somebody hostile writes; what is said of each."""
    data = b"x" * 100
    put(path, data, "snap-0000000000000000f")
    (path / "snapshots" / "snap-0000000000000000f").rename(path / "snapshots" / "snap-0000000000000000a")
    put(path, data, "snap-0000000000000000b", name="{{ lookup('pipe', 'touch /tmp/x') }}")
    put(path, data, "snap-0000000000000000c", stored_bytes=10**15)
    put(path, data, "snap-0000000000000000d", tags={"petal:sharing": ["public"]})
    said = {
        "snap-0000000000000000a": "is of snap-0000000000000000f",
        "snap-0000000000000000b": "name",
        "snap-0000000000000000c": "stored_bytes",
        "snap-0000000000000000d": "tags",
        "snap-0000000000000001a": "snapshot.json is a link",
        "snap-0000000000000001b": "volume.tar.zst is a link",
        "snap-0000000000000001c": "no file",
        "snap-0000000000000001d": "is a link, or no directory",
        "snap-0000000000000001e": "more than",
        "strange": "no snapshot id",
    }
    root = path / "snapshots"
    for name in (
        "snap-0000000000000001a",
        "snap-0000000000000001b",
        "snap-0000000000000001c",
        "snap-0000000000000001e",
    ):
        put(path, data, name)
    (root / "snap-0000000000000001a" / "snapshot.json").unlink()
    (root / "snap-0000000000000001a" / "snapshot.json").symlink_to("/etc/passwd")
    (root / "snap-0000000000000001b" / "volume.tar.zst").unlink()
    (root / "snap-0000000000000001b" / "volume.tar.zst").symlink_to("/etc/passwd")
    (root / "snap-0000000000000001c" / "snapshot.json").unlink()
    os.mkfifo(root / "snap-0000000000000001c" / "snapshot.json")
    (root / "snap-0000000000000001d").symlink_to("/etc")
    os.truncate(root / "snap-0000000000000001e" / "snapshot.json", 10**9)
    (root / "strange").mkdir()
    return said


def test_a_hostile_directory(own: Path, tmp_path: Path) -> None:
    said = hostile(tmp_path / "other")
    put(tmp_path / "other", b"x" * 100)
    found = look(own, source(str(tmp_path / "other")))
    assert found["snapshot"]["snapshot_id"] == ID
    reasons = {entry["snapshot_id"]: entry["reason"] for entry in found["passed_over"]}
    assert set(reasons) == set(said)
    for name, text in said.items():
        assert text in reasons[name], (name, reasons[name])
        assert "\n" not in reasons[name]
    assert not own.exists()


def test_nothing_is_written_through_a_link_and_no_lock_is_kept_where_others_write(own: Path, tmp_path: Path) -> None:
    """Links where earlier releases had their locks and drafts truncated and wrote what they led to, as root."""
    other, victim = tmp_path / "other", tmp_path / "victim"
    record = put(own, b"x" * 100)
    victim.write_text("precious")
    (other / "locks").mkdir(parents=True)
    for name in (f"adopt-{ID}.lock", "snapshots.lock"):
        (other / "locks" / name).symlink_to(victim)
    arguments: dict[str, Any] = {"store": own, "remote": other, "snapshot_id": ID}
    assert run_module("local_snapshot_remote", state="published", **arguments)["changed"]
    assert [entry.name for entry in (other / "snapshots").iterdir()] == [ID]
    assert {path.stat().st_mode & 0o777 for path in (other / "snapshots" / ID).iterdir()} == {0o444}
    found = look(tmp_path / "third", source(str(other)))["snapshot"]
    assert found == {**record, "source": "organization", "imported": ""}
    # What stands in the way is named, and led nowhere.
    assert run_module("local_snapshot_remote", state="withdrawn", **arguments)["withdrawn"] == [ID]
    (other / "snapshots" / ID).symlink_to(tmp_path)
    assert "is a link" in fail_module("local_snapshot_remote", state="published", **arguments)
    assert run_module("local_snapshot_remote", state="withdrawn", **arguments)["withdrawn"] == [ID]
    (other / "snapshots").rmdir()
    (other / "snapshots").symlink_to(tmp_path)
    assert "is a link" in fail_module("local_snapshot_remote", state="published", **arguments)
    assert victim.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "own", "victim"]


def test_what_a_dead_publisher_left_goes_with_the_next_one(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    put(own, b"x" * 100)
    dead, foreign = (other / "snapshots" / f".tmp-{ID}.{letter}" for letter in "ab")
    for left in (dead, foreign):
        left.mkdir(0o700, parents=True)
        (left / "volume.tar.zst").write_bytes(b"x")
    os.chown(foreign, 65534, 65534)
    assert remote(own, str(other), "published", snapshot_id=ID)["changed"]
    assert sorted(entry.name for entry in (other / "snapshots").iterdir()) == [foreign.name, ID]


def test_an_archive_that_earlier_releases_left_open_is_closed(own: Path, tmp_path: Path) -> None:
    put(tmp_path / "other", b"x" * 100)
    put(own, b"y" * 100, "snap-0000000000000000e")
    old = own / "snapshots" / "snap-0000000000000000e" / "volume.tar.zst"
    old.chmod(0o444)
    remote(own, str(tmp_path / "other"), "fetched", snapshot_id=ID)
    assert [path.stat().st_mode & 0o777 for path in own.glob("snapshots/*/volume.tar.zst")] == [0o600, 0o600]
    assert (own / "locks").stat().st_mode & 0o777 == 0o700


def test_what_is_not_what_its_record_says_does_not_get_in(own: Path, tmp_path: Path) -> None:
    put(tmp_path / "other", b"x" * 100)
    archive = tmp_path / "other" / "snapshots" / ID / "volume.tar.zst"
    archive.write_bytes(b"y" * 100)
    other = tmp_path / "other"
    asked: dict[str, Any] = {"remote": other, "trust": trusting(other), "snapshot_id": ID}
    message = fail_module("local_snapshot_remote", store=own, state="fetched", **asked)
    assert "is damaged: its sha256" in message
    assert list((own / "snapshots").iterdir()) == []


def test_a_hostile_bucket(own: Path, s3: Any) -> None:
    digest = FINGERPRINT.partition(":")[2]
    data = b"x" * 100

    def write(key: str, body: bytes) -> None:
        s3.put_object(Bucket="lab-software", Key=f"p/snapshots/{key}", Body=body)

    write(f"{digest}/{ID}/volume.tar.zst", b"y" * 100)
    write(f"{digest}/{ID}/snapshot.json", json.dumps(record_of(data)).encode())
    write(f"{digest}/snap-0000000000000000a/snapshot.json", b"{")
    write(f"{digest}/snap-0000000000000000b/snapshot.json", b" " * 2_000_000)
    write(f"{digest}/snap-0000000000000000c/snapshot.json", json.dumps(record_of(data)).encode())
    write(f"{digest}/snap-0000000000000000d/volume.tar.zst", data)  # without a record it is nothing
    write(f"{digest}/../../etc/snapshot.json", b"{}")
    write("x", b"")
    found = look(own, source("s3://lab-software/p"))
    assert found["snapshot"]["snapshot_id"] == ID
    reasons = {entry["snapshot_id"][-1]: entry["reason"] for entry in found["passed_over"]}
    assert sorted(reasons) == ["a", "b", "c"]
    assert "is not JSON" in reasons["a"]
    assert "more than" in reasons["b"]
    assert f"is of {ID}" in reasons["c"]
    bucket = "s3://lab-software/p"
    arguments: dict[str, Any] = {"store": own, "remote": bucket, "state": "fetched", "trust": trusting(bucket)}
    assert "is damaged: its sha256" in fail_module("local_snapshot_remote", **arguments, snapshot_id=ID)
    write(f"{digest}/{ID}/volume.tar.zst", b"x" * 50)
    assert "fewer bytes" in fail_module("local_snapshot_remote", **arguments, snapshot_id=ID)
    s3.delete_object(Bucket="lab-software", Key=f"p/snapshots/{digest}/{ID}/volume.tar.zst")
    assert "NoSuchKey" in fail_module("local_snapshot_remote", **arguments, snapshot_id=ID)
    assert list((own / "snapshots").iterdir()) == []


SEED = """\
cluster: {{name: shared-test, provider: local}}
shared_storage: [{{name: software, mount_dir: /petal-stores-test, ebs_settings: {{size: 1}}}}]
software:
  python_environments:
    - {{name: small, version: "1", packages: ["six==1.17.0"]}}
snapshot_sources:
  - {{type: local, priority: 1}}
  - {{type: organization, priority: 2, store: "{store}"}}
"""


def test_built_here_shared_and_deployed_there(store: Path, tmp_path: Path) -> None:
    """The whole way with the playbooks: one site builds and shares, another finds, fetches and deploys."""
    shared, theirs = tmp_path / "net", tmp_path / "theirs"
    shared.mkdir()
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED.format(store=shared))
    built = play("build_volume", seed=seed, store=store)
    assert built.rc == 0, built.output
    assert "give -e share_store=" in play("share_volume", seed=seed, store=store).output
    for changes in (1, 0):
        out = play("share_volume", "-v", seed=seed, store=store, share_store=shared)
        assert out.rc == 0, out.output
        assert f" changed={changes} " in out.output
    # That a seed names a store is no reason to use what is there.
    doubted = play("build_volume", "--check", seed=seed, store=theirs)
    assert "is passed over: nobody has signed it" in " ".join(doubted.output.split()), doubted.output
    site: dict[str, Any] = {"petal_trusted_stores": str(shared)}
    found = play("build_volume", seed=seed, store=theirs, **site)
    assert (found.rc, "Found: snap-" in found.output) == (0, True), found.output
    try:
        planned = play("deploy_cluster", "--check", seed=seed, store=theirs, **site)
        assert f"would be fetched from {shared}" in planned.output, planned.output
        deployed = play("deploy_cluster", seed=seed, store=theirs, **site)
        assert deployed.rc == 0, deployed.output
        assert re.search(r"^ok +small/1 ", deployed.output, re.MULTILINE), deployed.output
        again = play("deploy_cluster", "-v", seed=seed, store=theirs, **site)
        assert re.search(r"^localhost +: ok=\d+ +changed=0 ", again.output, re.MULTILINE), again.output
        back = play("unshare_volume", seed=seed, store=store, share_store=shared)
        assert "was taken out of" in back.output, back.output
        assert list((shared / "snapshots").glob("snap-*")) == []
    finally:
        gone = play("delete_cluster", seed=seed, store=theirs)
    assert gone.rc == 0, gone.output
    Path("/petal-stores-test").rmdir()
    assert leftovers(store) == []
    assert leftovers(theirs) == []
