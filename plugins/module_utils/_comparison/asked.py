# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a seed and a site ask for, taken apart, so that two of them can be compared key by key.

A seed of an earlier release stands in a snapshot's provenance with the keys of then: nothing here asks for one.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import Part, Value, told
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import is_pinned

#: Keys of a seed's software that say how and from where, and nothing of what is on the volume.
HOW = ("binary_cache", "build", "build_parallel", "use_custom_ami")
#: Those that count where Spack puts something on the volume, and those of software that is not Spack's.
_OF_SPACK, _OTHERS = ("spack", "compiler", "in_ami"), ("python_environments", "lmod", "containers")
_NAME = frozenset(string.ascii_letters + string.digits + "._-")
#: What stands for a commit that is known, and the key of the seed that names it.
_REFS = {"spack version": "spack", "spack packages": "packages"}


def asked(seed: Any, inputs: Any, mount_dir: str, commits: Mapping[str, str]) -> Part:
    """All that decides what is on the volume.

    :param seed: with its defaults, as petal.hpc.seed_info returns it; inputs likewise. commits: at which the branches
        ``spack`` and ``packages`` of the seed stood, as far as anybody knows.
    """
    cluster, software = _mapping(seed, "cluster"), dict(_mapping(seed, "software"))
    site = dict(inputs) if isinstance(inputs, Mapping) else {}
    for key in HOW:
        software.pop(key, None)
    if not _needs_spack(software, site):
        for key in _OF_SPACK:
            software.pop(key, None)
        site.pop("recipes", None)
        _drop(site, "spack_")
    if not software.get("python_environments"):
        _drop(site, "python_environments_")
    # The first that has a package has its plain name.
    stacks = [str(one.get("name")) for one in software.get("stacks") or () if isinstance(one, Mapping)]
    if len(stacks) > 1:
        software["order of stacks"] = ", ".join(stacks)
    found: dict[str, set[Value]] = {}
    whole = {"os": cluster.get("os"), "architecture": cluster.get("architecture"), "mount_dir": mount_dir, **software}
    for key, text in _leaves("", {**whole, "of the site": site}):
        ref = _REFS.get(key, "")
        build = "" if not ref or is_pinned(text) else commits.get(ref, "")
        found.setdefault(key, set()).add(Value(told(text), build))
    return {key: frozenset(values) for key, values in found.items()}


def _needs_spack(software: Mapping[str, Any], site: Mapping[str, Any]) -> bool:
    # A key that is not known here is one of specs rather than of nothing.
    specs = [value for key, value in software.items() if key not in (*_OF_SPACK, *_OTHERS)]
    return any(specs) or site.get("lmod_method") == "spack"


def _drop(site: dict[str, Any], prefix: str) -> None:
    settings = _mapping(site, "settings")
    site["settings"] = {key: value for key, value in settings.items() if not key.startswith(prefix)}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text in it with where it stands; what is empty is not asked for."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{path} {told(key)}".strip(), item)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping):
                named = "/".join(str(item[key]) for key in ("name", "version") if item.get(key))
                place = f"{path} {told(named)}".strip()
                yield place, ""
                yield from _leaves(place, {key: one for key, one in item.items() if key not in ("name", "version")})
            elif item is not None:
                text = str(item)
                if path.startswith("python_environments "):
                    # Blanks mean nothing in a requirement.
                    text = "".join(text.split())
                name, rest = _parted(text)
                yield f"{path} {name}", rest
    elif value is True:
        yield path, "yes"
    elif value is not None and value is not False and value != "":
        yield path, str(value)


def _parted(text: str) -> tuple[str, str]:
    """What a requirement or a spec is of, and what it says of that."""
    end = next((number for number, char in enumerate(text) if char not in _NAME), len(text))
    name = text[:end].lower().replace("_", "-").replace(".", "-")
    return (name, text[end:].strip()) if name else (told(text), "")


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
