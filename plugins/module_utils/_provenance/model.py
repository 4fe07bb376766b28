# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a snapshot comes from: an in-toto Statement v1 with the SLSA Provenance v1 predicate.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and https://slsa.dev/spec/v1.0/provenance. The
same manifest, record and builder give the same statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._components import images
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import SHA256
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import without_credentials
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
#: docs/provenance.md says what the parameters of a build of this type mean; other ones are another type.
BUILD_TYPE = "https://github.com/petal-hpc/petal.hpc/blob/main/docs/provenance.md#software-volume-v1"

#: By what a build cache is told from what came from it, and a lock from other files.
CACHE, LOCK = "spack-buildcache", ".petal/"
#: Likewise, the snapshot that the volume was made from.
BASE = "petal.hpc-snapshot"

#: How a builder is called that has no name of its own; the host's stands behind it.
DEFAULT_BUILDER = "petal.hpc://"

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
# Of a manifest's versions, what runs the build, as package URLs have it.
_BUILDERS = {"petal": "petal.hpc", "ansible": "ansible-core"}
_TOOLS = {"uv": "pkg:pypi/uv@"}
MANIFEST = "manifest.json"
_VOLUME_FILES = {MANIFEST: "application/json", "sbom.cdx.json": "application/vnd.cyclonedx+json"}


class ProvenanceError(PetalError):
    """There is nothing from which a statement could be made."""


@dataclass(frozen=True)
class Build:
    """What is said of a build.

    manifest: the volume's. files: digests (``sha256:…``) of its documents, by their names below ``.petal``. builder: a
    URI, empty for the host's name. overrides: what stood in place of the seed's own. inputs: what the site's variables
    decide, as in the fingerprint. system: what Spack took of the operating system, such as the compiler, as
    petal.hpc.spack_environment returns it. caches: ``{name, url}`` of those that Spack could take packages from.
    signers: fingerprints of the keys whose signatures counted there.
    """

    manifest: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    builder: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    system: tuple[Mapping[str, Any], ...] = ()
    caches: tuple[Mapping[str, Any], ...] = ()
    signers: tuple[str, ...] = ()


def checked(given: Any) -> Build:
    """A build from a module's option. Raises ProvenanceError with what is wrong."""
    if not isinstance(given, Mapping) or not isinstance(given.get("manifest"), Mapping):
        raise ProvenanceError("provenance has no manifest: expected that of the volume, as petal.hpc writes it")
    manifest, builder = given["manifest"], str(given.get("builder") or "")
    for key in ("build_id", "started", "seed", "fingerprint", "packages", "versions"):
        if key not in manifest:
            raise ProvenanceError(f"the manifest of the provenance has no {key}; it does not come from this collection")
    if builder and not _URI.fullmatch(builder):
        raise ProvenanceError(
            f"the builder {builder!r} is no URI: expected such as https://builds.example.org/hpc (petal_builder_id)"
        )
    return Build(
        manifest=manifest,
        files=given.get("files") or {},
        builder=builder,
        overrides=given.get("overrides") or {},
        inputs=given.get("inputs") or {},
        system=tuple(given.get("system") or ()),
        caches=tuple(given.get("caches") or ()),
        signers=tuple(str(one) for one in given.get("signers") or ()),
    )


def statement(build: Build, record: Snapshot, record_sha256: str, host: str) -> dict[str, Any]:
    """The statement about a snapshot, as JSON types.

    :param record: of the snapshot. record_sha256: of the file that has it. host: which built it.
    """
    if not SHA256.fullmatch(record_sha256) or not SHA256.fullmatch(record.sha256 or ""):
        raise ProvenanceError(f"the record of {record.snapshot_id} has no digest, or its archive has none")
    names = {record.snapshot_id: record_sha256, f"{record.snapshot_id}/volume.tar.zst": record.sha256}
    return _statement(build, names, record.created, host)


