"""The keyring of a Spack when the key that signs a cache is another one than before."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, run_module

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg")


def made(home: Path, key: Path) -> str:
    """The fingerprint of a signing key that the module made in a file, and imported."""
    done: dict[str, Any] = run_module(
        "spack_buildcache_keys", gnupghome=home, signing_key={"file": key, "create": True}
    )
    return str(done["signing_key"]["fingerprint"])


def secret_keys(home: Path) -> str:
    listing = ["gpg", "--homedir", str(home), "--batch", "--with-colons", "--list-secret-keys"]
    return subprocess.run(listing, capture_output=True, text=True, check=True).stdout


def test_a_new_signing_key_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    old = made(home, tmp_path / "old.key")
    new = made(home, tmp_path / "new.key")
    assert old not in secret_keys(home) and new in secret_keys(home)
    assert (tmp_path / "old.key").exists()


def test_a_secret_key_that_nobody_can_bring_back_is_not_deleted(tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    generate = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run([*generate, "--quick-generate-key", "somebody", "ed25519", "sign", "never"], check=True)
    signing_key = {"file": tmp_path / "new.key", "create": True}
    refused = fail_module("spack_buildcache_keys", gnupghome=home, signing_key=signing_key)
    assert "which nobody named" in refused and os.fspath(home) in refused
    assert secret_keys(home).count("sec:") >= 1
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
