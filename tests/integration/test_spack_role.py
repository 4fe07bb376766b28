"""Role spack beside a whole build: branches, a mirror filled and then used without any network, Lmod from source."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import spack_at_hand
import yaml
from git_repository import git
from playing import ANSIBLE_PLAYBOOK, Run, finished, play

from ansible_collections.petal.hpc.plugins.module_utils._seed import model

SPEC = "tree@2.1.0"
LMOD = "8.7.37"


def run_tasks(directory: Path, tasks: list[dict[str, Any]], alone: bool = False, **variables: Any) -> Run:
    """Play tasks on this host. alone: in a network namespace without any network."""
    path = directory / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    command = [str(ANSIBLE_PLAYBOOK), str(path), "-e", json.dumps(variables, default=str)]
    return finished([*(["unshare", "--net"] if alone else []), *command], timeout=1800)


def role(name: str, entry: str = "main") -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": f"petal.hpc.{name}", "tasks_from": entry}}


def keep(fact: str, path: Path) -> dict[str, Any]:
    return {"ansible.builtin.copy": {"content": f"{{{{ {fact} | to_json }}}}", "dest": str(path)}}


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository with a branch and a tag."""
    directory = tmp_path / "upstream"
    directory.mkdir()
    git(directory, "init", "--quiet", "--initial-branch=develop")
    git(directory, "commit", "--quiet", "--allow-empty", "--message=first")
    git(directory, "tag", "--annotate", "--message=one", "site-1")
    git(directory, "commit", "--quiet", "--allow-empty", "--message=second")
    return directory


def test_branches_are_resolved_and_releases_are_not(tmp_path: Path, upstream: Path) -> None:
    found = tmp_path / "found.json"
    tasks = [role("spack", "resolve"), keep("spack_resolved_refs", found)]
    for branch in ("develop", "site-1"):
        done = run_tasks(
            tmp_path,
            tasks,
            spack_version=branch,
            spack_git_url=upstream.as_uri(),
            spack_packages_version="v2026.06.0",
            spack_packages_git_url="file:///nowhere/packages.git",
        )
        assert done.rc == 0, done.output
        assert json.loads(found.read_text()) == {"spack": git(upstream, "rev-parse", f"{branch}^{{commit}}")}


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("other", "Could not find other of Spack"),
        ("--all", "is no reference"),
        ("v0.23.1", "spack_version is v0.23.1. Expected Spack 1.0 or later"),
        ("releases/v0.22", "Expected Spack 1.0 or later"),
    ],
)
def test_what_is_no_branch_is_said(tmp_path: Path, upstream: Path, version: str, said: str) -> None:
    tasks = [role("spack", "resolve")]
    done = run_tasks(tmp_path, tasks, spack_version=version, spack_git_url=upstream.as_uri())
    assert done.rc != 0
    assert said in done.output
    assert "Traceback" not in done.output


def needs_mirror() -> Path:
    """The mirror directory of the tests, in a test that cannot do without it."""
    mirror = spack_at_hand.mirror_dir()
    if os.geteuid() != 0:
        pytest.skip("the role installs packages of the operating system, which needs root")
    if mirror is None:
        pytest.skip(f"{spack_at_hand.no_mirror()}, to fill another one from")
    return mirror


def test_a_mirror_is_filled_and_all_that_a_site_without_network_needs(tmp_path: Path) -> None:
    known = needs_mirror()
    mirror, cache, mount_dir = tmp_path / "mirror", tmp_path / "cache", tmp_path / "volume"
    mount_dir.mkdir()
    filled = play(
        "mirror",
        "-e",
        json.dumps(
            {
                "spack_git_url": f"file://{known}/spack.git",
                "spack_packages_git_url": f"file://{known}/spack-packages.git",
                "spack_mirrors": {"known": {"url": f"file://{known}/sources", "source": True, "binary": False}},
                "spack_specs": [SPEC],
            }
        ),
        timeout=1800,
        spack_mirror_dir=mirror,
        spack_cache_dir=cache,
    )
    assert filled.rc == 0, filled.output
    commit = git(mirror / "spack.git", "rev-parse", f"{model.DEFAULT_SPACK_REF}^{{commit}}")
    assert commit == model.DEFAULT_SPACK_REF
    assert git(mirror / "spack-packages.git", "rev-parse", f"refs/tags/{model.DEFAULT_SPACK_PACKAGES_REF}^{{commit}}")
    assert list((mirror / "bootstrap").glob("clingo-*.whl"))
    assert list((mirror / "sources").rglob("*.tar.gz")) or list((mirror / "sources").rglob("*.tgz"))

    facts = tmp_path / "facts.json"
    tasks = [role("spack"), role("spack", "environment"), keep("[spack_packages, spack_modules]", facts)]
    built = run_tasks(
        tmp_path,
        tasks,
        alone=True,
        spack_mount_dir=mount_dir,
        spack_cache_dir=tmp_path / "cold",
        spack_mirror_dir=mirror,
        spack_specs=[SPEC],
    )
    assert built.rc == 0, built.output
    packages, modules = json.loads(facts.read_text())
    assert {p["name"]: p["origin"] for p in packages}["tree"] == "source"
    assert [(m["name"], m["load"], m["check"]) for m in modules] == [
        ("tree/2.1.0", ["tree/2.1.0"], ["tree", "--version"])
    ]
    assert (mount_dir / ".petal" / "spack.lock").is_file()
    assert (mount_dir / "modules" / "spack" / "Core" / "tree" / "2.1.0.lua").is_file()
    assert not list(mount_dir.rglob("*.whl"))


def test_lmod_from_source_runs_on_the_systems_lua(tmp_path: Path) -> None:
    mirror = needs_mirror()
    if not (mirror / f"lmod-{LMOD}.tar.gz").is_file():
        pytest.skip(f"no lmod-{LMOD}.tar.gz in {mirror}")
    mount_dir, facts = tmp_path / "volume", tmp_path / "facts.json"
    (mount_dir / "modules" / "Core").mkdir(parents=True)
    (mount_dir / "modules" / "Core" / "tool.lua").write_text('setenv("TOOL", "loaded")\n')
    variables: dict[str, Any] = {
        "lmod_method": "source",
        "lmod_version": LMOD,
        "lmod_mount_dir": mount_dir,
        "lmod_mirror_dir": mirror,
        "lmod_work_dir": tmp_path / "work",
    }
    tasks = [role("lmod"), role("lmod", "cache"), keep("lmod_facts", facts)]
    done = run_tasks(tmp_path, tasks, **variables)
    assert done.rc == 0, done.output
    found = json.loads(facts.read_text())
    assert (found["version"], found["home"]) == (LMOD, f"{mount_dir}/lmod/lmod")
    line = f'. {found["init"]["bash"]}; module use {mount_dir}/modules/Core; module load tool; echo "got $TOOL"'
    shell = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    assert shell.stdout.strip() == "got loaded"
    # A node needs no package of its own: what the volume carries is seen.
    node = [role("lmod", "node"), keep("lmod_facts", facts)]
    again = run_tasks(tmp_path, node, lmod_mount_dir=mount_dir)
    assert again.rc == 0, again.output
    assert json.loads(facts.read_text())["home"] == f"{mount_dir}/lmod/lmod"