def statement_of_volume(build: Build, host: str) -> dict[str, Any]:
    """The statement about a volume whose snapshot has no digest, as JSON types: its subject is the manifest.

    :param host: which built it. Raises ProvenanceError where the build has no digest of the manifest.
    """
    manifest = _digest(build.files.get(MANIFEST))
    if not manifest:
        raise ProvenanceError(f"the provenance has no digest of {MANIFEST} among its files")
    return _statement(build, {f".petal/{MANIFEST}": manifest["sha256"]}, str(build.manifest.get("created", "")), host)


def _statement(build: Build, subject: Mapping[str, str | None], finished: str, host: str) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in subject.items()],
        "predicateType": PREDICATE,
        "predicate": {"buildDefinition": _definition(build), "runDetails": _run(build, finished, host)},
    }


def _definition(build: Build) -> dict[str, Any]:
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {"seed": build.manifest["seed"], "overrides": dict(build.overrides)},
        "internalParameters": {
            "fingerprint": build.manifest["fingerprint"],
            "os": build.manifest.get("os", ""),
            "architecture": build.manifest.get("architecture", ""),
            "mountDir": build.manifest.get("mount_dir", ""),
            "inputs": dict(build.inputs),
        },
        "resolvedDependencies": [
            *_components(build),
            *_recipes(build),
            *_system(build),
            *_caches(build),
            *_base(build),
            *_fetched(build),
            *_pulled(build),
            *_locks(build),
        ],
    }


def _run(build: Build, finished: str, host: str) -> dict[str, Any]:
    versions = build.manifest["versions"]
    return {
        "builder": {
            "id": build.builder or f"{DEFAULT_BUILDER}{host}",
            "version": {name: str(versions[key]) for key, name in _BUILDERS.items() if versions.get(key)},
            "builderDependencies": [
                {"name": key, "uri": f"{address}{versions[key]}"}
                for key, address in _TOOLS.items()
                if versions.get(key)
            ],
        },
        "metadata": {
            "invocationId": build.manifest["build_id"],
            "startedOn": build.manifest["started"],
            "finishedOn": finished,
        },
        "byproducts": [*_documents(build), *_compiled(build), *_packed(build)],
    }


# --- what it was made from ------------------------------------------------------------------------------------------


def _components(build: Build) -> Iterable[dict[str, Any]]:
    """Spack, its recipes, Lmod, Lua, Pythons: by commit, by digest, or by the operating system's package."""
    for item in build.manifest.get("components", ()):
        commit, url = item.get("commit"), item.get("url")
        if commit:
            digest = {"gitCommit": commit}
        elif item.get("manager") == "spack":
            yield from _package(build, item)
            continue
        else:
            digest = _digest(item.get("hash"))
        yield _descriptor(
            item["name"],
            f"git+{url}@{commit}" if commit and url else item.get("purl", ""),
            digest,
            {"version": item["version"], "manager": item.get("manager"), "origin": item.get("origin")},
        )


def _recipes(build: Build) -> Iterable[dict[str, Any]]:
    """A site's own recipes: directories of the build host, by the digest over their files that the fingerprint has."""
    for name, digest in sorted((build.inputs.get("recipes") or {}).items()):
        if _digest(digest):
            yield _descriptor(f"recipes/{name}", "", _digest(digest), {"manager": "recipes"})


def _system(build: Build) -> Iterable[dict[str, Any]]:
    """The compiler and other tools of the operating system, by the names and versions that Spack has for them."""
    for item in build.system:
        yield _descriptor(item["name"], _spack_uri(item), {}, _spack_note(item))


def _caches(build: Build) -> Iterable[dict[str, Any]]:
    """Caches have no digest: what came from them is named by itself, with whose signatures counted."""
    for one in build.caches:
        note = {"manager": CACHE, "signers": list(build.signers)}
        url = without_credentials(str(one.get("url", "")))
        # A directory of the builder's; the field is one of URIs.
        yield _descriptor(
            f"buildcache/{one.get('name', '')}", f"file://{url}" if url.startswith("/") else url, {}, note
        )


