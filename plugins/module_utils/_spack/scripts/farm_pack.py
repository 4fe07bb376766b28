# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python``: all that another host needs to build packages of an environment as this one would.

    spack python farm_pack.py ARGUMENTS.json

Writes one file, which a node unpacks on a disk of its own: Spack itself, the repositories of its packages, the
environment, the settings that hold here, and the keyring by which packages are signed. The sources of what is to be
built are fetched here, as nodes often reach nobody.

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Parts of Spack's own directory. What is in ``var`` are caches, and ``opt`` is the store.
PARTS = ("bin", "etc", "lib", "share")
#: Settings of which the merged ones are taken along. The solver has done its work, and modules are made elsewhere.
SECTIONS = ("bootstrap", "config", "packages")
#: What Spack reads mirrors in S3 with.
S3 = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
KEYRING = ("pubring.kbx", "pubring.gpg", "trustdb.gpg", "private-keys-v1.d", "openpgp-revocs.d")


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


class Pack:
    """The file that is written.

    :param local: the directory in which a node unpacks it.
    """

    def __init__(self, tar: tarfile.TarFile, local: str) -> None:
        self._tar = tar
        self._local = local

    def add(self, path: Path, name: str) -> str:
        """A file or directory with all below it; gives its path on a node."""
        self._tar.add(path, name, filter=_shown)
        return f"{self._local}/{name}"

    def write(self, name: str, text: str) -> None:
        """A file that only its owner reads."""
        data = text.encode()
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        self._tar.addfile(member, io.BytesIO(data))


def _shown(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Nothing of Git's, and no sockets."""
    name = member.name.rpartition("/")[2]
    return member if name != ".git" and (member.isfile() or member.isdir() or member.issym()) else None


def repositories(pack: Pack) -> dict[str, str]:
    """Take the repositories of packages along; their names with their places on a node, the first first."""
    found = {}
    for number, repo in enumerate(module("repo").PATH.repos):
        root = Path(repo.root)
        # Newer ones are found by the directories above them.
        inside = root.relative_to(Path(repo.python_path)) if repo.python_path else Path(root.name)
        found[repo.namespace] = pack.add(root, f"repos/{number}/{inside}")
    return found


def settings(pack: Pack, more: dict[str, Any], local: str) -> None:
    """The settings that hold here, with the directories of a node.

    :param more: settings of a node, merged into those, or in their place where their name ends with a colon.
    """
    config = module("config").CONFIG
    found = {name: {f"{name}:": json.loads(json.dumps(config.get(name)))} for name in SECTIONS}
    found["repos"] = {"repos:": repositories(pack)}
    mine = found["config"]["config:"]
    mine.update(
        build_stage=[f"{local}/stage"],
        test_stage=f"{local}/test",
        misc_cache=f"{local}/misc",
        environments_root=f"{local}/envs",
        locks=True,
    )
    mine.update(more["config"])
    for name in ("config", "repos", "bootstrap", "packages"):
        pack.write(f"scope/{name}.yaml", json.dumps(found[name]))
    pack.write("scope/mirrors.yaml", json.dumps({"mirrors:": {**all_mirrors(more["others"]), **more["mirrors"]}}))
    misc = Path(module("util.path").canonicalize_path(config.get("config:misc_cache")))
    if misc.is_dir():
        pack.add(misc, "misc")


def all_mirrors(others: dict[str, Any]) -> dict[str, Any]:
    """The mirrors of this host, or those given in their place."""
    return others or json.loads(json.dumps(dict(module("config").CONFIG.get("mirrors") or {})))


def keyring(pack: Pack) -> None:
    """Spack's keys: what a node builds is signed there."""
    home = Path(os.environ.get("SPACK_GNUPGHOME") or module("paths").gpg_path)
    for name in KEYRING:
        if (home / name).exists():
            pack.add(home / name, f"gpg/{name}")


def python_of_s3(pack: Pack, mirrors: str) -> None:
    """What reads a mirror in S3: only the Python of this host has it."""
    for name in S3 if '"s3://' in mirrors else ():
        found = importlib.util.find_spec(name)
        if found is not None and found.origin:
            origin = Path(found.origin)
            pack.add(origin.parent if origin.name == "__init__.py" else origin, f"python/{_place(origin, name)}")


def _place(origin: Path, name: str) -> str:
    return name if origin.name == "__init__.py" else origin.name


def specs_of(environment: str, keys: list[str]) -> Iterator[Any]:
    """The packages of an environment that have one of these hashes."""
    wanted = set(keys)
    roots = module("environment").Environment(environment).concrete_roots()
    for spec in module("traverse").traverse_nodes(roots, order="post", deptype="all"):
        if spec.dag_hash() in wanted:
            yield spec


def fetch(specs: Iterator[Any]) -> list[str]:
    """Bring the sources of packages into the source cache; what went wrong."""
    problems = []
    for spec in specs:
        package = spec.package
        package.stage.keep = False
        try:
            with package.stage:
                package.do_fetch()
        except Exception as error:  # whatever it was, the others are looked at too
            problems.append(f"the source of {spec.name}@{spec.version} cannot be had: {error}")
    return problems


def main(arguments: dict[str, Any]) -> int:
    """Do it for ``environment`` (its directory), ``missing`` (hashes), ``pack`` (the file), ``local`` (a node's
    directory), ``sources`` (the cache of sources that all see) and ``settings`` (of a node).
    """
    config = module("config")
    config.set("config:source_cache", arguments["sources"], scope="command_line")
    problems = fetch(specs_of(arguments["environment"], arguments["missing"]))
    for problem in problems:
        sys.stdout.write(f"==> Error: {problem}\n")
    if problems:
        return 1
    target = Path(arguments["pack"])
    draft = target.with_name(f".{target.name}.tmp")
    os.umask(0o077)
    with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
        pack = Pack(tar, arguments["local"])
        prefix = Path(module("paths").prefix)
        for name in PARTS:
            pack.add(prefix / name, f"spack/{name}")
        for name in ("spack.yaml", "spack.lock"):
            pack.add(Path(arguments["environment"], name), f"env/{name}")
        settings(pack, arguments["settings"], arguments["local"])
        keyring(pack)
        python_of_s3(pack, json.dumps(all_mirrors(arguments["settings"]["others"])))
    draft.replace(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
