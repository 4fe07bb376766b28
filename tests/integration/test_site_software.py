"""What is a site's own comes with its seed: modulefiles that users load, recipes and settings that Spack builds by."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import spack_at_hand
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


#: A package with a patch beside its recipe and nothing to fetch.
RECIPE = """\
from pathlib import Path

from spack.package import *
from spack_repo.builtin.build_systems.generic import Package


class SiteTool(Package):
    \"\"\"A tool of the site's own.\"\"\"

    homepage = "https://example.org/site-tool"
    has_code = False

    version("1.0")
    variant("loud", default=False, description="Say it aloud")

    def install(self, spec, prefix):
        mkdirp(prefix.bin)
        beside = Path(__file__).with_name("words.txt").read_text().strip()
        words = beside.upper() if spec.satisfies("+loud") else beside
        Path(prefix.bin, "site-tool").write_text(f"#!/bin/sh\\necho '{words}'\\n")
        set_executable(join_path(prefix.bin, "site-tool"))
"""


def write_recipes(directory: Path, namespace: str, name: str, words: str) -> None:
    """A repository with one package, called as NAME."""
    home = directory / "packages" / name.replace("-", "_")
    home.mkdir(parents=True)
    (directory / "repo.yaml").write_text(f"repo:\n  namespace: {namespace}\n  api: v2.0\n")
    word = "".join(part.capitalize() for part in name.split("-"))
    (home / "package.py").write_text(RECIPE.replace("SiteTool", word).replace("site-tool", name))
    (home / "words.txt").write_text(f"{words}\n")


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


def test_recipes_and_settings_of_a_seed_are_what_spack_builds_by(store: Path, tmp_path: Path) -> None:
    if reason := spack_at_hand.why_not():
        pytest.skip(reason)
    write_recipes(tmp_path / "site" / "recipes", "site_lab", "site-tool", "{{ 6 * 7 }} words")
    write_recipes(tmp_path / "git" / "spack_repo" / "git_lab", "git_lab", "git-tool", "from git")
    git = ["git", "-C", str(tmp_path / "git"), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "--initial-branch=main"], ["add", "--all"], ["commit", "--message=one"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    seed = tmp_path / "seed.yaml"
    seed.write_text(f"""\
cluster: {{name: site-test, provider: local}}
shared_storage: [{{name: software, mount_dir: {MOUNT_DIR}, ebs_settings: {{size: 4}}}}]
software:
  spack_packages: [site-tool, git-tool]
  spack:
    repos: [{{path: site/recipes}}, {{git: "file://{tmp_path}/git", ref: main}}]
    config: {{packages: {{site-tool: {{variants: +loud}}}}}}
""")
    variables = {"seed": str(seed), "store": str(store), **spack_at_hand.variables()}
    built = play("build_volume", "-e", json.dumps(variables))
    assert built.rc == 0, built.output
    try:
        done = play("deploy_cluster", "-e", json.dumps(variables))
        assert done.rc == 0, done.output
        said = login("module load site-tool git-tool && site-tool && git-tool")
        assert said.stdout.splitlines() == ["{{ 6 * 7 }} WORDS", "from git"], said
    finally:
        gone = play("delete_cluster", "-e", json.dumps(variables))
    assert gone.rc == 0, gone.output
    found = play("build_volume", "-e", json.dumps(variables))
    assert "Found: snap-" in found.output, found.output
    # Another commit of the branch is another volume.
    subprocess.run([*git, "commit", "--allow-empty", "--message=two"], check=True, capture_output=True)
    other = play("build_volume", "--check", "-e", json.dumps(variables))
    assert "a build would run" in other.output, other.output
    assert leftovers(store) == []
    MOUNT_DIR.rmdir()
