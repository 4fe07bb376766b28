# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python``: what of an environment is there already, and what a cache has.

    spack python state.py ARGUMENTS.json OUTPUT.json

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

#: What only builds others, and is on a volume for its users.
WRAPPER = "compiler-wrapper"


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


def adopt(store: Any, specs: list[Any], finished: set[str], roots: set[str]) -> list[str]:
    """Enter packages into the database that were finished when their installer was killed; gives their hashes.

    Spack's new installer writes its database some seconds after a package is finished. ``finished`` are those that it
    reported as finished; their builds had ended well by then. Dependencies come first in ``specs``.
    """
    found = []
    with store.db.write_transaction():
        for spec in specs:
            key = spec.dag_hash()
            if key not in finished or spec.external or store.db.installed(spec):
                continue
            needs = spec.dependencies(deptype=("link", "run"))
            if not all(item.external or store.db.installed(item) for item in needs):
                continue
            if in_place(store, spec):
                store.db.add(spec, explicit=key in roots)
                found.append(key)
    return found


def take_over(store: Any, specs: list[Any], there: set[str], refused: set[str], roots: set[str]) -> list[str]:
    """Enter packages of the volume that this one was made from into the database; gives their hashes.

    ``there``: hashes of what is whole and in place, of which nothing is in the database yet. ``refused``: those that
    are not wanted from there. What is not taken over and would be in the way of its installation is removed.
    """
    found = adopt(store, specs, there - refused, roots)
    for spec in specs:
        if spec.dag_hash() in there and not spec.external and not store.db.installed(spec):
            prefix = Path(store.layout.path_for_spec(spec))
            if prefix.is_dir() and not prefix.is_symlink():
                shutil.rmtree(prefix)
    return found


def enter_externals(store: Any, roots: list[Any]) -> None:
    """Enter what was asked for and is outside of the store into the database, as an installation does.

    Where all else is there already, none is started.
    """
    found = [spec for spec in roots if spec.external and not store.db.installed(spec)]
    if found:
        with store.db.write_transaction():
            for spec in found:
                store.db.add(spec, explicit=True)


def in_place(store: Any, spec: Any) -> bool:
    """Whether the prefix of a package is there, and is the one of this very package."""
    try:
        store.layout.ensure_installed(spec)
    except module("error").SpackError:
        return False
    return True


class Database:
    """The store's database by hash, whatever the release calls it."""

    def __init__(self, database: Any) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def record(self, spec: Any) -> Any:
        return self._database.query_by_spec_hash(spec.dag_hash())[1]

    def installed(self, spec: Any) -> bool:
        record = self.record(spec)
        return bool(record and record.installed)


class Store:
    """The store with its database."""

    def __init__(self, store: Any) -> None:
        self.db = Database(store.db)
        self.layout = store.layout
        self.root = store.root


def binary_mirrors() -> Any:
    """The mirrors with binaries, in their order."""
    return module("mirrors.mirror").MirrorCollection(binary=True)


def cached(specs: list[Any]) -> set[str]:
    """The hashes that a mirror with binaries has: by its index, and where files can be asked for one by one by those.

    A build that failed or was killed has pushed packages and updated no index.
    """
    if not specs or not binary_mirrors():
        return set()
    index = module("binary_distribution").BINARY_INDEX
    try:
        index.update()
    except Exception as error:  # a mirror that does not answer: the others count
        sys.stderr.write(f"{error}\n")
    found = {spec.dag_hash() for spec in specs if index.find_by_hash(spec.dag_hash())}
    rest = [spec for spec in specs if spec.dag_hash() not in found]
    for mirror in binary_mirrors().values():
        if rest and mirror.fetch_url.startswith(("s3://", "file://")):
            found |= unindexed(mirror.fetch_url, rest)
    return found


def unindexed(url: str, specs: list[Any]) -> set[str]:
    """The hashes of what a cache has by its files."""
    layouts, exists = module("url_buildcache"), module("util.web").url_exists
    cache = layouts.get_url_buildcache_class(module("binary_distribution").CURRENT_BUILD_CACHE_LAYOUT_VERSION)
    # The first one alone: whatever Spack makes for all of them, such as its client for S3, it makes then.
    has = [exists(cache.get_manifest_url(spec, url)) for spec in specs[:1]]
    with ThreadPoolExecutor(8) as pool:
        has += pool.map(lambda spec: exists(cache.get_manifest_url(spec, url)), specs[1:])
    return {spec.dag_hash() for spec, there in zip(specs, has) if there}


def held(directory: str, specs: list[Any], use: bool) -> set[str]:
    """The hashes that a build cache in a directory has, by its files: it has no index that is always up to date.

    use: note that they are used now, so that they are not the first to go where there is little room.
    """
    found = set()
    if directory and specs:
        layouts = module("url_buildcache")
        cache = layouts.get_url_buildcache_class(module("binary_distribution").CURRENT_BUILD_CACHE_LAYOUT_VERSION)
        for spec in specs:
            url = cache.get_manifest_url(spec, f"file://{directory}")
            path = Path(module("util.url").local_file_path(url))
            if path.is_file():
                found.add(spec.dag_hash())
                if use:
                    os.utime(path)
    return found


