"""What is a site's own comes with its seed: modulefiles that users load."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playing import leftovers, play

MOUNT_DIR = Path("/petal-site-test")
SEED = f"""\
cluster: {{name: site-test, provider: local}}
shared_storage: [{{name: software, mount_dir: {MOUNT_DIR}, ebs_settings: {{size: 1}}}}]
software:
  modules: [site/mytool-1.0.lua, site/other/2.1]
"""
#: What a template would make something else of stays as it is.
LUA = 'whatis("Name: My tool")\nsetenv("MYTOOL", "{{ 6 * 7 }} {% raw %} ${HOME} $(id)")\n'
TCL = "#%Module1.0\nsetenv OTHER 2.1\n"


@pytest.fixture
def deployed(store: Path, tmp_path: Path) -> Iterator[Path]:
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED)
    (tmp_path / "site" / "other").mkdir(parents=True)
    (tmp_path / "site" / "mytool-1.0.lua").write_text(LUA)
    (tmp_path / "site" / "other" / "2.1").write_text(TCL)
    built = play("build_volume", seed=seed, store=store)
    assert built.rc == 0, built.output
    try:
        done = play("deploy_cluster", seed=seed, store=store)
        assert done.rc == 0, done.output
        yield seed
    finally:
        gone = play("delete_cluster", seed=seed, store=store)
    assert gone.rc == 0, gone.output
    assert leftovers(store) == []
    MOUNT_DIR.rmdir()


def login(command: str) -> subprocess.CompletedProcess[str]:
    """What an ordinary user gets who logs in and types a line."""
    arguments = ["runuser", "--login", "--shell", "/bin/bash", "nobody", "--command", command]
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_a_sites_own_modulefiles_are_loaded_and_verified(store: Path, deployed: Path) -> None:
    assert (MOUNT_DIR / "modules" / "Core" / "mytool" / "1.0.lua").read_text() == LUA
    loaded = login('module load mytool other && printf "%s|%s" "$MYTOOL" "$OTHER"')
    assert loaded.stdout == "{{ 6 * 7 }} {% raw %} ${HOME} $(id)|2.1", loaded
    spider = login("module --terse spider mytool 2>&1; module spider mytool/1.0 2>&1")
    assert "mytool/1.0" in spider.stdout, spider
    manifest = json.loads((MOUNT_DIR / ".petal" / "manifest.json").read_text())
    assert [(entry["name"], entry["kind"]) for entry in manifest["modules"]] == [
        ("mytool/1.0", "site"),
        ("other/2.1", "site"),
    ]
    verified = play("verify_cluster", seed=deployed, store=store)
    assert verified.rc == 0, verified.output
    for name in ("mytool/1.0", "other/2.1"):
        assert re.search(rf"^ok +{name} ", verified.output, re.MULTILINE), verified.output
