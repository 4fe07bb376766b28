# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bill of materials for a whole volume, by OWASP's own library, from the volume's manifest."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import is_known
from ansible_collections.petal.hpc.plugins.module_utils._audit.table import SPACK
from ansible_collections.petal.hpc.plugins.module_utils._components import images
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.vendors import licence_of

try:
    from cyclonedx.contrib.hash.factories import HashTypeFactory
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

# Package URL types (https://github.com/package-url/purl-spec): Spack has none of its own.
_PURL_TYPES = {"pypi": "pypi", "spack": "generic", "container": "oci"}
# Of a manifest's versions: what made the volume and is not on it.
_TOOLS = {"petal": "petal.hpc", "ansible": "ansible-core", "uv": "uv"}
# What is said of a component beside its own fields.
_NOTES = {"petal:manager": "manager", "petal:origin": "origin", "petal:prefix": "prefix", "petal:path": "path"}


def volume_sbom(manifest: Mapping[str, Any]) -> str:
    """CycloneDX 1.6 as JSON text.

    ``manifest`` is the volume's manifest: ``fingerprint``, ``build_id``, ``name``, ``created`` (ISO 8601 with a zone),
    ``packages``, a list of ``{name, version, manager, hash, license, …}``, and what these stand on, ``components`` (see
    petal.hpc.volume_components) and ``versions``; ``images``, each with its own ``packages``. The same manifest gives
    the same text: serial number and time come from it. Raises PetalError where the library is missing or the manifest
    lacks a part.
    """
    if MISSING is not None:
        raise PetalError(f"install the Python package cyclonedx-python-lib on the controller ({MISSING})")
    try:
        volume = Component(
            name=manifest["name"], version=manifest["fingerprint"], type=ComponentType.PLATFORM, bom_ref="volume"
        )
        created = datetime.datetime.fromisoformat(manifest["created"].replace("Z", "+00:00"))
        listed = {_reference(entry): entry for entry in (*manifest["packages"], *manifest.get("components", ()))}
        serial = uuid.uuid5(uuid.NAMESPACE_URL, f"petal.hpc/{manifest['fingerprint']}/{manifest['build_id']}")
        components = {reference: _component(reference, entry) for reference, entry in listed.items()}
        tools = ToolRepository(components=_tools(manifest.get("versions", {})))
        metadata = BomMetaData(component=volume, timestamp=created, tools=tools)
        contained = _contained(manifest.get("images") or ())
        inside = {id(one): one for _image, within in contained for one in within}
        pulled = [image for image, _within in contained]
        every = [*components.values(), *pulled, *inside.values()]
        entries = [
            (str(entry.get(by) or ""), components[key]) for by in ("hash", "purl") for key, entry in listed.items()
        ]
        named = {name: component for name, component in entries if name}
        needs = [(volume, [*components.values(), *pulled]), *contained, *((one, []) for one in inside.values())]
        needs += [(components[reference], _needed(entry, named)) for reference, entry in listed.items()]
        bom = Bom(metadata=metadata, components=every, serial_number=serial, dependencies=_graph(needs))
        # All are there. The library would look through all for each again, for which packages of images are too many.
        vars(bom)["register_dependency"] = lambda **_target: None
        return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"
    except KeyError as error:
        raise PetalError(f"the manifest has no {error}; it does not come from this collection") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise PetalError(f"the manifest is not as this collection writes it: {error}") from error


def _tools(versions: Mapping[str, Any]) -> list[Any]:
    return [
        Component(name=name, version=str(versions[key]), type=ComponentType.APPLICATION, bom_ref=f"tool:{name}")
        for key, name in _TOOLS.items()
        if versions.get(key)
    ]


def _needed(entry: Mapping[str, Any], named: Mapping[str, Any]) -> list[Any]:
    # What is the operating system's is none of the volume's components.
    return [named[key] for key in entry.get("dependencies", ()) if key in named]


def _graph(needs: Iterable[tuple[Any, list[Any]]]) -> list[Any]:
    return [
        Dependency(ref=one.bom_ref, dependencies=[Dependency(ref=other.bom_ref) for other in needed])
        for one, needed in needs
    ]


def _contained(listed: Sequence[Mapping[str, Any]]) -> list[tuple[Any, list[Any]]]:
    """Images, each with what is inside of it. A package that several images have is one component."""
    said: dict[tuple[str, str], tuple[Mapping[str, Any], list[str]]] = {}
    within: list[tuple[str, Mapping[str, Any], list[tuple[str, str]]]] = []
    names = images.labels(listed)
    for name, image in zip(names, listed):
        keys = []
        for entry in image.get("packages") or ():
            key = (str(entry["purl"]), str(entry.get("license") or ""))
            said.setdefault(key, (entry, []))[1].append(name)
            keys.append(key)
        within.append((name, image, keys))
    # Images may know different licences of one package.
    references = {key: f"image:{number}:{key[0]}" for number, key in enumerate(sorted(said))}
    packages = {
        key: _component(references[key], entry, [("petal:image", name) for name in dict.fromkeys(havers)])
        for key, (entry, havers) in said.items()
    }
    return [(_image(name, image), [packages[key] for key in dict.fromkeys(keys)]) for name, image, keys in within]


def _image(label: str, image: Mapping[str, Any]) -> Any:
    file_digest = str(image.get("sha256") or "").removeprefix("sha256:")
    entry = {
        "name": image["name"],
        "version": image.get("version") or image["digest"],
        "manager": images.CONTAINER,
        "origin": images.REGISTRY,
        "kind": "container",
        "path": image.get("file"),
        "license": images.licence(image),
        "hash": f"sha256:{file_digest}" if file_digest else "",
        "purl": images.address(image),
    }
    more = {"petal:image": label, "petal:reference": images.reference(image)}
    more |= {"petal:digest": str(image["digest"]), "petal:platform": str(image.get("platform") or "")}
    return _component(f"container:{image['name']}:{image.get('version')}:{image['digest']}", entry, more.items())


def _reference(entry: Mapping[str, Any]) -> str:
    return ":".join(str(entry.get(key) or "") for key in ("manager", "name", "version", "hash"))


def _component(reference: str, entry: Mapping[str, Any], more: Iterable[tuple[str, str]] = ()) -> Any:
    name, version = str(entry["name"]), str(entry["version"])
    digest, licence, url = (str(entry.get(key) or "") for key in ("hash", "license", "url"))
    # A pip hash is one of the file that was installed; Spack's names the node of the dependency graph.
    is_digest = digest.startswith("sha256:")
    if entry.get("manager") == "spack" and not is_known(licence or None):
        licence = SPACK.get(name) or licence_of(name) or licence
    notes = {key: entry.get(field) for key, field in _NOTES.items()}
    notes |= {"spack:hash": "" if is_digest else digest, "petal:commit": entry.get("commit")}
    known = PackageURL(_PURL_TYPES.get(str(entry.get("manager")), "generic"), name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType(entry.get("kind", "library")),
        bom_ref=reference,
        hashes=[HashTypeFactory().from_composite_str(digest)] if is_digest else [],
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
        purl=PackageURL.from_string(entry["purl"]) if entry.get("purl") else known,
        external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(url))] if url else [],
        properties=[Property(name=key, value=str(value)) for key, value in (*notes.items(), *more) if value],
    )
