"""The bill of materials is what OWASP's own validator accepts, and the same for the same manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
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


STANDS_ON: list[dict[str, Any]] = [
    {
        "name": "lua5.3",
        "version": "5.3.6-2",
        "manager": "deb",
        "license": "MIT",
        "origin": "system",
        "kind": "application",
        "path": "/usr/bin/lua5.3",
        "purl": "pkg:deb/debian/lua5.3@5.3.6-2?arch=amd64&distro=bookworm",
    },
    {
        "name": "spack",
        "version": "1.2.0",
        "manager": "git",
        "license": "Apache-2.0 OR MIT",
        "origin": "volume",
        "kind": "application",
        "commit": "c" * 40,
        "url": "https://github.com/spack/spack.git",
        "purl": f"pkg:github/spack/spack@{'c' * 40}",
    },
]
WHOLE = {**MANIFEST, "components": STANDS_ON, "versions": {"petal": "0.1.0", "ansible": "2.19.14", "lmod": "8.6.19"}}


def test_what_the_packages_stand_on_is_in_it() -> None:
    text = volume_sbom(WHOLE)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = {item["name"]: item for item in json.loads(text)["components"]}
    assert (found["lua5.3"]["type"], found["lua5.3"]["purl"]) == ("application", STANDS_ON[0]["purl"])
    assert {"name": "petal:origin", "value": "system"} in found["lua5.3"]["properties"]
    assert found["spack"]["licenses"] == [{"expression": "Apache-2.0 OR MIT"}]
    assert found["spack"]["externalReferences"] == [{"type": "vcs", "url": "https://github.com/spack/spack.git"}]
    assert {"name": "petal:commit", "value": "c" * 40} in found["spack"]["properties"]


def test_what_made_it_is_a_tool() -> None:
    tools = json.loads(volume_sbom(WHOLE))["metadata"]["tools"]["components"]
    assert {item["name"]: item["version"] for item in tools} == {"petal.hpc": "0.1.0", "ansible-core": "2.19.14"}


def test_what_a_package_needs() -> None:
    htslib = {"name": "htslib", "version": "1.17", "manager": "spack", "hash": "hts"}
    samtools = {"name": "samtools", "version": "1.17", "manager": "spack", "hash": "sam", "dependencies": ["hts", "os"]}
    listed = json.loads(volume_sbom({**MANIFEST, "packages": [samtools, htslib]}))["dependencies"]
    needs = {item["ref"]: item.get("dependsOn", []) for item in listed}
    assert needs["spack:samtools:1.17:sam"] == ["spack:htslib:1.17:hts"]


def test_what_lmod_needs_is_named_by_its_address() -> None:
    lmod = {"name": "lmod", "version": "8.6.19-1", "manager": "deb", "dependencies": [STANDS_ON[0]["purl"]]}
    listed = json.loads(volume_sbom({**MANIFEST, "components": [*STANDS_ON, lmod]}))["dependencies"]
    needs = {item["ref"]: item.get("dependsOn", []) for item in listed}
    assert needs["deb:lmod:8.6.19-1:"] == ["deb:lua5.3:5.3.6-2:"]


def test_where_a_recipe_says_no_more_than_custom_the_table_says_it() -> None:
    hdf5 = {"name": "hdf5", "version": "1.14", "manager": "spack", "hash": "a", "license": "custom"}
    (found,) = json.loads(volume_sbom({**MANIFEST, "packages": [hdf5]}))["components"]
    assert found["licenses"] == [{"license": {"id": "HDF5"}}]


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
