"""One volume for processors of several generations: each node sees and loads what it can run, and says why not."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import processors
import pytest
import spack_at_hand
import stack_recipes
from playing import ROOT, command, environment, leftovers, play

MOUNT_DIR = Path("/petal-targets-test")
SEED = f"""\
cluster: {{name: targets-test, provider: local}}
shared_storage: [{{name: software, mount_dir: {MOUNT_DIR}, ebs_settings: {{size: 4}}}}]
software:
  spack_packages: [stack-lib@1.3.1, stack-app~mpi]
  stacks:
    - {{name: new, target: x86_64_v4, packages: [stack-lib@1.3.1]}}
    - {{name: middle, target: x86_64_v3, packages: [stack-lib@1.3.1, stack-lib@1.2.13]}}
  spack: {{repos: [{{path: site/recipes}}], target: x86_64_v2}}
"""
V2 = "cx16 lahf_lm mmx sse sse2 ssse3 sse4_1 sse4_2 popcnt"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"
#: Nodes by the features of their processors.
NODES = {"oldest": "mmx sse sse2", "v2": V2, "v3": V3, "v4": V4}


class Node:
    """This machine with another /proc/cpuinfo."""

    def __init__(self, directory: Path, name: str) -> None:
        cpuinfo = directory / f"cpuinfo-{name}"
        flags = f"fpu de pni {NODES[name]} constant_tsc"
        entry = f"vendor_id\t: GenuineIntel\nmodel name\t: Model {name} of a test\nflags\t\t: {flags}\n\n"
        cpuinfo.write_text(f"processor\t: 0\n{entry}processor\t: 1\n{entry}")
        self._on = ["unshare", "--mount", "--propagation=slave", "sh", "-c"]
        self._mounted = f"mount --bind {shlex.quote(str(cpuinfo))} /proc/cpuinfo && exec "

    def run(self, *argv: str) -> tuple[int, str]:
        """Status and output of a command there."""
        done = subprocess.run(
            [*self._on, self._mounted + shlex.join(argv)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def login(self, line: str) -> str:
        """What an ordinary user sees who logs in and types a line."""
        said = self.run("runuser", "--login", "--shell", "/bin/bash", "nobody", "--command", line)[1]
        # It has no home.
        lines = [line for line in said.splitlines() if not line.startswith("runuser: warning: ")]
        return " ".join(" ".join(lines).split())


def test_each_node_has_what_it_can_run(store: Path, tmp_path: Path) -> None:
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
    built = play("build_volume", "-e", json.dumps(variables))
    assert built.rc == 0, built.output
    nodes = {name: Node(tmp_path, name) for name in NODES}
    try:
        done = play("deploy_cluster", "-e", json.dumps(variables))
        assert done.rc == 0, done.output
        seen(nodes)
        loaded(nodes)
        refused(nodes)
        verified(nodes, variables)
    finally:
        gone = play("delete_cluster", "-e", json.dumps(variables))
    assert gone.rc == 0, gone.output
    assert leftovers(store) == []
    MOUNT_DIR.rmdir()


def seen(nodes: dict[str, Node]) -> None:
    """What ``module avail`` and ``module spider`` show."""
    oldest = ["stack-app/1.3.1", "stack-lib/1.3.1"]
    middle = [*oldest, "stack-lib/1.2.13", "stack-lib/1.3.1-middle"]
    newest = [*middle, "stack-lib/1.3.1-new"]
    # Where nothing can be run, everything is seen.
    for name, names in {"v2": oldest, "v3": middle, "v4": newest, "oldest": newest}.items():
        words = nodes[name].login("module -t avail 2>&1").split()
        assert sorted(word for word in words if word.startswith("stack-") and word[-1] != "/") == sorted(names), name
        shown = nodes[name].login("module -t spider stack-lib 2>&1")
        assert ("stack-lib/1.3.1-new" in shown, "stack-lib/1.3.1-middle" in shown) == (
            "stack-lib/1.3.1-new" in names,
            "stack-lib/1.3.1-middle" in names,
        ), shown
    assert "stack-lib/1.3.1-new" in nodes["v2"].login("module --show_hidden -t avail 2>&1")
    assert "stack-lib/1.3.1-new" in nodes["v2"].login("export PETAL_TARGET=any; module -t avail 2>&1")


def loaded(nodes: dict[str, Node]) -> None:
    """What ``module load`` takes where nobody says which build it shall be."""
    line = "module load stack-lib && stack-lib"
    assert nodes["v2"].login(line) == "1.3.1 x86_64_v2"
    assert nodes["v3"].login(line) == "1.3.1 x86_64_v3"
    assert nodes["v4"].login(line) == "1.3.1 x86_64_v4"
    assert nodes["v4"].login("module load stack-lib/1.2.13 && stack-lib") == "1.2.13 x86_64_v3"
    assert nodes["v2"].login(f"export PETAL_TARGET=zen4; {line}") == "1.3.1 x86_64_v4"
    assert nodes["v4"].login(f"export PETAL_TARGET=haswell; {line}") == "1.3.1 x86_64_v3"
    # A job has the environment of where it was submitted, with what was loaded there, and goes by the node where it is.
    job = "stack-lib; module update 2>&1; stack-lib"
    updated = inherited(nodes["v4"], nodes["v3"], "module load stack-lib", job)
    assert updated.startswith("1.3.1 x86_64_v4 The following have been reloaded"), updated
    assert updated.endswith("1.3.1 x86_64_v3"), updated
    updated = inherited(nodes["v4"], nodes["v3"], "module load stack-lib/1.3.1-new", job)
    assert "stack-lib/1.3.1-new was built for x86_64_v4, which this node's processor cannot run" in updated


def inherited(login: Node, compute: Node, line: str, job: str) -> str:
    """What a script says on one node that has all of the environment of a shell on another, as Slurm's jobs have."""
    told = login.login(f"{line}; env -0 | base64 --wrap=0")
    words = base64.b64decode(told).decode().split("\0")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    said = compute.run(*nobody, "env", "--ignore-environment", *filter(None, words), "bash", "-c", job)[1]
    return " ".join(said.split())


