"""Who made a volume is not root on the nodes that use it: nothing of it runs as root, whatever was put there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from kill_build import SEED
from modules import run_module
from playing import play

#: Where a volume has what nodes run: scripts with a first line of their own, and files that shells read.
PROGRAMS = ("bin/petal-node-setup", "lmod/lmod/libexec/lmod", "envs/small/2/bin/python", "bin/scontrol")
READ = ("etc/profile.d/petal.sh", "etc/profile.d/petal.bash_env", "lmod/lmod/init/sh", "lmod/lmod/init/bash")


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed.yaml"
    path.write_text(SEED.replace("/shared", "/petal-test"))
    return path


def forge(store: Path, tmp_path: Path) -> Path:
    """Put another snapshot in the place of the one in a store: the same to all that looks at fingerprints and digests.

    Returns the file into which whatever of it runs as root writes its name.
    """
    record = json.loads(next(store.glob("snapshots/*/snapshot.json")).read_text())
    volume, seen = tmp_path / "mnt", tmp_path / "ran-as-root"
    run_module(
        "local_volume",
        store=store,
        name="forged",
        snapshot_id=record["snapshot_id"],
        state="mounted",
        mount_dir=str(volume),
    )
    for name in (*PROGRAMS, *READ):
        file = volume / name
        before = file.read_text() if file.exists() and not file.is_symlink() else ""
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            # An environment is found by the name that its Python was called with.
            before = f'exec -a "$0" {file.readlink()} "$@"\n'
            file.unlink()
        payload = f'if [ "$(id -u)" = 0 ]; then echo {name} >>{seen}; fi\n'
        if name.startswith("lmod/") and name in READ:
            before = f". /usr/share/lmod/lmod/init/{file.name}\n"
        elif name.startswith("lmod/"):
            before = 'exec /usr/share/lmod/lmod/libexec/lmod "$@"\n'
        elif name == "bin/petal-node-setup":
            before = "echo unchanged\n"
        file.write_text(("#!/bin/bash\n" if name in PROGRAMS else "") + payload + before)
        file.chmod(0o755)
    run_module("local_volume", store=store, name="forged", state="detached")
    run_module("local_snapshot", store=store, state="absent", snapshot_id=record["snapshot_id"], force=True)
    known = {key: record[key] for key in ("fingerprint", "name", "os", "architecture", "packages", "tags")}
    run_module("local_snapshot", store=store, volume="forged", **known)
    run_module("local_volume", store=store, name="forged", state="absent")
    return seen


def test_nothing_of_a_forged_volume_runs_as_root(store: Path, seed: Path, tmp_path: Path) -> None:
    """A hook that was replaced was root on the node; so were Lmod, and the profile that root's login shells read."""
    built = play("build_volume", seed=seed, store=store)
    assert built.rc == 0, built.output
    seen = forge(store, tmp_path)
    try:
        deployed = play("deploy_cluster", seed=seed, store=store)
        assert not seen.exists(), seen.read_text()
        assert deployed.rc == 0, deployed.output
        assert re.search(r"^ok +small/2 ", deployed.output, re.MULTILINE), deployed.output
        assert "/petal-test/" in Path("/etc/profile.d/z00_petal.sh").read_text()
        again = play("deploy_cluster", "-v", seed=seed, store=store)
        assert re.search(r"^localhost +: ok=\d+ +changed=0 ", again.output, re.MULTILINE), again.output
        for shell in (["bash", "--login", "-c", "true"], ["bash", "-ic", "true"], ["sh", "-lc", "true"]):
            subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        refused = play("verify_cluster", seed=seed, store=store, verify_user="root")
        assert refused.rc != 0
        assert "root is root, and what is on a volume runs as an ordinary user only" in refused.output
    finally:
        gone = play("delete_cluster", seed=seed, store=store)
    assert gone.rc == 0, gone.output
    assert not seen.exists(), seen.read_text()
    assert not Path("/etc/profile.d/z00_petal.sh").exists()
    Path("/petal-test").rmdir()
