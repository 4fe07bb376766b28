"""A seed with two versions, two MPI and several stacks: built, deployed, and loaded by who logs in."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import spack_at_hand
import stack_recipes
from playing import leftovers, play

MOUNT_DIR = Path("/petal-stacks-test")
SEED = f"""\
cluster: {{name: stacks-test, provider: local}}
shared_storage: [{{name: software, mount_dir: {MOUNT_DIR}, ebs_settings: {{size: 4}}}}]
software:
  spack_packages: [stack-lib@1.2.13, stack-lib@1.3.1 ~fast, stack-lib@1.3.1 +fast, stack-app~mpi]
  stacks:
    - {{name: one, mpi: {stack_recipes.NAMESPACE}.stack-one, packages: [stack-app, stack-lib@1.3.1 +small]}}
    - {{name: two, mpi: {stack_recipes.NAMESPACE}.stack-two@1.2, packages: [stack-app ^stack-lib@1.2.13]}}
    - {{name: generic, target: x86_64, packages: [stack-app~mpi]}}
  spack: {{repos: [{{path: site/recipes}}], target: x86_64_v3}}
"""
#: What is loaded, and what the program says then: its MPI, the version of the library, the target.
LOADED = {
    "stack-lib && stack-lib": "1.3.1 x86_64_v3",
    "stack-lib/1.2.13 && stack-lib": "1.2.13 x86_64_v3",
    "stack-lib/1.3.1-fast && stack-lib": "1.3.1 x86_64_v3",
    "stack-lib/1.3.1-one && stack-lib": "1.3.1 x86_64_v3",
    "stack-app && stack-app": "none 1.3.1 x86_64_v3",
    "stack-app/1.3.1-generic && stack-app": "none 1.3.1 x86_64",
    "stack-one stack-app && stack-app": "stack-one 1.3.1 x86_64_v3",
    "stack-one stack-app && mpirun": "stack-one 1.3.1",
    "stack-two stack-app && stack-app": "stack-two 1.2.13 x86_64_v3",
    "stack-two && module load stack-app/1.3.1 && mpirun": "stack-two 1.2.13",
    # Another MPI takes the place of the first, and of what was built with it.
    "stack-one stack-app && module swap stack-one stack-two && stack-app": "stack-two 1.2.13 x86_64_v3",
}


def login(command: str) -> subprocess.CompletedProcess[str]:
    """What an ordinary user gets who logs in and types a line."""
    arguments = ["runuser", "--login", "--shell", "/bin/bash", "nobody", "--command", command]
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_several_builds_stand_side_by_side(store: Path, tmp_path: Path) -> None:
    if reason := spack_at_hand.why_not():
        pytest.skip(reason)
    (tmp_path / "site").mkdir()
    stack_recipes.write(tmp_path / "site" / "recipes")
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED)
    variables = {
        "seed": str(seed),
        "store": str(store),
        "software_volume_own_cache": str(tmp_path / "own"),
        **spack_at_hand.variables(),
    }
    valid = play("validate_seed", "-e", json.dumps(variables))
    assert "4 Spack packages, stacks one and two and generic, 0 Python" in valid.output, valid.output
    planned = play("build_volume", "--check", "-e", json.dumps(variables))
    assert "stack       two: petal_stacks.stack-two@1.2, stack-app ^stack-lib@1.2.13" in planned.output, planned.output
    built = play("build_volume", "-e", json.dumps(variables))
    assert built.rc == 0, built.output
    try:
        done = play("deploy_cluster", "-e", json.dumps(variables))
        assert done.rc == 0, done.output
        said = {loaded: login(f"module load {loaded}") for loaded in LOADED}
        assert {loaded: done.stdout.strip() for loaded, done in said.items()} == LOADED, said
        manifest = json.loads((MOUNT_DIR / ".petal" / "manifest.json").read_text())
        names = sorted(entry["name"] for entry in manifest["modules"])
        assert names == [
            *("stack-app/1.3.1", "stack-app/1.3.1", "stack-app/1.3.1", "stack-app/1.3.1-generic"),
            *("stack-lib/1.2.13", "stack-lib/1.3.1", "stack-lib/1.3.1-fast", "stack-lib/1.3.1-one"),
            *("stack-one/1.3.1", "stack-two/1.2.13"),
        ]
        marked = {tuple(entry["load"]) for entry in manifest["modules"] if entry["default"]}
        assert marked == {
            ("stack-lib/1.3.1",),
            ("stack-app/1.3.1",),
            ("stack-one/1.3.1", "stack-app/1.3.1"),
            ("stack-two/1.2.13", "stack-app/1.3.1"),
        }
        verified = play("verify_cluster", "-e", json.dumps(variables))
        assert verified.rc == 0, verified.output
        spider = login("module spider stack-app/1.3.1 2>&1")
        assert "stack-one/1.3.1" in spider.stdout, spider
    finally:
        gone = play("delete_cluster", "-e", json.dumps(variables))
    assert gone.rc == 0, gone.output
    assert leftovers(store) == []
    found = play("build_volume", "-e", json.dumps(variables))
    assert "Found: snap-" in found.output, found.output
    MOUNT_DIR.rmdir()
