# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cache has for a lock, and what of it may go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.history import last_builds
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import (
    COMPILER,
    Cache,
    Contents,
    Lock,
    Package,
    iso,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.vendors import vendor_of


@dataclass(frozen=True)
class Offer:
    """What one cache has of one package. ``reason`` says why it is refused; empty where it is a hit.

    spack_refuses: whether Spack would refuse it too; where not, it must not even be asked for.
    """

    cache: str
    reason: str = ""
    size: int = 0
    spack_refuses: bool = True


@dataclass
class Survey:
    """A lock held against caches, in their order."""

    hits: list[dict[str, Any]] = field(default_factory=list)
    misses: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "hits": self.hits,
            "misses": self.misses,
            "refused": self.refused,
            "hit_count": len(self.hits),
            "miss_count": len(self.misses),
            "refused_count": len(self.refused),
            "hit_bytes": sum(hit["size"] for hit in self.hits),
        }


def survey(packages: Sequence[Package], offers: Mapping[str, Sequence[Offer]]) -> Survey:
    """Hits, misses and refusals. offers: by hash, in the order of the caches.

    A package that one cache's offer is refused for may still be a hit of a later one: then it is both.
    """
    result = Survey()
    for package in packages:
        entry = {"name": package.name, "version": package.version, "hash": package.hash}
        made = offers.get(package.hash, ())
        good = next((offer for offer in made if not offer.reason), None)
        if good is None:
            result.misses.append({**entry, "os": package.os})
        else:
            result.hits.append({**entry, "cache": good.cache, "size": good.size})
        result.refused += [
            {**entry, "cache": o.cache, "reason": o.reason, "spack_refuses": o.spack_refuses} for o in made if o.reason
        ]
    return result


def refusals(result: Survey) -> list[str]:
    """One line for each refusal, for people."""
    taken = {hit["hash"]: hit["cache"] for hit in result.hits}
    lines = []
    for entry in result.refused:
        instead = taken.get(entry["hash"])
        then = f"it is taken from cache {instead}" if instead else "it is built from source"
        label = f"{entry['name']}@{entry['version']}/{entry['hash'][:7]}"
        lines.append(f"{label} is refused from build cache {entry['cache']}: {entry['reason']}; {then}")
    return lines


def summary(cache: Cache, contents: Contents, now: float) -> dict[str, Any]:
    """Size, count and ages of a cache that can be listed, as plain JSON types. ``now``: seconds since 1970."""
    dates = sorted(item.modified for item in contents.manifests.values())
    return {
        "name": cache.name,
        "url": cache.url,
        "packages": len(contents.manifests),
        "objects": len(contents.items),
        "bytes": sum(item.size for item in contents.items.values()),
        "oldest": iso(dates[0]) if dates else None,
        "newest": iso(dates[-1]) if dates else None,
        "oldest_days": round((now - dates[0]) / 86400, 1) if dates else None,
        "keys": sorted(contents.keys),
        "seeds": sorted(contents.seeds),
    }


@dataclass(frozen=True)
class Pruning:
    """What goes (by hash), what stays, and of that how much only because a seed or another package needs it."""

    remove: tuple[str, ...]
    keep: tuple[str, ...]
    needed_by_seeds: int = 0
    needed_by_packages: int = 0


def pruning(
    contents: Contents, max_age: int, now: float, kept: Collection[str], index: Mapping[str, Package]
) -> Pruning:
    """Decide what a cache loses: what is older than ``max_age`` seconds, unless something still needs it.

    kept: hashes that seeds need. index: what the cache lists with dependencies; whatever a package that stays needs
    at link or run time stays too, or its archive would be worth nothing.
    """
    young = {key for key, item in contents.manifests.items() if now - item.modified <= max_age}
    seeds = {key for key in kept if key in contents.manifests}
    stay = young | seeds
    waiting = list(stay)
    while waiting:
        package = index.get(waiting.pop())
        for needed, runs in package.dependencies if package else ():
            if runs and needed in contents.manifests and needed not in stay:
                stay.add(needed)
                waiting.append(needed)
    return Pruning(
        tuple(sorted(set(contents.manifests) - stay)),
        tuple(sorted(stay)),
        len(seeds - young),
        len(stay - young - seeds),
    )


def unused(contents: Contents, limit: float) -> list[str]:
    """The seeds that a cache has notes of and that nobody has built since ``limit``, in seconds since 1970.

    A build leaves a line in the cache; the note of its packages is as old as they are. What a seed needs to get its
    compiler counts as built with the seed.
    """
    built = last_builds(contents.items)

    def last(name: str) -> float:
        own = max(contents.seeds[name].modified, built.get(name, 0.0))
        seed = name[: -len(COMPILER)] if name.endswith(COMPILER) else ""
        return max(own, last(seed)) if seed in contents.seeds else own

    return [name for name in sorted(contents.seeds) if last(name) < limit]


def kept_back(packages: Sequence[Package]) -> list[Package]:
    """What of these is a vendor's, who does not let it be handed on; Spack's recipes say so of some of them alone."""
    return [package for package in packages if vendor_of(package.name)]


def to_push(lock: Lock, installed: Collection[str], held: Collection[str], excluded: Collection[str]) -> list[Package]:
    """What of a lock a cache lacks and can be given: it is installed, and nobody excluded it by name."""
    return [
        package
        for package in lock.wanted
        if package.hash in installed and package.hash not in held and package.name not in excluded
    ]
