"""A key that signs as AWS KMS does, in OpenSSL here: OpenSSH itself says that its signatures are right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._trust import api, sshsig
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import NAMESPACE, TrustError, parse_signatures

pytestmark = pytest.mark.skipif(
    not (shutil.which("ssh-keygen") and shutil.which("openssl")), reason="no ssh-keygen, or no openssl, on this machine"
)
DATA = b'{"snapshot_id": "snap-0123456789abcdef0"}\n'


def run_command(args: list[str], **options: Any) -> tuple[int, str, str]:
    done = subprocess.run(args, input=options.get("data") or b"", capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


HOST = Host(run_command)


def openssl(*arguments: str | Path, data: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True)
    return done.stdout


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    return path


def public(key: Path) -> bytes:
    """As KMS GetPublicKey gives it."""
    return openssl("ec", "-in", key, "-pubout", "-outform", "DER")


def signed(key: Path, data: bytes, namespace: str = NAMESPACE) -> str:
    """As KMS Sign with ECDSA_SHA_256 gives it, and what becomes of it."""
    signature = openssl("dgst", "-sha256", "-sign", key, data=sshsig.to_sign(data, namespace))
    return sshsig.armoured(sshsig.public_key(public(key)), namespace, signature)


@pytest.mark.parametrize("number", range(8))
def test_openssh_reads_it(key: Path, number: int) -> None:
    """Several times: numbers of such a signature are longer or shorter by a byte, as chance has it."""
    data = DATA * (number + 1)
    signature = signed(key, data)
    assert parse_signatures(signature.encode()) == [signature]
    assert api.signed_by(HOST, data, [signature]) == [sshsig.fingerprint(sshsig.public_key(public(key)))]
    assert api.signed_by(HOST, data + b" ", [signature]) == []


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_signature_names_its_key(tmp_path: Path, kind: str) -> None:
    """Of keys that OpenSSH has itself, too."""
    path = tmp_path / kind
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    assert sshsig.signer(api.KeyFile(HOST, str(path)).sign(DATA)) == api.fingerprint(HOST, str(path))


@pytest.mark.parametrize("text", ["", "AAAA", "U1NIU0lHAAAAAQAAADM=", "not base64!"])
def test_what_is_no_signature_names_none(text: str) -> None:
    with pytest.raises(TrustError, match="no signature"):
        sshsig.signer(f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n")


def test_it_is_for_one_purpose(key: Path) -> None:
    assert api.signed_by(HOST, DATA, [signed(key, DATA, "git")]) == []


def test_the_key_has_the_name_that_openssh_gives_it(key: Path, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(subprocess.run(
        ["ssh-keygen", "-i", "-m", "PKCS8", "-f", "/dev/stdin"],
        input=openssl("ec", "-in", key, "-pubout"), capture_output=True, check=True,
    ).stdout)  # fmt: skip
    assert sshsig.fingerprint(sshsig.public_key(public(key))) == api.fingerprint(HOST, str(tmp_path / "key.pub"))


def test_other_keys_are_refused() -> None:
    other = openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout")
    for wrong in (b"", b"noise", openssl("ec", "-pubout", "-outform", "DER", data=other), sshsig.SPKI + b"\4" * 64):
        with pytest.raises(TrustError, match="another kind"):
            sshsig.public_key(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x03\x02\x01\x01",
        b"\x31\x06\x02\x01\x01\x02\x01\x01",
        b"\x30\x07\x02\x01\x01\x02\x01\x01",
    ],
)
def test_what_is_no_signature_is_refused(key: Path, wrong: bytes) -> None:
    with pytest.raises(TrustError, match="none of ECDSA"):
        sshsig.armoured(sshsig.public_key(public(key)), NAMESPACE, wrong)
