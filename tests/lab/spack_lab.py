"""A Spack of its own with a repository of small programs, for the tests of module spack_environment."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import few_recipes
import pytest
from modules import result_of, start_module
from spack_at_hand import SPACK_REF, mirror_dir, no_mirror

TREE = "0160c535bff2b0dc6a830b9944e981e3427380f63e748da96ced7071faebabf6"

# Small C programs: name, what it needs, seconds that its build waits, whether it compiles.
PROGRAMS: dict[str, tuple[list[str], float, bool]] = {
    "quick": ([], 0, True),
    "slow": (["quick"], 4, True),
    "last": (["slow"], 0, True),
    "endless": (["quick"], 300, True),
    "broken": (["quick"], 0, False),
    "never": ([], 0, False),
    "rooted": (["quick"], 0, True),
    "side": (["quick"], 0, True),
}

# What only the recipe knows: two specs that do not name it exclude each other by it.
EXTRA = {"side": ['depends_on("petal-quick+extra", when="+extra")']}
NEVER = ['depends_on("petal-never", when="+never")']
RECIPE = '''\
from spack_repo.builtin.build_systems.makefile import MakefilePackage

from spack.package import *


class {class_name}(MakefilePackage):
    """A program of a test."""

    url = "file://{archive}"
    version("1.0", sha256="{digest}")
    depends_on("c", type="build")
    variant("never", default=False, description="Need what nobody asks for")
    variant("extra", default=False, description="Another build")
    {needs}

    def build(self, spec, prefix):
        make("CC=" + spack_cc, "PREFIX=" + prefix)

    def install(self, spec, prefix):
        make("PREFIX=" + prefix, "install")
'''
MAKEFILE = """\
petal-{name}: main.c
\tsleep {seconds}
\t$(CC) -DPREFIX='"$(PREFIX)"' -o $@ main.c
\techo {name} >>{builds}
install:
\tmkdir -p $(PREFIX)/bin
\tcp petal-{name} $(PREFIX)/bin/
"""


PATIENCE = 300


@dataclass(frozen=True)
class Lab:
    """A Spack of its own with a repository of small programs."""

    root: Path

    @property
    def command(self) -> Path:
        return self.root / "bin" / "spack"

    @property
    def work_dir(self) -> Path:
        return self.root / "off"

    @property
    def site(self) -> Path:
        return self.root / "spack" / "etc" / "spack" / "site"

    @property
    def tree(self) -> Path:
        return self.root / "vol" / "opt"

    def builds(self) -> list[str]:
        """Every compilation that took place, in its order."""
        log = self.root / "builds"
        return log.read_text().split() if log.exists() else []

    def calls(self) -> list[str]:
        """Every call of the command."""
        return (self.root / "calls").read_text().splitlines()

    def spack(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [self.command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode in accept, done.stdout + done.stderr
        return done.stdout

    def arguments(self, name: str, *specs: str, **more: Any) -> dict[str, Any]:
        given = {"spack": self.command, "work_dir": self.work_dir, "name": name, "specs": list(specs)}
        return {**given, "wait_s": 60, "concurrency": 4, **more}

    def forget(self, name: str, package: str) -> None:
        """Forget an environment, a package with all that needs it, and every build."""
        if self.spack("find", "--format", "{name}", package, accept=(0, 1)).strip():
            self.spack("uninstall", "--all", "--dependents", "--yes-to-all", package)
        shutil.rmtree(self.environment(name), ignore_errors=True)
        (self.root / "builds").unlink(missing_ok=True)

    def environment(self, name: str) -> Path:
        return self.work_dir / "envs" / name

    def session(self, name: str) -> int:
        """Number of the session of a running installation."""
        found = json.loads((self.environment(name) / "session" / "session.json").read_text())
        return int(found["pid"])

    def log(self, name: str) -> str:
        log = self.environment(name) / "install.log"
        return log.read_text() if log.exists() else ""

    def mirrors(self, **caches: Any) -> None:
        sources = {"url": f"file://{mirror_dir()}/sources", "source": True, "binary": False}
        (self.site / "mirrors.yaml").write_text(json.dumps({"mirrors:": {**caches, "sources": sources}}))


def members(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def archive(name: str, files: dict[str, str]) -> bytes:
    """A source archive with the same bytes each time."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-1.0/{path}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(raw.getvalue(), mtime=0)


def write_programs(lab: Lab) -> Path:
    repository = lab.root / "spack_repo" / "petal_test"
    (lab.root / "sources").mkdir()
    repository.mkdir(parents=True)
    (repository / "repo.yaml").write_text("repo:\n  namespace: petal_test\n  api: v2.0\n")
    for name, (needs, seconds, compiles) in PROGRAMS.items():
        makefile = MAKEFILE.format(name=name, seconds=seconds, builds=lab.root / "builds")
        # One of them says where it is, as programs do that look for their data.
        words = "puts(PREFIX)" if name == "rooted" else "0"
        status = "0" if compiles else "nothing"
        source = f"#include <stdio.h>\nint main(void) {{ {words}; return {status}; }}\n"
        data = archive(name, {"Makefile": makefile, "main.c": source})
        path = lab.root / "sources" / f"{name}-1.0.tar.gz"
        path.write_bytes(data)
        directory = repository / "packages" / f"petal_{name}"
        directory.mkdir(parents=True)
        recipe = RECIPE.format(
            class_name=f"Petal{name.capitalize()}",
            archive=path,
            digest=hashlib.sha256(data).hexdigest(),
            needs="\n    ".join(
                [*(f'depends_on("petal-{need}")' for need in needs), *EXTRA.get(name, ()), *NEVER[name == "never" :]]
            ),
        )
        (directory / "package.py").write_text(recipe)
    return repository