def refused(nodes: dict[str, Node]) -> None:
    """What a module says on a node that cannot run it."""
    says = (
        "stack-lib/1.3.1-new was built for x86_64_v4, which this node's processor cannot run: Model v2 of a test lacks "
        "abm, avx, avx2 and 11 more of its features; it runs what was built for x86_64_v2 "
        "(PETAL_TARGET=x86_64_v4 loads it all the same)"
    )
    assert says in nodes["v2"].login("module load stack-lib/1.3.1-new; stack-lib")
    assert (
        nodes["v2"].login("export PETAL_TARGET=x86_64_v4; module load stack-lib/1.3.1-new; stack-lib").startswith("1.3")
    )
    assert "it runs nothing of this volume" in nodes["oldest"].login("module load stack-app")
    unknown = nodes["v2"].login("export PETAL_TARGET=i386; module load stack-app")
    assert "stack-app/1.3.1 was not loaded: PETAL_TARGET is i386, which is no processor that archspec knows." in unknown
    sentence = "The processor of this node (Model oldest of a test) runs none of the software at"
    said = nodes["oldest"].login("bash -ic true")
    assert said.count(sentence) == 1, said
    assert sentence not in nodes["oldest"].login("true")
    assert "processor" not in nodes["v2"].login("bash -ic true")


def verified(nodes: dict[str, Node], variables: dict[str, str]) -> None:
    """What cannot be run is no failure, and is counted."""
    argv = command("verify_cluster", "-e", json.dumps(variables))
    status, said = nodes["v3"].run(*argv)
    assert status == 0, said
    assert "4 of 4 checks passed for nobody" in said
    assert "1 could not be made: built for x86_64_v4" in said
    assert "Nobody has seen these work, as no processor that was looked at can run them: stack-lib/1.3.1-new" in said
    status, said = nodes["oldest"].run(*argv)
    assert status != 0
    assert "nothing could be verified: all of it was built for x86_64_v2 and x86_64_v3 and x86_64_v4, and" in said, said


def test_the_table_of_processors_is_that_of_the_pinned_spack(tmp_path: Path) -> None:
    mirror = spack_at_hand.mirror_dir()
    if mirror is None or os.environ.get("PETAL_SPACK_MIRROR"):
        pytest.skip("the mirror directory has another Spack" if mirror else spack_at_hand.no_mirror())
    git = ["git", f"--git-dir={mirror / 'spack.git'}", "archive", spack_at_hand.SPACK_REF, "lib/spack/spack/vendor"]
    archive = subprocess.run(git, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", f"--directory={tmp_path}"], input=archive, check=True)
    file = tmp_path / "processors.json"
    subprocess.run([sys.executable, processors.__file__, str(tmp_path), str(file)], check=True)
    assert file.read_text() == processors.FILE.read_text(), "make it anew: python tests/lab/processors.py SPACK"