def filtered_mirrors(from_source: list[str]) -> dict[str, Any] | None:
    """The mirrors as configured, but for binaries of ``from_source``; None where mirrors have no such filter."""
    if "exclude_binary" not in getattr(module("schema.mirrors"), "overridable_per_direction", {}):
        return None
    found: dict[str, Any] = {}
    for name, entry in (module("config").CONFIG.get("mirrors") or {}).items():
        mirror = {"url": entry} if isinstance(entry, str) else dict(entry)
        mirror["exclude_binary"] = [*mirror.get("exclude_binary", []), *from_source]
        found[str(name)] = mirror
    return found


def is_deprecated(spec: Any) -> bool:
    """Whether its recipe calls a version deprecated."""
    try:
        versions = module("repo").PATH.get_pkg_class(spec.name).versions
    except Exception:  # a recipe that is gone says nothing
        return False
    return bool(versions.get(spec.version, {}).get("deprecated"))


def license_of(spec: Any) -> str:
    """What its recipe says of its licence, where several hold all of them; empty where it says nothing."""
    try:
        licenses = module("repo").PATH.get_pkg_class(spec.name).licenses
    except Exception:  # a recipe that is gone says nothing, nor did Spack before the directive
        return ""
    found = sorted({str(name) for when, name in licenses.items() if spec.satisfies(when)})
    return found[0] if len(found) == 1 else " AND ".join(f"({name})" for name in found)


def compilers() -> list[str]:
    """The programs of this host's own compilers, which another one that builds needs at the same place."""
    found = set()
    for entry in (module("config").CONFIG.get("packages") or {}).values():
        for external in entry.get("externals") or ():
            found.update((external.get("extra_attributes") or {}).get("compilers", {}).values())
    return sorted(str(path) for path in found)


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Answer for ``environment`` (its directory), ``adopt`` (hashes), ``from_source`` (specs), ``cache`` (directory of
    a build cache beside the mirrors; empty for none) and ``use`` (whether what it has will be used).

    ``base``: hashes of what the volume that this one was made from has left in place; of those, what only builds
    others is taken over where packages are built in their place, and what the users of a volume build with. The
    answer's ``lacking`` has what is installed and not in ``cache``.
    """
    environment = module("environment").Environment(arguments["environment"])
    roots = {spec.dag_hash() for spec in environment.concrete_roots()}
    specs = list(module("traverse").traverse_nodes(environment.concrete_roots(), order="post", deptype="all"))
    store = Store(module("store").STORE)
    from_source = [module("spec").Spec(text) for text in arguments.get("from_source", ())]
    taken: list[str] = []
    if arguments.get("base"):
        running = module("traverse").traverse_nodes(environment.concrete_roots(), deptype=("link", "run"))
        wrappers = [spec for spec in specs if spec.name == WRAPPER]
        needed = {spec.dag_hash() for spec in ([*running, *wrappers] if arguments.get("cache") else specs)}
        anew = {spec.dag_hash() for spec in specs if any(spec.satisfies(item) for item in from_source)}
        given = set(arguments["base"])
        taken = take_over(store, specs, given, anew | (given - needed), roots)
    adopted = adopt(store, specs, set(arguments.get("adopt", ())), roots) if arguments.get("adopt") else []
    if arguments.get("use"):
        enter_externals(store, environment.concrete_roots())
    missing = [spec for spec in specs if not spec.external and not store.db.installed(spec)]
    takable = [spec for spec in missing if not any(spec.satisfies(item) for item in from_source)]
    kept = held(arguments.get("cache", ""), takable, bool(arguments.get("use")))
    hits = kept | cached([spec for spec in takable if spec.dag_hash() not in kept])
    there = [spec for spec in specs if not spec.external and store.db.installed(spec)]
    # What is there already, such as of the volume that this one was made from, is used as well.
    has = held(arguments.get("cache", ""), there, bool(arguments.get("use")))
    nodes = {}
    for spec in specs:
        record, key = store.db.record(spec), spec.dag_hash()
        installed = bool(record and record.installed)
        path = record.path if installed else None
        nodes[key] = {
            "prefix": str(spec.external_path if spec.external else path or store.layout.path_for_spec(spec)),
            "installed": installed and not spec.external,
            "cached": key in hits,
            "deprecated": not spec.external and is_deprecated(spec),
            "explicit": bool(installed and record.explicit),
            "license": "" if spec.external else license_of(spec),
        }
    return {
        "nodes": nodes,
        "adopted": adopted,
        "taken": taken,
        "database": str(store.db._index_path),
        "root": str(store.root),
        "lacking": sorted({spec.dag_hash() for spec in there} - has) if arguments.get("cache") else [],
        "compilers": compilers(),
        "mirrors": filtered_mirrors(arguments["from_source"]) if from_source and binary_mirrors() else {},
    }


if __name__ == "__main__":
    answer = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
