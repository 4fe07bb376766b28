# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that a cache says it has, to choose from: by its index, or where it has none, by the names of its files.

Source: ``lib/spack/spack/{url_buildcache,database,spec}.py`` of Spack 1.2; the layout before Spack 1.0 by its document.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import (
    BuildcacheError,
    Contents,
    iso,
)
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Item

#: The index of a cache before Spack 1.0.
OLD_INDEX = "build_cache/index.json"
#: Packages that are returned of all caches together. More tell nobody anything.
MOST = 10_000

_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
_HASH = re.compile(r"[a-z2-7]{32}")
_PLAIN = re.compile(r"[\w.=@+~:,/-]{1,200}", re.ASCII)
_LANGUAGES = {"c", "cxx", "fortran"}
# What a version begins with in NAME-VERSION, if it is a number: names may have hyphens too.
_MANIFEST = re.compile(
    r"v3/manifests/spec/(?P<name>[^/]{1,200})/(?P<file>[^/]{1,400})-[a-z2-7]{32}\.spec\.manifest\.json"
)
_OLD_SPEC = re.compile(r"build_cache/[^/]*-(?P<hash>[a-z2-7]{32})\.spec\.json(?:\.sig)?")
_OLD_ARCHIVE = re.compile(r"build_cache/(?:[^/]+/)*[^/]*-(?P<hash>[a-z2-7]{32})\.spack")
_NUMBERS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Listed:
    """A package that a cache has. Empty is what is not known.

    pushed: when, ISO 8601 in UTC. size: of its archive, in bytes.
    """

    cache: str
    name: str
    version: str
    hash: str
    os: str = ""
    target: str = ""
    compiler: str = ""
    pushed: str | None = None
    size: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def of_index(cache: str, text: str) -> list[Listed]:
    """What an index lists, of either layout. Raises BuildcacheError where it is none."""
    try:
        installs = json.loads(text)["database"]["installs"]
        specs = {str(key): entry["spec"] for key, entry in installs.items()}
        there = [key for key, entry in installs.items() if entry.get("in_buildcache")]
        found = [_listed(cache, key, specs) for key in there if not specs[key].get("external")]
    except _UNREADABLE as error:
        raise BuildcacheError(f"the index of the cache cannot be read: {type(error).__name__}: {error}") from error
    return [one for one in found if one is not None]


def _listed(cache: str, key: str, specs: Mapping[str, Mapping[str, Any]]) -> Listed | None:
    """One package; None for what no package is called, as whoever writes to a cache may have made it up."""
    spec = specs[key]
    arch = spec.get("arch") or {}
    target = arch.get("target") or ""
    name = str(target["name"] if isinstance(target, Mapping) else target)
    words = (str(spec["name"]), str(spec["version"]), str(arch.get("platform_os") or ""), name, _compiler(spec, specs))
    if not _HASH.fullmatch(key) or not all(_PLAIN.fullmatch(word) for word in words[:2]):
        return None
    plain = [word if _PLAIN.fullmatch(word) else "" for word in words]
    return Listed(cache, plain[0], plain[1], key, plain[2], plain[3], plain[4])


def _compiler(spec: Mapping[str, Any], specs: Mapping[str, Mapping[str, Any]]) -> str:
    """Who compiled a package: the dependency that gives a language, or what specs said before Spack 1.0."""
    old = spec.get("compiler") or (spec.get("annotations") or {}).get("compiler")
    if isinstance(old, Mapping):
        return f"{old['name']}@{old['version']}"
    for entry in spec.get("dependencies") or ():
        if _LANGUAGES & set((entry.get("parameters") or {}).get("virtuals") or ()):
            by = specs.get(str(entry.get("hash")), {})
            version = f"@{by['version']}" if "version" in by else ""
            return f"{entry['name']}{version}"
    return str(old or "")


def of_names(cache: str, contents: Contents) -> list[Listed]:
    """What the names of manifests tell, for a cache without an index."""
    found = []
    for key, item in contents.manifests.items():
        match = _MANIFEST.fullmatch(item.path)
        name, file = (match["name"], match["file"]) if match else ("", "")
        if file.startswith(f"{name}-") and _PLAIN.fullmatch(name) and _PLAIN.fullmatch(file):
            found.append(Listed(cache, name, file[len(name) + 1 :], key))
    return found


def dated(packages: Iterable[Listed], items: Mapping[str, Item], manifests: Mapping[str, Item]) -> list[Listed]:
    """The same with when they were pushed, and in the old layout their sizes, where the cache could be listed."""
    when = {key: item.modified for key, item in manifests.items()}
    sizes: dict[str, int] = {}
    for path, item in items.items():
        if found := _OLD_SPEC.fullmatch(path):
            when.setdefault(found["hash"], item.modified)
        elif found := _OLD_ARCHIVE.fullmatch(path):
            sizes[found["hash"]] = item.size
    return [
        replace(one, pushed=iso(when[one.hash]) if one.hash in when else None, size=sizes.get(one.hash))
        for one in packages
    ]


def chosen(packages: Iterable[Listed], text: str) -> tuple[list[Listed], int]:
    """Those whose name has a text in it, or is one with ``*`` or ``?``: by name, the newest version first; and how many
    there are beyond the most that are returned."""
    wanted = text.lower()
    pattern = wanted if any(sign in wanted for sign in "*?[") else f"*{wanted}*"
    found = [one for one in packages if fnmatch.fnmatchcase(one.name.lower(), pattern)]
    found.sort(key=lambda one: (one.cache, one.target, one.hash))
    found.sort(key=lambda one: _natural(one.version), reverse=True)
    found.sort(key=lambda one: one.name)
    return found[:MOST], max(0, len(found) - MOST)


def _natural(version: str) -> list[tuple[int, int, str]]:
    """1.10 behind 1.9."""
    parts = _NUMBERS.split(version)
    return [(1, int(part[:18]), "") if part.isdigit() else (0, 0, part) for part in parts if part]
