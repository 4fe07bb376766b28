# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sides of a comparison, from what stands beside a snapshot and from a seed's plan. Others may have written that.

The provenance beside a record goes with a snapshot wherever that goes; its manifest stands beside those that were built
in the store. A snapshot on AWS has its tags.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._comparison.asked import asked
from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import (
    ASKED,
    COMPONENTS,
    IMAGES,
    INSIDE,
    LOCKS,
    MODULES,
    NAMES,
    PACKAGES,
    SIZES,
    TOOLS,
    Part,
    Side,
    Value,
    told,
)
from ansible_collections.petal.hpc.plugins.module_utils._components.images import CONTAINER
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import PACKAGES as PACKAGES_TAG
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import packages_of
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import BASE, CACHE, LOCK, MANIFEST
from ansible_collections.petal.hpc.plugins.module_utils._provenance.reading import read
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

#: What a package is on the volume with; all others are what the volume runs by.
_MANAGERS = ("pypi", "spack")
_COMMITS = {"spack": "spack", "spack-packages": "packages"}


class ComparisonError(PetalError):
    """There are not two sides that could be compared."""


def of_snapshot(snapshot: Snapshot, record: bytes, statement: bytes | None, manifest: bytes | None) -> Side:
    """A snapshot of the local provider.

    :param record: the bytes of its record. statement, manifest: what stands beside that, if anything.
    """
    label, parts = f"{snapshot.snapshot_id} of {snapshot.name}, {snapshot.created}", {SIZES: _sizes(snapshot)}
    unknown, packages = {}, snapshot.packages
    parts[NAMES] = _names(packages)
    found, doubt = _stated(snapshot, record, statement)
    if found is None:
        unknown[""] = f"{snapshot.snapshot_id} {doubt}"
        return Side(label, (snapshot.fingerprint,), snapshot, parts, unknown)
    said, doubt = _manifest(found, manifest)
    if said is None:
        unknown[MODULES] = unknown[INSIDE] = f"{snapshot.snapshot_id} {doubt}"
    else:
        parts[MODULES] = _modules(said)
        parts[INSIDE] = _inside(said)
    try:
        parts = {**parts, **_of_statement(found, said)}
    except RecursionError:
        unknown[""] = f"the provenance of {snapshot.snapshot_id} is nested too deeply"
    return Side(label, (snapshot.fingerprint,), snapshot, parts, unknown)


def of_ebs(snapshot: Snapshot) -> Side:
    """A snapshot on AWS, by its tags."""
    label = f"{snapshot.snapshot_id} of {snapshot.name}, {snapshot.created}"
    parts, unknown = {SIZES: _sizes(snapshot)}, {}
    text = snapshot.tags.get(PACKAGES_TAG, "")
    if text and packages_of(text) == text.split(" ") == snapshot.packages:
        parts[NAMES] = _names(snapshot.packages)
    else:
        unknown[PACKAGES] = f"the tag {PACKAGES_TAG} of {snapshot.snapshot_id} has not all of them"
    unknown[""] = "AWS keeps no more of a snapshot than its tags; the rest is in .petal on the volume"
    return Side(label, (snapshot.fingerprint,), snapshot, parts, unknown)


def of_seed(plan: Mapping[str, Any], built: Side | None = None) -> Side:
    """A seed as the roles know it, ``snapshots_plan``; and what is known of its own snapshot, where there is one.

    Raises ComparisonError where it is no plan.
    """
    plan = plan if isinstance(plan, Mapping) else {}
    fingerprints, seed = plan.get("fingerprints"), plan.get("seed")
    if not isinstance(fingerprints, Sequence) or not fingerprints or not isinstance(seed, Mapping):
        raise ComparisonError("the seed has no fingerprints: expected what petal.hpc.seed_info returns as plan")
    name = told(plan.get("name", ""))
    commits = plan.get("resolved_refs")
    wanted = asked(
        seed,
        plan.get("inputs"),
        str(plan.get("mount_dir", "")),
        {str(key): str(value) for key, value in commits.items() if value} if isinstance(commits, Mapping) else {},
    )
    label = f"the seed of {name}" + (f" ({built.snapshot.snapshot_id})" if built and built.snapshot else "")
    unknown = built.unknown if built else {"": f"there is no snapshot of the seed of {name} yet"}
    parts = {**(built.parts if built else {}), ASKED: wanted}
    fingerprints = tuple(str(one) for one in fingerprints)
    return Side(label, fingerprints, built.snapshot if built else None, parts, unknown)


# --- the provenance -------------------------------------------------------------------------------------------------


def _stated(snapshot: Snapshot, record: bytes, statement: bytes | None) -> tuple[Any, str]:
    """The statement, or why there is none that counts."""
    if statement is None:
        return None, "has no provenance beside its record: an earlier release built it"
    try:
        read(statement, snapshot, hashlib.sha256(record).hexdigest())
        return json.loads(statement), ""
    except (PetalError, AttributeError, TypeError) as error:
        return None, f"has a provenance that counts for nothing ({error})"


