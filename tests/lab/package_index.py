"""Make the index of Spack's package repository that seeds are compared with.

    package_index.py [NAME…]        default: the whole index, written to the tree; else the lines of these packages

Spack itself says what there is: its default version of model.py, with the package repository that fits, from the mirror
directory or from GitHub. It takes about a minute and no concretizer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import spack_at_hand
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._seed.model import (
    DEFAULT_SPACK_PACKAGES_REF,
    DEFAULT_SPACK_REF,
)
from ansible_collections.petal.hpc.plugins.plugin_utils.package_index import INDEX

SCRIPT = ROOT / "roles" / "spack" / "files" / "package_index.py"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def checkout(name: str, ref: str, directory: Path) -> Path:
    """A work tree of Spack or of its package repository."""
    mirror = spack_at_hand.mirror_dir()
    source = str(mirror / f"{name}.git") if mirror else f"https://github.com/spack/{name}.git"
    target = directory / name
    git("clone", "--quiet", "--no-checkout", *(["--shared"] if mirror else ["--filter=blob:none"]), source, str(target))
    git("-C", str(target), "checkout", "--quiet", ref)
    return target


def make(directory: Path, names: Sequence[str]) -> str:
    """The index, or the lines of some packages with its first ones. The directory is for all that it takes."""
    repository = checkout("spack-packages", DEFAULT_SPACK_PACKAGES_REF, directory)
    commit = git("-C", str(repository), "rev-parse", "HEAD")
    spack = checkout("spack", DEFAULT_SPACK_REF, directory)
    scope = directory / "scope"
    scope.mkdir()
    builtin = repository / "repos" / "spack_repo" / "builtin"
    (scope / "repos.yaml").write_text(json.dumps({"repos:": {"builtin": str(builtin)}}))
    output = directory / INDEX.name
    command = [str(spack / "bin" / "spack"), "--config-scope", str(scope), "python", str(SCRIPT)]
    subprocess.run(
        [*command, DEFAULT_SPACK_PACKAGES_REF, commit, str(output), *names],
        # No configuration but this.
        env={
            **os.environ,
            "SPACK_DISABLE_LOCAL_CONFIG": "1",
            "SPACK_USER_CACHE_PATH": str(directory / "cache"),
            "SPACK_PYTHON": sys.executable,
            "PYTHONPATH": "",
        },
        check=True,
    )
    return output.read_text(encoding="ascii")


def main(names: Sequence[str]) -> int:
    if reason := spack_at_hand.why_not():
        print(reason)
        return 1
    with tempfile.TemporaryDirectory(prefix="petal-index-") as directory:
        text = make(Path(directory), names)
    if names:
        print(text, end="")
        return 0
    INDEX.write_text(text, encoding="ascii")
    print(f"{INDEX.name}: {text.count(chr(10)) - 2} packages of {DEFAULT_SPACK_PACKAGES_REF}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
