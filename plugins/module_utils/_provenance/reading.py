# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A statement of provenance that somebody else may have written: whether it is about a snapshot, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._components.images import CONTAINER
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import (
    BASE,
    BUILD_TYPE,
    CACHE,
    LOCK,
    PREDICATE,
    STATEMENT,
    ProvenanceError,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

#: Of a text that is shown.
LENGTH = 300


@dataclass(frozen=True)
class Stated:
    """What a statement says of a build.

    commits: ``NAME COMMIT`` of what came by commit. fetched: how many things came from elsewhere. compiled: how many
    packages of Spack's were compiled by the builder, cached: how many came from a build cache. caches: ``NAME ADDRESS``
    of those that could be asked, and cache_signers whose signatures counted there, by fingerprint. locks: ``PATH
    DIGEST``. images: ``NAME ADDRESS`` of container images, with their digests.
    """

    builder: str
    build_id: str
    started: str
    finished: str
    commits: tuple[str, ...] = ()
    fetched: int = 0
    compiled: int = 0
    cached: int = 0
    caches: tuple[str, ...] = ()
    cache_signers: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


def read(data: bytes, record: Snapshot, record_sha256: str) -> Stated:
    """Read a statement.

    :param record: of the snapshot that it stands beside. record_sha256: of the file that has it.
    :return: what it says. Raises ProvenanceError where it is none, or one about something else.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProvenanceError(f"the provenance is not JSON ({error})") from error
    if (_at(found, "_type"), _at(found, "predicateType")) != (STATEMENT, PREDICATE):
        raise ProvenanceError(f"the provenance is no in-toto statement with {PREDICATE}")
    if _at(found, "predicate", "buildDefinition", "buildType") != BUILD_TYPE:
        raise ProvenanceError(f"the provenance is of another type of build than {BUILD_TYPE}")
    subjects = {_at(one, "name"): _at(one, "digest", "sha256") for one in _list(found, "subject")}
    for name, digest in ((record.snapshot_id, record_sha256), (f"{record.snapshot_id}/volume.tar.zst", record.sha256)):
        if subjects.get(name) != digest:
            raise ProvenanceError(f"the provenance is not about this {name}: it names another digest, or none")
    bears = _at(found, "predicate", "buildDefinition", "internalParameters", "fingerprint")
    if bears != record.fingerprint:
        raise ProvenanceError(f"the provenance is of a build of {str(bears)[:80]}, not of {record.fingerprint}")
    details = ("predicate", "runDetails")
    sources = _list(found, "predicate", "buildDefinition", "resolvedDependencies")
    caches = [one for one in sources if _at(one, "annotations", "manager") == CACHE]
    bases = [one for one in sources if _at(one, "annotations", "manager") == BASE]
    locks = [one for one in sources if str(_at(one, "name")).startswith(LOCK)]
    return Stated(
        builder=_text(found, *details, "builder", "id"),
        build_id=_text(found, *details, "metadata", "invocationId"),
        started=_text(found, *details, "metadata", "startedOn"),
        finished=_text(found, *details, "metadata", "finishedOn"),
        commits=_named(sources, "digest", "gitCommit"),
        # A cache is a place, a lock a list, and of the volume that it was made from there are packages only.
        fetched=len(sources) - len(caches) - len(locks) - len(bases),
        compiled=_of_origin(_list(found, *details, "byproducts"), "source"),
        cached=_of_origin(sources, "cache"),
        caches=_named(caches, "uri"),
        cache_signers=tuple({shown(key): None for one in caches for key in _list(one, "annotations", "signers")}),
        locks=_named(locks, "digest", "sha256"),
        images=_named([one for one in sources if _at(one, "annotations", "manager") == CONTAINER], "uri"),
    )


def _named(items: Sequence[Any], *keys: str) -> tuple[str, ...]:
    """Name and one field of each that has it."""
    return tuple(f"{shown(_at(one, 'name'))} {shown(_at(one, *keys))}" for one in items if _at(one, *keys))


def _of_origin(items: Sequence[Any], origin: str) -> int:
    return sum(_at(one, "annotations", "origin") == origin for one in items)


def shown(value: Any) -> str:
    """A foreign text as it may stand in a line."""
    text = str(value)[:LENGTH]
    return text if text.isprintable() else ascii(text)


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _list(value: Any, *keys: str) -> Sequence[Any]:
    found = _at(value, *keys)
    return found if isinstance(found, list) else []


def _text(value: Any, *keys: str) -> str:
    found = _at(value, *keys)
    if not isinstance(found, str):
        raise ProvenanceError(f"the provenance lacks {'.'.join(keys)}")
    return shown(found)
