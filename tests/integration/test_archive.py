"""The archive that `ansible-galaxy collection build` makes works where nothing of the clone is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from playbooks import ROOT, environment

GALAXY = Path(sys.executable).with_name("ansible-galaxy")
SEED = "cluster: {name: elsewhere, provider: local}\nsoftware:\n  python_environments: [{name: e, packages: [six]}]\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty directory with the collection installed from its archive, and nothing else."""
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, files.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "source" / name)
    install = tmp_path / "empty"
    install.mkdir()
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "env": environment(ANSIBLE_CONFIG="")}
    subprocess.run([GALAXY, "collection", "build", "--output-path", tmp_path], cwd=tmp_path / "source", **quiet)
    (archive,) = tmp_path.glob("petal-hpc-*.tar.gz")
    subprocess.run([GALAXY, "collection", "install", "--no-deps", "-p", "collections", archive], cwd=install, **quiet)
    return install


def test_the_archive_holds_what_users_need_and_nothing_else(elsewhere: Path) -> None:
    (archive,) = elsewhere.parent.glob("petal-hpc-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = set(opened.getnames())
    assert {"plugins", "roles", "playbooks", "seeds", "meta", "README.md", "LICENSE"} <= names
    assert not {name for name in names if name.startswith((".", "Makefile")) or "__pycache__" in name}


def test_validate_seed_runs_by_name_from_there(elsewhere: Path) -> None:
    (elsewhere / "x.yaml").write_text(SEED)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "petal.hpc.validate_seed", "-e", "seed=x.yaml"],
        cwd=elsewhere,
        env=environment(ANSIBLE_CONFIG="", ANSIBLE_COLLECTIONS_PATH=str(elsewhere / "collections")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sha256:" in done.stdout
