"""One site builds and signs, another one verifies and deploys, with the playbooks; what is not signed is not used."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from modules import fail_module, run_module
from moto.server import ThreadedMotoServer
from playing import leftovers, play
from stored import FINGERPRINT, ID, put

SEED = """\
cluster: {{name: signed-test, provider: local}}
shared_storage: [{{name: software, mount_dir: /petal-signed-test, ebs_settings: {{size: 1}}}}]
software:
  python_environments:
    - {{name: small, version: "1", packages: ["six==1.17.0"]}}
snapshot_sources:
  - {{type: local, priority: 1}}
  - {{type: organization, priority: 2, store: "{store}"}}
"""


def key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path], check=True)
    return path


def signer(private: Path, **more: Any) -> dict[str, Any]:
    """An entry of petal_trusted_signers."""
    shown = subprocess.run(["ssh-keygen", "-lf", private], check=True, capture_output=True, text=True).stdout
    return {"name": private.name, "key": shown.split()[1], **more}


@pytest.fixture
def two_sites(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """The stores of two sites, and one that both read."""
    shared = tmp_path / "net"
    shared.mkdir()
    yield tmp_path / "ours", tmp_path / "theirs", shared
    mounted = Path("/petal-signed-test")
    if mounted.is_dir():
        mounted.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="volumes need root")
def test_signed_here_verified_and_deployed_there(two_sites: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ours, theirs, shared = two_sites
    maker, second = key(tmp_path / "maker"), key(tmp_path / "second")
    seed, site = tmp_path / "seed.yaml", tmp_path / "site.json"
    seed.write_text(SEED.format(store=shared))
    site.write_text(json.dumps({"petal_trusted_signers": [signer(maker)], "petal_require_signatures": True}))
    there = ["-e", f"@{site}"]
    # A key that is not there is said before anything is built.
    missing = play("build_volume", seed=seed, store=ours, petal_signing_key=tmp_path / "nothing")
    assert (missing.rc, "nothing" in missing.output, "Install the software" in missing.output) == (2, True, False)
    built = play("build_volume", seed=seed, store=ours, petal_signing_key=maker)
    assert built.rc == 0, built.output
    (entry,) = ours.glob("snapshots/snap-*")
    assert {path.name for path in entry.iterdir()} >= {"snapshot.json.sig", "provenance.json", "provenance.json.sig"}
    before = (entry / "snapshot.json.sig").read_bytes()
    assert play("build_volume", seed=seed, store=ours, petal_signing_key=maker).rc == 0
    assert (entry / "snapshot.json.sig").read_bytes() == before
    assert play("share_volume", seed=seed, store=ours, share_store=shared).rc == 0
    # The other site: found, fetched, verified and deployed, and nothing without the signature.
    try:
        doubted = play("deploy_cluster", "-e", '{"petal_require_signatures": true}', seed=seed, store=theirs)
        assert (doubted.rc, "nobody whom the site trusts has the key" in " ".join(doubted.output.split())) == (2, True)
        deployed = play("deploy_cluster", *there, seed=seed, store=theirs)
        assert deployed.rc == 0, deployed.output
        assert re.search(r"^ok +small/1 ", deployed.output, re.MULTILINE), deployed.output
        seen = play("verify_volume", *there, seed=seed, store=theirs)
        assert seen.rc == 0, seen.output
        for line in ("as the seed", f"came from store {shared}", "signed by maker (SHA256:", "built by petal.hpc://"):
            assert line in " ".join(seen.output.split()), seen.output
        # A second signer, and the first one revoked: what only the first one signed is of no use any more.
        revoked = [signer(maker, revoked=True), signer(second)]
        site.write_text(json.dumps({"petal_trusted_signers": revoked, "petal_require_signatures": True}))
        refused = play("verify_volume", *there, snapshot_id=entry.name, store=theirs)
        assert (refused.rc, "is revoked" in refused.output) == (2, True), refused.output
        # What is deployed already is not used again either, whoever names it, and who asks is told.
        again: dict[str, Any] = {"seed": seed, "store": theirs, "snapshot_id": entry.name}
        refused = play("deploy_cluster", *there, **again)
        said = " ".join(refused.output.split())
        why = f"{entry.name}, which this host has, is not deployed again: the key of maker"
        assert (refused.rc, why in said, f"sign_volume -e snapshot_id={entry.name}" in said) == (2, True, True), said
        told = play("verify_cluster", *there, seed=seed, store=theirs)
        said = " ".join(told.output.split())
        assert (told.rc, "is not trusted: the key of maker" in said, "It is still mounted." in said) == (
            2,
            True,
            True,
        ), said
        signed = play("sign_volume", snapshot_id=entry.name, store=theirs, petal_signing_key=second)
        assert "is signed by SHA256:" in " ".join(signed.output.split()), signed.output
        seen = play("verify_volume", *there, snapshot_id=entry.name, store=theirs)
        assert "signed by second" in seen.output, seen.output
        assert play("deploy_cluster", *there, **again).rc == 0
        # What is changed is found.
        with (theirs / "snapshots" / entry.name / "volume.tar.zst").open("r+b") as stream:
            stream.seek(2000)
            stream.write(b"\0" * 8)
        damaged = play("verify_volume", *there, snapshot_id=entry.name, store=theirs)
        assert (damaged.rc, "it is damaged" in damaged.output) == (2, True), damaged.output
    finally:
        gone = play("delete_cluster", seed=seed, store=theirs)
    assert gone.rc == 0, gone.output
    assert leftovers(ours) == []
    assert leftovers(theirs) == []


def test_rotation_and_two_signers(tmp_path: Path) -> None:
    """A new key signs beside the old one; either is enough, and who has both is asked for neither twice."""
    store, old, new = tmp_path / "store", key(tmp_path / "old"), key(tmp_path / "new")
    put(store, b"x" * 100)
    sign: dict[str, Any] = {"store": store, "snapshot_id": ID}
    assert run_module("local_snapshot_signature", **sign, key_file=old, check=True)["changed"]
    assert not (store / "snapshots" / ID / "snapshot.json.sig").exists()
    for one, changes in ((old, True), (old, False), (new, True), (new, False), (old, False)):
        assert run_module("local_snapshot_signature", **sign, key_file=one)["changed"] is changes

    def trusted(*signers: dict[str, Any]) -> dict[str, Any]:
        policy = {"signers": list(signers), "required": True}
        return run_module("local_snapshot_trust_info", store=store, snapshot_id=ID, trust=policy)

    assert trusted(signer(old))["trusted"]
    assert trusted(signer(new))["trusted"]
    ended = signer(old, valid_until="2025-12-31")
    assert "until 2025-12-31" in trusted(ended)["reason"]
    assert "signed by new" in trusted(ended, signer(new))["reason"]
    assert len(trusted(signer(old))["keys"]) == 2


def test_the_very_bytes_are_signed(tmp_path: Path) -> None:
    """Also where a changed record means the same: what is signed is what is there."""
    store, maker = tmp_path / "store", key(tmp_path / "maker")
    put(store, b"x" * 100)
    run_module("local_snapshot_signature", store=store, snapshot_id=ID, key_file=maker)
    record = store / "snapshots" / ID / "snapshot.json"
    record.write_text(record.read_text() + " ")
    trust = {"signers": [signer(maker)], "required": True}
    asked: dict[str, Any] = {"store": store, "fingerprint": FINGERPRINT, "trust": trust}
    found = run_module("snapshot_info", sources=[{"type": "local", "priority": 1}], **asked)
    assert found["snapshot"] is None
    assert "nobody has signed it" in found["passed_over"][0]["reason"]


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of KMS, which is moto's, with credentials in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIA0123456789ABCDEF",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield boto3.client("kms")
    server.stop()


def test_a_key_in_kms_signs_and_openssh_verifies(kms: Any, tmp_path: Path) -> None:
    """Whoever verifies needs neither AWS nor the key; with a signature of a file beside it, as any two signers."""
    store, maker = tmp_path / "store", key(tmp_path / "maker")
    put(store, b"x" * 100)
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    kms.create_alias(AliasName="alias/petal-signing", TargetKeyId=made["KeyId"])
    sign: dict[str, Any] = {"store": store, "snapshot_id": ID}
    run_module("local_snapshot_signature", **sign, key_file=maker)
    assert run_module("local_snapshot_signature", **sign, kms_key_id=made["Arn"], check=True)["changed"]
    first = run_module("local_snapshot_signature", **sign, kms_key_id="alias/petal-signing")
    again = run_module("local_snapshot_signature", **sign, kms_key_id=made["Arn"])
    assert (first["changed"], again["changed"], again["key"]) == (True, False, first["key"])
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    policy = {"signers": [{"name": "in kms", "key": first["key"]}], "required": True}
    found = run_module("local_snapshot_trust_info", store=store, snapshot_id=ID, trust=policy)
    assert found["reason"] == f"signed by in kms ({first['key']})"
    assert found["keys"] == [signer(maker)["key"], first["key"]]


def test_keys_in_kms_that_cannot_sign_are_one_line(kms: Any) -> None:
    other = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    assert "expected ECC_NIST_P256" in fail_module("local_snapshot_signature", kms_key_id=other)
    for missing in ("alias/none", "arn:aws:kms:us-east-1:123456789012:key/0"):
        message = fail_module("local_snapshot_signature", kms_key_id=missing)
        assert missing in message
        assert "\n" not in message


def test_keys_that_cannot_sign_are_one_line(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret-words", "-f", locked], check=True)
    (tmp_path / "noise").write_text("noise\n")
    for file in ("locked", "noise", "nothing"):
        message = fail_module("local_snapshot_signature", key_file=tmp_path / file)
        assert "\n" not in message
        assert file in message
        assert "passphrase" in message or "Expected a key" in message
