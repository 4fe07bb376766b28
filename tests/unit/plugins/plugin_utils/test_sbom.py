"""The bill of materials is what OWASP's own validator accepts, and the same for the same manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils.sbom import volume_sbom

DIGEST = "sha256:" + "a" * 64
MANIFEST: dict[str, Any] = {
    "name": "bio",
    "fingerprint": "sha256:" + "0" * 64,
    "build_id": "20261122T000000Z-00000000",
    "created": "2026-11-22T00:00:00Z",
    "packages": [
        {"name": "numpy", "version": "2.2.6", "manager": "pypi", "hash": DIGEST, "license": "BSD-3-Clause"},
        {"name": "samtools", "version": "1.17", "manager": "spack", "hash": "abcdefg", "origin": "cache"},
        {"name": "samtools", "version": "1.17", "manager": "spack", "hash": "hijklmn", "origin": "source"},
        {"name": "odd", "version": "1", "manager": "pypi", "hash": "", "license": "see LICENSE, if any"},
    ],
}


def test_the_standard_validator_accepts_it() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(volume_sbom(MANIFEST)) is None


def test_every_package_is_a_component_with_what_is_known_of_it() -> None:
    found = {item["bom-ref"]: item for item in json.loads(volume_sbom(MANIFEST))["components"]}
    assert len(found) == 4
    numpy = found["pypi:numpy:2.2.6:sha256:" + "a" * 64]
    assert numpy["purl"] == "pkg:pypi/numpy@2.2.6"
    assert numpy["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert numpy["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    samtools = found["spack:samtools:1.17:abcdefg"]
    assert {"name": "spack:hash", "value": "abcdefg"} in samtools["properties"]


def test_the_same_manifest_gives_the_same_text() -> None:
    assert volume_sbom(MANIFEST) == volume_sbom(json.loads(json.dumps(MANIFEST)))


@pytest.mark.parametrize("key", ["name", "fingerprint", "build_id", "created", "packages"])
def test_a_part_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(PetalError, match=key):
        volume_sbom({name: value for name, value in MANIFEST.items() if name != key})
