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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import spack_at_hand

from ansible_collections.petal.hpc.plugins.module_utils._seed.model import (
    DEFAULT_SPACK_PACKAGES_REF,
    DEFAULT_SPACK_REF,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.packages import SPACKS_OWN, Package
from ansible_collections.petal.hpc.plugins.plugin_utils.package_index import INDEX

DUMP = Path(__file__).with_name("package_index_dump.py")


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


def dump(spack: Path, repository: Path, directory: Path, names: Sequence[str]) -> dict[str, Any]:
    """What package_index_dump.py says, with no configuration but this."""
    scope = directory / "scope"
    scope.mkdir()
    builtin = repository / "repos" / "spack_repo" / "builtin"
    (scope / "repos.yaml").write_text(json.dumps({"repos:": {"builtin": str(builtin)}}))
    output = directory / "packages.json"
    subprocess.run(
        [str(spack / "bin" / "spack"), "--config-scope", str(scope), "python", str(DUMP), str(output), *names],
        env={
            **os.environ,
            "SPACK_DISABLE_LOCAL_CONFIG": "1",
            "SPACK_USER_CACHE_PATH": str(directory / "cache"),
            "SPACK_PYTHON": sys.executable,
            "PYTHONPATH": "",
        },
        check=True,
    )
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found


def packages(found: dict[str, Any]) -> Iterator[Package]:
    for name, (versions, variants) in found["packages"].items():
        own = {variant: switch for variant, switch in variants.items() if variant not in SPACKS_OWN}
        yield Package(
            name,
            tuple(version for version, _deprecated in versions),
            frozenset(version for version, deprecated in versions if deprecated),
            frozenset(variant for variant, switch in own.items() if switch),
            frozenset(variant for variant, switch in own.items() if not switch),
        )
    for name in found["virtuals"]:
        yield Package(name, virtual=True)


def main(names: Sequence[str]) -> int:
    if reason := spack_at_hand.why_not():
        print(reason)
        return 1
    with tempfile.TemporaryDirectory(prefix="petal-index-") as place:
        directory = Path(place)
        repository = checkout("spack-packages", DEFAULT_SPACK_PACKAGES_REF, directory)
        commit = git("-C", str(repository), "rev-parse", "HEAD")
        spack = checkout("spack", DEFAULT_SPACK_REF, directory)
        lines = sorted(str(package) for package in packages(dump(spack, repository, directory, names)))
    if names:
        print("\n".join(lines))
        return 0
    header = f"# Spack's package repository {DEFAULT_SPACK_PACKAGES_REF}, commit {commit}"
    made = (
        "# Made by `make package-index`, read by plugin_utils/package_index.py; the form is told in _seed/packages.py."
    )
    INDEX.write_text("\n".join([header, made, *lines]) + "\n", encoding="ascii")
    print(f"{INDEX.name}: {len(lines)} packages of {DEFAULT_SPACK_PACKAGES_REF}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
