"""The archive that `ansible-galaxy collection build` makes works where nothing of the clone is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from playing import ROOT, environment

GALAXY = Path(sys.executable).with_name("ansible-galaxy")
SEED = "cluster: {name: elsewhere, provider: local}\nsoftware:\n  python_environments: [{name: e, packages: [six]}]\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty directory with the collection installed from its archive, and nothing else."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "source" / name)
    install = tmp_path / "empty"
    install.mkdir()
    galaxy("build", "--output-path", str(tmp_path), cwd=tmp_path / "source")
    (archive,) = tmp_path.glob("petal-hpc-*.tar.gz")
    galaxy("install", "--no-deps", "-p", "collections", str(archive), cwd=install)
    return install


def galaxy(*arguments: str, cwd: Path) -> None:
    command = [str(GALAXY), "collection", *arguments]
    subprocess.run(command, cwd=cwd, env=environment(ANSIBLE_CONFIG=""), stdout=subprocess.DEVNULL, check=True)


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
