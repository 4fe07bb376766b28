"""Signatures by the real ssh-keygen: made, recognised, and refused when anything is different."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._trust import api
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    STORE,
    Place,
    Policy,
    Signer,
    TrustError,
    parse_signatures,
)

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen on this machine")
RECORD = b'{"snapshot_id": "snap-0123456789abcdef0"}\n'


def run_command(args: list[str], **options: Any) -> tuple[int, str, str]:
    done = subprocess.run(args, input=options.get("data") or b"", capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


HOST = Host(run_command)


@pytest.fixture(params=["ed25519", "ecdsa", "rsa"])
def key(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path / "key", request.param)


def made(path: Path, kind: str = "ed25519", phrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", phrase, "-f", path], check=True)
    return path


def test_signed_and_recognised(key: Path) -> None:
    signature = api.KeyFile(HOST, str(key)).sign(RECORD)
    assert parse_signatures(signature.encode()) == [signature]
    fingerprint = api.fingerprint(HOST, str(key))
    assert fingerprint == api.fingerprint(HOST, f"{key}.pub")
    assert api.signed_by(HOST, RECORD, [signature]) == [fingerprint]


def test_two_sign_one_record(tmp_path: Path) -> None:
    keys = [made(tmp_path / name) for name in "ab"]
    both = "".join(api.KeyFile(HOST, str(key)).sign(RECORD) for key in keys)
    found = api.signed_by(HOST, RECORD, parse_signatures(both.encode()))
    assert found == [api.fingerprint(HOST, str(key)) for key in keys]


def test_anything_different_is_no_signature(tmp_path: Path) -> None:
    key = made(tmp_path / "key")
    signature = api.KeyFile(HOST, str(key)).sign(RECORD)
    for data in (RECORD + b"\n", RECORD[:-1], RECORD.replace(b"0123", b"0124"), b""):
        assert api.signed_by(HOST, data, [signature]) == []
    lines = signature.splitlines()
    broken = "\n".join([lines[0], lines[1][:-4] + "AAAA", *lines[2:]]) + "\n"
    assert api.signed_by(HOST, RECORD, [broken, signature]) == api.signed_by(HOST, RECORD, [signature])


def test_a_signature_for_something_else_is_none_of_ours(tmp_path: Path) -> None:
    """That of a Git commit, or of a file that somebody was asked to sign."""
    key, data = made(tmp_path / "key"), tmp_path / "data"
    data.write_bytes(RECORD)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", key, data], check=True)
    assert api.signed_by(HOST, RECORD, [(tmp_path / "data.sig").read_text()]) == []


@pytest.mark.parametrize("kind", ["none", "no key", "with a passphrase"])
def test_a_key_that_cannot_sign_is_named(kind: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    if kind == "no key":
        key.write_text("x")
        key.chmod(0o600)
    elif kind == "with a passphrase":
        made(key, phrase="secret")
    with pytest.raises(TrustError, match=f"signing with the key {key}: .*Expected a private key without a passphrase"):
        api.KeyFile(HOST, str(key)).sign(RECORD)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A key that only an agent has; its public half."""
    key, socket = made(tmp_path / "key"), tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", key], check=True, stderr=subprocess.DEVNULL)
        key.unlink()
        yield tmp_path / "key.pub"
    finally:
        process.terminate()
        process.wait()


def test_a_key_in_an_agent_signs(agent: Path) -> None:
    signature = api.KeyFile(HOST, str(agent)).sign(RECORD)
    assert api.signed_by(HOST, RECORD, [signature]) == [api.fingerprint(HOST, str(agent))]


def test_whether_it_does_and_which_keys_signed(tmp_path: Path) -> None:
    keys = [made(tmp_path / name) for name in "ab"]
    signatures = [api.KeyFile(HOST, str(key)).sign(RECORD) for key in keys]
    fingerprints = [api.fingerprint(HOST, str(key)) for key in keys]
    policy, place = Policy(signers=(Signer("b", fingerprints[1]),)), Place(STORE, "/net/x")
    verdict, found = api.judged(HOST, policy, place, "2026-01-31T12:00:00Z", RECORD, signatures)
    assert (verdict.trusted, verdict.signer, found) == (True, "b", fingerprints)
    verdict, found = api.judged(HOST, policy, place, "2026-01-31T12:00:00Z", RECORD, signatures[:1])
    assert (verdict.trusted, found) == (False, fingerprints[:1])
    verdict, found = api.judged(HOST, policy, place, "2026-01-31T12:00:00Z", RECORD, signatures, "git")
    assert (verdict.trusted, found) == (False, [])