def write_compiler(lab: Lab) -> None:
    """Put the compiler above the upstream one."""
    repository = lab.root / "spack_repo" / "petal_compiler"
    (repository / "packages" / "gcc").mkdir(parents=True)
    (repository / "repo.yaml").write_text("repo:\n  namespace: petal_compiler\n  api: v2.0\n")
    (repository / "packages" / "gcc" / "package.py").write_text(few_recipes.compiler('depends_on("petal-quick")'))
    settings = lab.site / "repos.yaml"
    repositories = json.loads(settings.read_text())["repos:"]
    settings.write_text(json.dumps({"repos:": {"petal_compiler": str(repository), **repositories}}))


def write_settings(lab: Lab, packages: Path, programs: Path) -> None:
    version = subprocess.run(["gcc", "-dumpfullversion"], check=True, capture_output=True, text=True).stdout.strip()
    compilers = {"c": "/usr/bin/gcc", "cxx": "/usr/bin/g++"}
    gcc = {"spec": f"gcc@{version} languages='c,c++'", "prefix": "/usr", "extra_attributes": {"compilers": compilers}}
    config = {
        "install_tree": {"root": str(lab.tree), "padded_length": 128},
        "build_stage:": [f"{lab.work_dir}/stage"],
        "source_cache": f"{lab.work_dir}/source",
        "misc_cache": f"{lab.work_dir}/misc",
    }
    settings: dict[str, Any] = {
        "config": config,
        "bootstrap:": {"enable": True, "root": f"{lab.work_dir}/bootstrap", "sources": [], "trusted": {}},
        "concretizer": {"reuse": True, "static_analysis": True, "targets": {"host_compatible": False}},
        "repos:": {"petal_test": str(programs), "builtin": f"{packages}/repos/spack_repo/builtin"},
        "packages": {
            "all": {"require": ["target=x86_64"]},
            "gcc": {"externals": [gcc]},
            "gmake": {"buildable": False, "externals": [{"spec": "gmake@4.3", "prefix": "/usr"}]},
        },
    }
    lab.site.mkdir(parents=True, exist_ok=True)
    for name, content in settings.items():
        (lab.site / f"{name.rstrip(':')}.yaml").write_text(json.dumps({name: content}))
    lab.mirrors()
    lab.command.parent.mkdir()
    lab.command.write_text(
        f'#!/bin/sh\necho "$*" >>{lab.root}/calls\n'
        "exec env -i ${PETAL_DETACHED:+PETAL_DETACHED=$PETAL_DETACHED} ${PETAL_SESSION:+PETAL_SESSION=$PETAL_SESSION} "
        f"LANG=C.UTF-8 HOME={lab.work_dir} PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={lab.root}/python "
        f"SPACK_PYTHON={sys.executable} SPACK_DISABLE_LOCAL_CONFIG=1 SPACK_USER_CACHE_PATH={lab.work_dir}/cache "
        f'nice -n 5 {lab.root}/spack/bin/spack "$@"\n'
    )
    lab.command.chmod(0o755)


def fetch(url: Path, ref: str, target: Path) -> None:
    target.mkdir()
    for arguments in (
        ["init", "--quiet"],
        ["fetch", "--quiet", "--depth", "1", f"file://{url}", ref],
        ["checkout", "--quiet", "--detach", "FETCH_HEAD"],
    ):
        subprocess.run(["git", "-C", target, *arguments], check=True, capture_output=True)


def made_at(root: Path) -> Iterator[Lab]:
    """A lab for a while; skips the test where that cannot be."""
    mirror = mirror_dir()
    if mirror is None:
        pytest.skip(no_mirror())
    if not list(mirror.glob(f"sources/_source-cache/archive/{TREE[:2]}/{TREE[:8]}*")):
        pytest.skip("no Spack at hand: the mirror directory lacks the source of tree")
    lab = Lab(root)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    wheels = ["--find-links", str(mirror / "bootstrap")] if (mirror / "bootstrap").is_dir() else []
    target = ["--target", str(lab.root / "python"), "clingo"]
    got = subprocess.run([*pip, *wheels, *target], capture_output=True, text=True, check=False)
    if got.returncode != 0:
        pytest.skip(f"no Spack at hand: its solver cannot be had: {got.stderr.strip().splitlines()[-1]}")
    fetch(mirror / "spack.git", SPACK_REF, lab.root / "spack")
    few_recipes.write(mirror, lab.root / "packages", ["tree"])
    lab.work_dir.mkdir()
    write_settings(lab, lab.root / "packages", write_programs(lab))
    yield lab
    # Nothing of a failed test goes on.
    for path in lab.work_dir.glob("envs/*/session/session.json"):
        kill(members(int(json.loads(path.read_text())["pid"])))


def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
    """What the module returned, which has to succeed."""
    found = result_of(start_module("spack_environment", check, **arguments), PATIENCE)
    assert not found.get("failed"), found["msg"]
    return found


def fail(**arguments: Any) -> dict[str, Any]:
    """What the module returned, which has to fail with a message."""
    found = result_of(start_module("spack_environment", **arguments), PATIENCE)
    assert found.get("failed"), found
    assert found["environment"]["finished"]
    return found


def origins(result: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["origin"] for item in result["environment"]["packages"] if item["origin"] != "external"}


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def warnings(result: dict[str, Any]) -> list[str]:
    return [warning["event"]["msg"] for warning in result.get("warnings", [])]