def _base(build: Build) -> Iterable[dict[str, Any]]:
    """What the volume began with, by the manifest on it: packages of that origin are from there."""
    base = build.manifest.get("base") or {}
    if base.get("snapshot_id"):
        note = {"manager": BASE, "fingerprint": base.get("fingerprint"), "buildId": base.get("build_id")}
        yield _descriptor(f"{base['snapshot_id']}/.petal/{MANIFEST}", "", _digest(base.get("manifest")), note)


def _fetched(build: Build) -> Iterable[dict[str, Any]]:
    """Packages that were not made here: wheels, and what came from a cache."""
    for item in build.manifest["packages"]:
        if item.get("manager") == "spack":
            yield from _package(build, item)
        else:
            kind = {"pypi": "pypi", "container": "oci"}.get(str(item.get("manager")), "generic")
            address = f"pkg:{kind}/{item['name']}@{item['version']}"
            yield _descriptor(item["name"], address, _digest(item.get("hash")), {"manager": item.get("manager")})


def _pulled(build: Build) -> Iterable[dict[str, Any]]:
    """Container images. What is inside of one came with it: its digest says it all, the bill of materials names it."""
    for image in build.manifest.get("images") or ():
        note = {"manager": images.CONTAINER, "version": image.get("version"), "origin": images.REGISTRY}
        note["reference"] = images.reference(image)
        yield _descriptor(image["name"], images.address(image), _digest(image.get("digest")), note)


def _package(build: Build, item: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """What Spack did not compile here. Of what was there before, how it came is not known."""
    if item.get("origin") != "source":
        note = _spack_note(item)
        if item.get("origin") == "cache":
            note |= {"caches": [one.get("name") for one in build.caches], "signers": list(build.signers)}
        yield _descriptor(item["name"], _spack_uri(item), {}, note)


def _locks(build: Build) -> Iterable[dict[str, Any]]:
    for path, digest in sorted(build.manifest.get("locks", {}).items()):
        yield _descriptor(path, "", _digest(digest), {})


# --- what came out of it --------------------------------------------------------------------------------------------


def _documents(build: Build) -> Iterable[dict[str, Any]]:
    for name, digest in sorted(build.files.items()):
        found = _descriptor(f".petal/{name}", "", _digest(digest), {})
        yield {**found, "mediaType": _VOLUME_FILES[name]} if name in _VOLUME_FILES else found


def _compiled(build: Build) -> Iterable[dict[str, Any]]:
    """What was compiled on the builder."""
    for item in (*build.manifest["packages"], *build.manifest.get("components", ())):
        if item.get("manager") == "spack" and item.get("origin") == "source":
            yield _descriptor(item["name"], _spack_uri(item), {}, _spack_note(item))


def _packed(build: Build) -> Iterable[dict[str, Any]]:
    """The files that images were packed into."""
    for image in build.manifest.get("images") or ():
        digest = str(image.get("sha256") or "").removeprefix("sha256:")
        if image.get("file") and _digest(f"sha256:{digest}"):
            yield _descriptor(image["file"], "", {"sha256": digest}, {})


def _spack_uri(item: Mapping[str, Any]) -> str:
    return f"pkg:generic/{item['name']}@{item['version']}"


def _spack_note(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"manager": "spack", "origin": item.get("origin"), "spackHash": item.get("hash")}


def _digest(text: Any) -> dict[str, str]:
    found = _DIGEST.fullmatch(str(text or ""))
    return {"sha256": found[1]} if found else {}


def _descriptor(name: str, uri: str, digest: Mapping[str, str], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """A ResourceDescriptor; what is empty is left out, as the specification has it."""
    notes = {key: value for key, value in annotations.items() if value}
    found = {"name": str(name), "uri": uri, "digest": dict(digest), "annotations": notes}
    return {key: value for key, value in found.items() if value}
