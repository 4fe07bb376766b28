# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bill of materials for a whole volume, by OWASP's own library, from the volume's manifest."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError

try:
    from cyclonedx.contrib.hash.factories import HashTypeFactory
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

# Package URL types (https://github.com/package-url/purl-spec): Spack has none of its own.
_PURL_TYPES = {"pypi": "pypi", "spack": "generic", "container": "oci"}


def volume_sbom(manifest: Mapping[str, Any]) -> str:
    """CycloneDX 1.6 as JSON text.

    ``manifest`` is the volume's manifest: ``fingerprint``, ``build_id``, ``name``, ``created`` (ISO 8601 with a zone)
    and ``packages``, a list of ``{name, version, manager, hash, license, …}``. The same manifest gives the same text:
    serial number and time come from it. Raises PetalError where the library is missing or the manifest lacks a part.
    """
    if MISSING is not None:
        raise PetalError(f"install the Python package cyclonedx-python-lib on the controller ({MISSING})")
    try:
        volume = Component(
            name=manifest["name"], version=manifest["fingerprint"], type=ComponentType.PLATFORM, bom_ref="volume"
        )
        created = datetime.datetime.fromisoformat(manifest["created"].replace("Z", "+00:00"))
        components = {_reference(package): _component(package) for package in manifest["packages"]}
        serial = uuid.uuid5(uuid.NAMESPACE_URL, f"petal.hpc/{manifest['fingerprint']}/{manifest['build_id']}")
    except KeyError as error:
        raise PetalError(f"the manifest has no {error}; it does not come from this collection") from error
    metadata = BomMetaData(component=volume, timestamp=created)
    bom = Bom(metadata=metadata, components=components.values(), serial_number=serial)
    bom.register_dependency(volume, components.values())
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _reference(package: Mapping[str, Any]) -> str:
    return ":".join(str(package.get(key) or "") for key in ("manager", "name", "version", "hash"))


def _component(package: Mapping[str, Any]) -> Any:
    name, version = str(package["name"]), str(package["version"])
    digest = str(package.get("hash") or "")
    # A pip hash is one of the file that was installed; Spack's names the node of the dependency graph.
    is_digest = digest.startswith("sha256:")
    notes = {"petal:manager": package.get("manager"), "spack:hash": None if is_digest else digest}
    notes |= {f"petal:{key}": package.get(key) for key in ("origin", "prefix")}
    licenses = [LicenseFactory().make_from_string(str(package["license"]))] if package.get("license") else []
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=_reference(package),
        hashes=[HashTypeFactory().from_composite_str(digest)] if is_digest else [],
        licenses=licenses,
        purl=PackageURL(_PURL_TYPES.get(str(package.get("manager")), "generic"), name=name, version=version),
        properties=[Property(name=key, value=str(value)) for key, value in notes.items() if value],
    )
