"""The keyring of a Spack when the key that signs a cache is another one than before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, run_module
from playing import ANSIBLE_PLAYBOOK, finished

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


def signs(home: Path, key: str) -> bool:
    """Whether a keyring can sign."""
    command = ["gpg", "--homedir", str(home), "--batch", "--local-user", key, "--clearsign"]
    done = subprocess.run(command, input=b"text", capture_output=True, check=False)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return done.returncode == 0


def test_a_key_that_is_given_is_in_memory_alone_until_it_is_forgotten(tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    # What the host itself made before makes room: its file is still there.
    own = made(home, tmp_path / "own.key")
    wanted = made(tmp_path / "elsewhere", tmp_path / "site.key")
    secret = (tmp_path / "site.key").read_text()
    given: dict[str, Any] = {"gnupghome": home, "signing_key": {"content": secret}}
    planned = run_module("spack_buildcache_keys", check=True, **given)
    assert planned["changed"] and own in secret_keys(home)
    done = run_module("spack_buildcache_keys", **given)
    assert (done["signing_key"]["fingerprint"], done["trusted"]) == (wanted, [wanted])
    assert secret.splitlines()[3] not in str(done)
    assert signs(home, wanted)
    secrets = home / "private-keys-v1.d"
    (key,) = secrets.glob("*.key")
    assert secrets.is_symlink() and secrets.resolve().stat().st_mode & 0o077 == 0
    assert subprocess.run(["stat", "-fc", "%T", key], capture_output=True, text=True, check=True).stdout == "tmpfs\n"
    assert not run_module("spack_buildcache_keys", **given)["changed"]

    assert run_module("spack_buildcache_keys", gnupghome=home, forget=True)["changed"]
    assert not secrets.is_symlink() and not signs(home, wanted)
    assert not run_module("spack_buildcache_keys", gnupghome=home, forget=True)["changed"]
    # What it has signed counts as before, and the next build has it again.
    assert not run_module("spack_buildcache_keys", gnupghome=home, keys=[{"name": "x", "fingerprint": wanted}])[
        "changed"
    ]
    run_module("spack_buildcache_keys", **given)
    assert signs(home, wanted)
    # The host was restarted, and the next build has a key in a file.
    shutil.rmtree(secrets.resolve())
    assert made(home, tmp_path / "own.key") == own
    assert signs(home, own) and not secrets.is_symlink()


def test_a_key_stays_as_long_as_anybody_needs_it(tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    wanted = made(tmp_path / "elsewhere", tmp_path / "site.key")
    given: dict[str, Any] = {"gnupghome": home, "signing_key": {"content": (tmp_path / "site.key").read_text()}}
    forget: dict[str, Any] = {"gnupghome": home, "forget": True}
    for holder in ("one", "another"):
        run_module("spack_buildcache_keys", holder=holder, **given)
    assert not run_module("spack_buildcache_keys", holder="one", **forget)["changed"]
    # Again, and by somebody who never had it, as after a look at the caches.
    assert not run_module("spack_buildcache_keys", holder="one", **forget)["changed"]
    assert not run_module("spack_buildcache_keys", holder="third", **forget)["changed"]
    assert signs(home, wanted)
    assert run_module("spack_buildcache_keys", check=True, holder="another", **forget)["changed"]
    assert signs(home, wanted)
    assert run_module("spack_buildcache_keys", holder="another", **forget)["changed"]
    assert not signs(home, wanted)
    # Nor does somebody with another key take it away.
    run_module("spack_buildcache_keys", holder="one", **given)
    made(tmp_path / "another", tmp_path / "other.key")
    other: dict[str, Any] = {"gnupghome": home, "signing_key": {"file": tmp_path / "other.key"}}
    for check in (True, False):
        refused = fail_module("spack_buildcache_keys", holder="another", check=check, **other)
        assert f"has the secret key {wanted} in memory for another build at work on this host" in refused
    assert signs(home, wanted)
    run_module("spack_buildcache_keys", holder="one", **forget)
    assert run_module("spack_buildcache_keys", holder="another", **other)["removed"] == [wanted]
    # What was killed did not forget it.
    run_module("spack_buildcache_keys", holder="killed", **given)
    (hold,) = (home / "private-keys-v1.d").glob("petal-holds-*")
    os.utime(hold, (0, 0))
    assert run_module("spack_buildcache_keys", holder="one", **forget)["changed"]


@pytest.mark.parametrize("what", ["file", "link", "open", "dangling"])
def test_a_place_in_memory_that_others_reach_is_refused(what: str, tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    made(tmp_path / "elsewhere", tmp_path / "site.key")
    given: dict[str, Any] = {"gnupghome": home, "signing_key": {"content": (tmp_path / "site.key").read_text()}}
    run_module("spack_buildcache_keys", **given)
    memory = (home / "private-keys-v1.d").resolve()
    run_module("spack_buildcache_keys", gnupghome=home, forget=True)
    (tmp_path / "theirs").mkdir()
    try:
        if what == "file":
            memory.write_text("")
        elif what == "open":
            memory.mkdir()
            memory.chmod(0o777)
        else:
            memory.symlink_to(tmp_path / ("theirs" if what == "link" else "nowhere"))
        assert "is not of this keyring's owner alone" in fail_module("spack_buildcache_keys", **given)
        assert not list((tmp_path / "theirs").iterdir())
    finally:
        if what == "open":
            memory.rmdir()
        else:
            memory.unlink()


def test_a_key_that_is_given_and_is_none_is_refused(tmp_path: Path) -> None:
    given: dict[str, Any] = {"gnupghome": tmp_path / "gpg", "signing_key": {"content": "nonsense"}}
    assert "the signing key that was given holds no key" in fail_module("spack_buildcache_keys", **given)
    made(tmp_path / "elsewhere", tmp_path / "site.key")
    public = {"content": (tmp_path / "site.key.pub").read_text()}
    refused = fail_module("spack_buildcache_keys", gnupghome=tmp_path / "gpg", signing_key=public)
    assert "holds no secret key" in refused
    run_module("spack_buildcache_keys", gnupghome=tmp_path / "gpg", forget=True)


@pytest.mark.parametrize(("kept", "pipes"), [("false", False), ("true", True), ("false", True)])
def test_a_key_that_is_given_is_in_no_file_of_ansibles(kept: str, pipes: bool, tmp_path: Path) -> None:
    task = {
        "petal.hpc.spack_buildcache_keys": {
            "gnupghome": f"{tmp_path}/gpg",
            "signing_key": {"content": "{{ lookup('petal.hpc.secret', 'file:" + f"{tmp_path}/key" + "') }}"},
        },
        "vars": {"ansible_pipelining": pipes},
    }
    (tmp_path / "key").write_text("quite-a-secret")
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    # Not the controller's own Python: Ansible runs the module as on another host.
    where = {"ansible_connection": "local", "ansible_remote_tmp": f"{tmp_path}/tmp"}
    options = json.dumps({**where, "ansible_python_interpreter": "/usr/bin/python3"})
    command = ["env", f"ANSIBLE_KEEP_REMOTE_FILES={kept}", str(ANSIBLE_PLAYBOOK), "-vvv", "-i", "localhost,"]
    done = finished([*command, "-e", options, str(tmp_path / "play.yml")])
    refused = "The signing key was not handed over, for Ansible would write it to a file on the host"
    expected = refused if kept == "true" or not pipes else "the signing key that was given holds no key"
    assert done.rc == 2 and expected in done.output
    assert "quite-a-secret" not in done.output
    run_module("spack_buildcache_keys", gnupghome=tmp_path / "gpg", forget=True)
    files = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
    assert not any(b"quite-a-secret" in path.read_bytes() for path in files)