def _of_statement(found: Any, manifest: Mapping[str, Any] | None) -> dict[str, Part]:
    definition = _mapping(_mapping(found, "predicate"), "buildDefinition")
    run = _mapping(_mapping(found, "predicate"), "runDetails")
    inner = _mapping(definition, "internalParameters")
    sources, byproducts = _items(definition, "resolvedDependencies"), _items(run, "byproducts")
    words = dict(_variants(manifest))
    others = (None, BASE, CACHE, CONTAINER)
    components = [one for one in sources if _note(one, "manager") not in others and not _is_package(one)]
    images = [one for one in sources if _note(one, "manager") == CONTAINER]
    commits = {
        key: str(_mapping(one, "digest").get("gitCommit", ""))
        for one in components
        for name, key in _COMMITS.items()
        if one.get("name") == name
    }
    wanted = asked(
        _mapping(definition, "externalParameters").get("seed"),
        inner.get("inputs"),
        str(inner.get("mountDir", "")),
        commits,
    )
    packages = [one for one in (*sources, *byproducts) if _is_package(one)]
    return {
        ASKED: wanted,
        PACKAGES: _part((str(one.get("name")), _value(one, words)) for one in packages),
        IMAGES: _part((str(one.get("name")), _value(one, {})) for one in images),
        COMPONENTS: _part((str(one.get("name")), _value(one, words)) for one in components),
        LOCKS: _part((str(one["name"]), _value(one, {})) for one in sources if str(one.get("name")).startswith(LOCK)),
        TOOLS: _tools(_mapping(run, "builder")),
    }


def _is_package(item: Mapping[str, Any]) -> bool:
    """What is the operating system's, as Spack found it, is what the volume runs by."""
    # The version of what is no package stands in its annotations.
    named = _note(item, "manager") in _MANAGERS and _note(item, "version") is None
    return named and _note(item, "origin") != "external"


def _value(item: Mapping[str, Any], words: Mapping[str, tuple[str, ...]]) -> Value:
    version = _note(item, "version")
    if version is None:
        uri = str(item.get("uri", ""))
        version = uri.rpartition("@")[2] if "@" in uri else ""
    if _note(item, "origin") == "external":
        return Value(told(version))
    digest, spack = _mapping(item, "digest"), _note(item, "spackHash")
    build = f"/{spack}" if spack else str(digest.get("gitCommit") or "")
    build = build or (f"sha256:{digest['sha256']}" if digest.get("sha256") else "")
    return Value(told(version), told(build), words.get(str(spack), ()))


def _tools(builder: Mapping[str, Any]) -> Part:
    named = [(str(name), Value(told(version))) for name, version in _mapping(builder, "version").items()]
    others = [(str(one.get("name")), _value(one, {})) for one in _items(builder, "builderDependencies")]
    return _part([*named, *others])


# --- the manifest ---------------------------------------------------------------------------------------------------


def _manifest(statement: Any, data: bytes | None) -> tuple[Mapping[str, Any] | None, str]:
    """The manifest that the statement names, or why there is none."""
    if data is None:
        return None, "has no manifest beside its record: an earlier release built it, or it came from elsewhere"
    made = _items(_mapping(_mapping(statement, "predicate"), "runDetails"), "byproducts")
    digests = [_mapping(one, "digest").get("sha256") for one in made if one.get("name") == f".petal/{MANIFEST}"]
    if digests != [hashlib.sha256(data).hexdigest()]:
        return None, "has a manifest beside its record that is not the one of its provenance"
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        return None, f"has a manifest that is not JSON ({error})"
    return (found, "") if isinstance(found, Mapping) else (None, "has a manifest that is no mapping")


def _modules(manifest: Mapping[str, Any]) -> Part:
    found = []
    for one in _items(manifest, "modules"):
        load = one.get("load")
        name = " ".join(str(word) for word in load) if isinstance(load, list) and load else str(one.get("name"))
        text = f"{one.get('summary') or ''}{' (default)' if one.get('default') is True else ''}".strip()
        found.append((name, Value(told(text))))
    return _part(found)


def _inside(manifest: Mapping[str, Any]) -> Part:
    """What is inside of images, by the name of each in the seed; of several versions of one that is together."""
    found = []
    for image in _items(manifest, "images"):
        for one in _items(image, "packages"):
            value = Value(told(str(one.get("version") or "")), told(str(one.get("manager") or "")))
            found.append((f"{image.get('name')}:{one.get('name')}", value))
    return _part(found)


def _variants(manifest: Mapping[str, Any] | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    for one in _items(manifest or {}, "packages"):
        if isinstance(one.get("variants"), str):
            yield str(one.get("hash")), tuple(told(word) for word in one["variants"].split())


# --- the record -----------------------------------------------------------------------------------------------------


def _sizes(snapshot: Snapshot) -> Part:
    sizes = {"archive": snapshot.stored_bytes, "used": snapshot.used_bytes}
    found = [(name, Value(human(size))) for name, size in sizes.items() if size is not None]
    return _part([("volume", Value(f"{snapshot.size_gb} GiB")), *found])


def _names(packages: Sequence[str]) -> Part:
    return _part((name, Value(told(version))) for name, _at, version in (one.partition("@") for one in packages))


def _part(found: Any) -> Part:
    every: dict[str, set[Value]] = {}
    for name, value in found:
        every.setdefault(told(name), set()).add(value)
    return {name: frozenset(values) for name, values in every.items()}


def _note(item: Mapping[str, Any], key: str) -> Any:
    return _mapping(item, "annotations").get(key)


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _items(value: Any, key: str) -> list[Mapping[str, Any]]:
    """The mappings of a list; what is none there is nothing of ours."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
