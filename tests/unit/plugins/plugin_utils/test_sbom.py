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


LIBC = {
    "name": "libc6",
    "version": "2.36-9",
    "manager": "deb",
    "license": "LGPL-2.1-or-later",
    "origin": "image",
    "purl": "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=bookworm&upstream=glibc",
}
SIX = {"name": "six", "version": "1.16.0", "manager": "pypi", "origin": "image", "purl": "pkg:pypi/six@1.16.0"}
SAMTOOLS: dict[str, Any] = {
    "name": "samtools",
    "version": "1.20",
    "image": "docker://me:secret@quay.io/bio/SamTools:1.20",
    "digest": "sha256:" + "d" * 64,
    "platform": "linux/amd64",
    "file": "containers/images/sha256/dd.sqfs",
    "sha256": "f" * 64,
    "size": 4096,
    "labels": {"org.opencontainers.image.licenses": "MIT"},
    "modules": ["samtools"],
    "packages": [LIBC, SIX],
    "problems": [],
}
BWA = {**SAMTOOLS, "name": "bwa", "version": "", "image": "file:bwa.tar", "labels": {}, "packages": [LIBC]}
CONTAINED = {**MANIFEST, "images": [SAMTOOLS, BWA]}


def test_images_and_what_is_inside_of_them() -> None:
    text = volume_sbom(CONTAINED)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert "secret" not in text
    found = {item["name"]: item for item in json.loads(text)["components"] if "spack" not in item["bom-ref"]}
    samtools = found["samtools"]
    assert samtools["type"] == "container"
    assert samtools["purl"].startswith("pkg:oci/samtools@sha256:" + "d" * 64 + "?arch=amd64&repository_url=quay.io")
    assert samtools["hashes"] == [{"alg": "SHA-256", "content": "f" * 64}]
    assert samtools["licenses"] == [{"license": {"id": "MIT"}}]
    assert found["bwa"]["purl"] == "pkg:oci/bwa@sha256:" + "d" * 64 + "?arch=amd64"
    said = [item["value"] for item in found["libc6"]["properties"] if item["name"] == "petal:image"]
    assert said == ["bwa", "samtools"]
    assert found["libc6"]["purl"] == LIBC["purl"]


def test_an_image_has_its_packages_and_the_volume_the_image() -> None:
    bill = json.loads(volume_sbom(CONTAINED))
    names = {item["bom-ref"]: item["name"] for item in bill["components"]}
    needs = {names.get(item["ref"], item["ref"]): item.get("dependsOn", []) for item in bill["dependencies"]}
    assert sorted(names[one] for one in needs["volume"]) == ["bwa", "numpy", "odd", "samtools", "samtools", "samtools"]
    assert [names[one] for one in needs["bwa"]] == ["libc6"]
    (samtools,) = (item for item in bill["dependencies"] if item["ref"].startswith("container:samtools"))
    assert sorted(names[one] for one in samtools["dependsOn"]) == ["libc6", "six"]


def test_two_licences_of_one_package_of_images_are_two_components() -> None:
    other = {**BWA, "packages": [{**LIBC, "license": "GPL-3.0-only"}]}
    bill = json.loads(volume_sbom({**MANIFEST, "images": [SAMTOOLS, other]}))
    assert len([item for item in bill["components"] if item["name"] == "libc6"]) == 2


def test_an_image_of_which_nothing_is_known_yet() -> None:
    unknown = {**BWA, "packages": None, "labels": None, "sha256": None, "platform": None}
    text = volume_sbom({**MANIFEST, "images": [unknown]})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_an_image_without_a_digest_is_none_of_ours() -> None:
    with pytest.raises(PetalError, match="digest"):
        volume_sbom({**MANIFEST, "images": [{"name": "x", "image": "x"}]})
