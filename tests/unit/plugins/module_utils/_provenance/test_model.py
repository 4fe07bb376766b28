"""Where a snapshot comes from: in-toto Statement v1, SLSA Provenance v1, as in-toto's own library reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from stored import FINGERPRINT, ID, record_of

from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import (
    Build,
    ProvenanceError,
    checked,
    statement,
    statement_of_volume,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import parse_snapshot

DIGEST = "d" * 64
RECORD = parse_snapshot(record_of(b"archive"))
SPACK, RECIPES = "a" * 40, "b" * 40
KEY = "0123456789ABCDEF0123456789ABCDEF01234567"
MANIFEST: dict[str, Any] = {
    "fingerprint": FINGERPRINT,
    "build_id": "20261122T000000Z-00000000",
    "started": "2026-11-22T00:00:00Z",
    "mount_dir": "/shared",
    "seed": {"cluster": {"name": "quickstart"}},
    "versions": {"petal": "0.1.0", "ansible": "2.19.14", "uv": "0.13.9", "lmod": "8.6.19"},
    "packages": [
        {"name": "zlib", "version": "1.3.1", "manager": "spack", "hash": "z" * 32, "origin": "source"},
        {"name": "samtools", "version": "1.17", "manager": "spack", "hash": "s" * 32, "origin": "cache"},
        {"name": "htslib", "version": "1.17", "manager": "spack", "hash": "h" * 32, "origin": "installed"},
        {"name": "six", "version": "1.17.0", "manager": "pypi", "hash": f"sha256:{'5' * 64}"},
    ],
    "components": [
        {
            "name": "spack",
            "version": "1.2.0",
            "manager": "git",
            "origin": "volume",
            "commit": SPACK,
            "url": "https://github.com/spack/spack.git",
            "purl": f"pkg:github/spack/spack@{SPACK}",
        },
        {
            "name": "lua",
            "version": "5.4.6",
            "manager": "spack",
            "origin": "source",
            "hash": "l" * 32,
        },
        {
            "name": "lmod",
            "version": "8.7.37",
            "manager": "source",
            "origin": "volume",
            "hash": f"sha256:{'8' * 64}",
            "purl": "pkg:github/tacc/lmod@8.7.37",
        },
    ],
    "locks": {".petal/spack.lock": f"sha256:{'7' * 64}"},
}
GIVEN: dict[str, Any] = {
    "manifest": MANIFEST,
    "files": {"manifest.json": f"sha256:{'1' * 64}", "sbom.cdx.json": f"sha256:{'2' * 64}"},
    "builder": "https://builds.example.org/hpc",
    "overrides": {"os": "debian12"},
    "inputs": {"recipes": {"site": f"sha256:{'3' * 64}"}},
    "caches": [{"name": "lab", "url": "https://user:secret@cache.example.org/spack"}],
    "signers": [KEY],
}


def made(**different: Any) -> dict[str, Any]:
    """The statement about the snapshot, of what is given with some of it different."""
    return statement(checked({**GIVEN, **different}), RECORD, DIGEST, "build01")


def dependencies(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    listed = found["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {one["name"]: one for one in listed}


def test_it_is_what_the_specifications_say() -> None:
    found = made()
    parsed = json_format.ParseDict(found, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    # Refuses names of fields that SLSA does not have.
    provenance = json_format.ParseDict(found["predicate"], provenance_pb2.Provenance())
    for one in (*provenance.build_definition.resolved_dependencies, *provenance.run_details.byproducts):
        ResourceDescriptor.copy_from_pb(one).validate()
    assert provenance.run_details.metadata.started_on.ToJsonString() == "2026-11-22T00:00:00Z"


def test_a_volume_whose_snapshot_has_no_digest_is_named_by_its_manifest() -> None:
    found = statement_of_volume(checked({**GIVEN, "manifest": {**MANIFEST, "created": "2026-11-22T01:00:00Z"}}), "i-1")
    Statement.copy_from_pb(json_format.ParseDict(found, statement_pb2.Statement())).validate()
    assert found["subject"] == [{"name": ".petal/manifest.json", "digest": {"sha256": "1" * 64}}]
    assert found["predicate"]["runDetails"]["metadata"]["finishedOn"] == "2026-11-22T01:00:00Z"
    assert found["predicate"]["buildDefinition"] == made()["predicate"]["buildDefinition"]
    with pytest.raises(ProvenanceError, match="no digest of manifest"):
        statement_of_volume(checked({**GIVEN, "files": {}}), "i-1")


def test_names_of_the_fields() -> None:
    """By hand, from the text of the specifications."""
    found = made()
    assert list(found) == ["_type", "subject", "predicateType", "predicate"]
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert found["subject"] == [
        {"name": ID, "digest": {"sha256": DIGEST}},
        {"name": f"{ID}/volume.tar.zst", "digest": {"sha256": RECORD.sha256}},
    ]
    definition, run = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    assert set(definition) == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert definition["buildType"].startswith("https://github.com/petal-hpc/petal.hpc/")
    assert definition["externalParameters"] == {"seed": MANIFEST["seed"], "overrides": {"os": "debian12"}}
    assert definition["internalParameters"]["fingerprint"] == FINGERPRINT
    assert set(run) == {"builder", "metadata", "byproducts"}
    assert run["builder"] == {
        "id": "https://builds.example.org/hpc",
        "version": {"petal.hpc": "0.1.0", "ansible-core": "2.19.14"},
        "builderDependencies": [{"name": "uv", "uri": "pkg:pypi/uv@0.13.9"}],
    }
    assert run["metadata"] == {
        "invocationId": "20261122T000000Z-00000000",
        "startedOn": "2026-11-22T00:00:00Z",
        "finishedOn": RECORD.created,
    }


def test_what_it_was_made_from() -> None:
    found = dependencies(made())
    assert found["spack"]["uri"] == f"git+https://github.com/spack/spack.git@{SPACK}"
    assert found["spack"]["digest"] == {"gitCommit": SPACK}
    assert found["lmod"]["digest"] == {"sha256": "8" * 64}
    assert found["recipes/site"]["digest"] == {"sha256": "3" * 64}
    assert found["six"] == {
        "name": "six",
        "uri": "pkg:pypi/six@1.17.0",
        "digest": {"sha256": "5" * 64},
        "annotations": {"manager": "pypi"},
    }
    assert found[".petal/spack.lock"]["digest"] == {"sha256": "7" * 64}


IMAGE: dict[str, Any] = {
    "name": "samtools",
    "version": "1.20",
    "image": "docker://me:secret@quay.io/bio/samtools:1.20",
    "digest": f"sha256:{'d' * 64}",
    "file": "containers/images/sha256/dd.sqsh",
    "sha256": "e" * 64,
    "packages": [{"name": "libc6", "version": "2.36", "manager": "deb"}],
}


def test_images_by_their_digests() -> None:
    found = made(manifest={**MANIFEST, "images": [IMAGE]})
    Statement.copy_from_pb(json_format.ParseDict(found, statement_pb2.Statement())).validate()
    listed = dependencies(found)
    assert "libc6" not in listed
    assert listed["samtools"] == {
        "name": "samtools",
        "uri": f"pkg:oci/samtools@sha256%3A{'d' * 64}?repository_url=quay.io%2Fbio%2Fsamtools&tag=1.20",
        "digest": {"sha256": "d" * 64},
        "annotations": {
            "manager": "container",
            "version": "1.20",
            "origin": "registry",
            "reference": "docker://quay.io/bio/samtools:1.20",
        },
    }
    files = {one["name"]: one.get("digest") for one in found["predicate"]["runDetails"]["byproducts"]}
    assert files["containers/images/sha256/dd.sqsh"] == {"sha256": "e" * 64}


def test_what_was_compiled_here_and_what_came_signed_from_where() -> None:
    found = made()
    from_cache = dependencies(found)["samtools"]["annotations"]
    assert from_cache == {
        "manager": "spack",
        "origin": "cache",
        "spackHash": "s" * 32,
        "caches": ["lab"],
        "signers": [KEY],
    }
    compiled = {one["name"]: one for one in found["predicate"]["runDetails"]["byproducts"]}
    assert compiled["zlib"]["annotations"] == {"manager": "spack", "origin": "source", "spackHash": "z" * 32}
    assert "lua" in compiled
    assert not {"zlib", "lua"} & set(dependencies(found))
    # Of what was there before nobody knows how it came.
    assert "signers" not in dependencies(found)["htslib"]["annotations"]


def test_the_compiler_of_the_system_is_named() -> None:
    gcc = {"name": "gcc", "version": "12.2.0", "hash": "g" * 32, "origin": "external", "prefix": "/usr"}
    assert dependencies(made(system=[gcc]))["gcc"] == {
        "name": "gcc",
        "uri": "pkg:generic/gcc@12.2.0",
        "annotations": {"manager": "spack", "origin": "external", "spackHash": "g" * 32},
    }


def test_a_cache_in_a_directory_has_a_uri_too() -> None:
    found = dependencies(made(caches=[{"name": "own", "url": "/srv/cache"}]))
    assert found["buildcache/own"]["uri"] == "file:///srv/cache"


def test_no_password_of_a_cache_is_in_it() -> None:
    assert dependencies(made())["buildcache/lab"]["uri"] == "https://cache.example.org/spack"
    assert "secret" not in json.dumps(made())


def test_the_documents_of_the_volume() -> None:
    listed = {one["name"]: one for one in made()["predicate"]["runDetails"]["byproducts"]}
    assert listed[".petal/sbom.cdx.json"] == {
        "name": ".petal/sbom.cdx.json",
        "digest": {"sha256": "2" * 64},
        "mediaType": "application/vnd.cyclonedx+json",
    }


def test_a_builder_without_a_name_is_its_host() -> None:
    assert made(builder="")["predicate"]["runDetails"]["builder"]["id"] == "petal.hpc://build01"


@pytest.mark.parametrize("builder", ["our builder", "builds.example.org", "https://a b", "1x:y"])
def test_a_builder_is_a_uri(builder: str) -> None:
    with pytest.raises(ProvenanceError, match="is no URI: expected such as"):
        checked({**GIVEN, "builder": builder})


@pytest.mark.parametrize("key", ["build_id", "started", "seed", "fingerprint", "packages", "versions"])
def test_a_part_of_the_manifest_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(ProvenanceError, match=key):
        checked({"manifest": {name: value for name, value in MANIFEST.items() if name != key}})


@pytest.mark.parametrize("given", [None, {}, {"manifest": None}, []])
def test_nothing_can_be_said_of_nothing(given: Any) -> None:
    with pytest.raises(ProvenanceError, match="has no manifest"):
        checked(given)


def test_a_statement_without_a_digest_is_none() -> None:
    with pytest.raises(ProvenanceError, match="has no digest"):
        statement(Build(MANIFEST), RECORD, "", "build01")
