# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A contribution to a registry: what may be shared of a seed and its snapshots, and the documents that say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import DOCUMENTS
from ansible_collections.petal.hpc.plugins.module_utils._registry import record
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import (
    Entry,
    Index,
    RegistryError,
    Stack,
    Variant,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed import asked, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Unquoted
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs

# What of a seed is published. The rest is the site's own: users, data, keys, caches, images, sources.
SHARED_KEYS: Mapping[str, Any] = {
    "schema": True,
    "cluster": {"name": True, "region": True, "provider": True, "os": True, "architecture": True},
    "compute": {"head_node": True, "queues": True},
    "shared_storage": {
        "name": True,
        "storage_type": True,
        "mount_dir": True,
        "ebs_settings": {"volume_type": True, "size": True, "iops": True, "throughput": True, "encrypted": True},
    },
    "software": {
        "spack_packages": True,
        "stacks": True,
        "spack": True,
        "compiler": True,
        "build_from_source": True,
        "in_ami": True,
        "build_parallel": True,
        "containers": True,
        "python_environments": True,
        "lmod": True,
    },
}
# Spack's names of software whose licence forbids handing it on. Not complete: the SBOM on the volume decides when it is
# made public (petal.hpc.share_volume); this saves the way there.
PROPRIETARY = re.compile(
    r"(abaqus|allinea.*|amber|ansys.*|aocc|arm-forge|arm-allinea.*|cplex|cuda|cudnn|cudss|cusparselt|cutensor"
    r"|dyna|fluent|gaussian.*|gurobi|intel|intel-(?!xed|tbb|gmmlib).*|linaro-forge|matlab|mathematica|matlab-.*|molpro"
    r"|namd|nag|nvhpc|nvpl-.*|nvshmem|orca|pgi|star-ccm-plus|tensorrt|totalview|turbomole|vasp|xl)"
)
SECRETS = re.compile(
    r"(?:AKIA|ASIA)[A-Z0-9]{16}|-----BEGIN |\bgh[pousr]_[A-Za-z0-9]{20}|\bgithub_pat_|\bglpat-|\bxox[abpr]-"
    r"|\bhf_[A-Za-z]{20}|://[^/@:\s]+:[^/@\s]+@"
)
INDEX_PACKAGES = 100


@dataclass(frozen=True)
class Offer:
    """What is to be contributed. date: of today, as 2026-01-31. public: everybody may make volumes of the snapshots."""

    name: str
    fingerprint: str
    description: str
    packages: tuple[str, ...]
    public: bool
    date: str
    tags: tuple[str, ...] = ()


def shared_part(data: Any) -> Any:
    """What of a seed is published; the rest is left out."""
    return _part(data, SHARED_KEYS)


def _part(data: Any, keys: Any) -> Any:
    if isinstance(data, Unquoted):
        # Of these a seed takes days alone.
        return data.text
    if isinstance(data, list):
        return [_part(item, keys) for item in data]
    if not isinstance(data, Mapping):
        return data
    if keys is True:
        return {key: _part(value, True) for key, value in data.items()}
    return {key: _part(data[key], keys[key]) for key in keys if key in data}


def objections(seed: Mapping[str, Any], snapshots: Sequence[Snapshot], offer: Offer) -> list[str]:
    """Every reason for which a seed and its snapshots cannot be shared, each with the way out.

    :param seed: as ``Seed.to_dict()`` gives it.
    :param snapshots: of the seed's fingerprint.
    """
    found = [*_of_snapshots(snapshots, offer), *_of_software(seed["software"], offer)]
    found += [
        f"{record.shown(text[:12])}… looks like a secret: take it out of the seed"
        for text in _texts([shared_part(seed), offer.description, list(offer.packages), list(offer.tags)])
        if SECRETS.search(text)
    ]
    return list(dict.fromkeys(found))


def _of_snapshots(snapshots: Sequence[Snapshot], offer: Offer) -> Iterator[str]:
    if not snapshots:
        yield f"there is no snapshot of {offer.fingerprint}: build it first, in each Region that is to be offered"
    owners = {snapshot.owner for snapshot in snapshots}
    if len(owners) > 1:
        yield f"its snapshots belong to several accounts ({', '.join(sorted(owners))}): offer those of one"
    for snapshot in snapshots:
        name = snapshot.snapshot_id
        if snapshot.provider != "aws" or snapshot.region is None:
            yield f"{name} is of provider {snapshot.provider}: a registry has EBS snapshots only"
        if snapshot.state != COMPLETED:
            yield f"the state of {name} is {snapshot.state}: wait until it is {COMPLETED}"
        if snapshot.fingerprint != offer.fingerprint:
            yield f"{name} has the fingerprint {snapshot.fingerprint}, the seed has {offer.fingerprint}"
        if offer.public and snapshot.encrypted:
            yield f"{name} is encrypted and cannot be public: build with encrypted: false, or offer public: false"


def _of_software(software: Mapping[str, Any], offer: Offer) -> Iterator[str]:
    for environment in software["python_environments"]:
        for package in environment["packages"]:
            if "file://" in package:
                yield f"the Python package {record.shown(package)} is a file of this site: publish it first"
    if offer.public:
        closed = sorted({name for name in _names(software) if PROPRIETARY.fullmatch(name)})
        if closed:
            yield (
                f"{', '.join(closed)} may not be handed on: leave it out, or offer the snapshots to chosen accounts "
                "with public: false"
            )


def _names(software: Mapping[str, Any]) -> Iterator[str]:
    compilers = [one["compiler"] or "" for one in (software, *software.get("stacks", ()))]
    for text in [*asked.specs(software), *compilers]:
        waiting = [spec.parse(text)] if text else []
        while waiting:
            one = waiting.pop()
            yield one.name
            waiting += [edge.spec for edge in one.dependencies]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def merged(before: Stack | None, snapshots: Sequence[Snapshot], offer: Offer) -> Stack:
    """The stack with the snapshots that are contributed, in place of older ones of the same Region, system and
    architecture. Raises RegistryError when it is somebody else's.

    The same contribution again changes nothing, its dates included.
    """
    owner = snapshots[0].owner
    if before is not None and before.aws_account not in (None, owner):
        raise RegistryError(
            f"the registry's stack {offer.name} belongs to account {before.aws_account}, the snapshots to {owner}: "
            "give yours another name"
        )
    fresh = {(item.region, item.os, item.architecture): _variant(item) for item in snapshots}
    kept = [
        variant
        for variant in (before.variants if before else ())
        if (variant.region, variant.os, variant.architecture) not in fresh
    ]
    stack = Stack(
        name=record.checked_name(offer.name),
        fingerprint=offer.fingerprint,
        variants=_sorted([*kept, *fresh.values()]),
        description=record.checked_description(offer.description),
        seed_url=record.seed_path(offer.name),
        packages=record.checked_packages(list(offer.packages)),
        aws_account=owner,
        public=offer.public,
        # That is for the registry's maintainers to say, and what they looked at was something else.
        verified=False,
        created=offer.date,
        updated=offer.date,
        tags=record.checked_tags(list(offer.tags)),
    )
    if before is None:
        return stack
    stack = replace(stack, created=before.created or offer.date)
    same = replace(stack, updated=before.updated, verified=before.verified)
    return same if replace(before, variants=_sorted(before.variants)) == same else stack


def _variant(snapshot: Snapshot) -> Variant:
    return Variant(
        region=record.checked_region(snapshot.region),
        snapshot_id=snapshot.snapshot_id,
        fingerprint=snapshot.fingerprint,
        os=snapshot.os,
        architecture=snapshot.architecture,
        size_gb=snapshot.size_gb,
        documents=snapshot.tags.get(DOCUMENTS, ""),
        signature=ebs.to_text(ebs.from_tags(snapshot.tags)),
    )


def _sorted(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    return tuple(sorted(variants, key=lambda item: (item.region, item.os or "", item.architecture or "")))


def entries(stack: Stack) -> list[Entry]:
    """The index's lines of a stack: one for each of its fingerprints."""
    found = sorted({stack.fingerprint, *(variant.fingerprint for variant in stack.variants)})
    packages = stack.packages[:INDEX_PACKAGES] or None
    return [Entry(stack.name, one, stack.description or None, packages, stack.tags or None) for one in found]


def reindexed(index: Index, stack: Stack) -> Index:
    """The index with the lines of a stack in place of those it had."""
    others = [entry for entry in index.entries if entry.name != stack.name]
    return replace(index, entries=(*others, *entries(stack)))


# A whole registry


def index_problems(index: Index, stacks: Mapping[str, Stack]) -> Iterator[str]:
    """What is wrong about an index beside its documents.

    :param stacks: those that could be read, by name.
    """
    for refused in index.refused:
        yield f"{record.INDEX}: {refused}"
    told = {(entry.name, entry.fingerprint) for entry in index.entries}
    there = {(stack.name, entry.fingerprint) for stack in stacks.values() for entry in entries(stack)}
    for name, fingerprint in sorted(there - told):
        yield f"{record.INDEX}: the stack {name} is missing with {fingerprint}"
    for name, fingerprint in sorted(told - there):
        if name in stacks:
            yield f"{record.INDEX}: {name} has no {fingerprint} in {record.stack_path(name)}"
        else:
            yield f"{record.INDEX}: {record.stack_path(name)} is missing or cannot be used"


def index_remarks(index: Index, content: bytes, registry: str) -> Iterator[str]:
    """What could be better about an index that can be used."""
    if content != record.dump_index(index, registry):
        yield f"{record.INDEX}: it is not in its one form (sorted, indented by two): submit writes it so"


def stack_problems(stack: Stack, content: bytes) -> Iterator[str]:
    """What is wrong about a stack's document in itself."""
    path = record.stack_path(stack.name)
    for refused in stack.refused:
        yield f"{path}: {refused}"
    if not stack.variants and not stack.refused:
        yield f"{path}: it has no snapshot"
    for key in record.unknown_keys(content)[: record.REFUSALS_LIMIT]:
        yield f"{path}: the key {key} is unknown, and nobody would read it"
    seen: set[Variant] = set()
    for variant in stack.variants:
        # A smaller one beside the whole says so in its size or description.
        kind = replace(variant, snapshot_id="")
        if kind in seen:
            yield f"{path}: two snapshots are for the same Region, system and architecture ({variant.snapshot_id})"
        seen.add(kind)


def stack_remarks(stack: Stack, content: bytes) -> Iterator[str]:
    """What could be better about a stack's document that can be used."""
    path = record.stack_path(stack.name)
    if stack.aws_account is None:
        yield f"{path}: aws_account is missing: nobody can tell from it whether to trust it, only AWS says whose it is"
    if content != record.dump_stack(stack):
        yield f"{path}: it is not in its one form (sorted, indented by two): submit writes it so"
