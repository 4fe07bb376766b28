"""A statement that somebody else wrote is believed where it is about the very snapshot that it stands beside."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from stored import FINGERPRINT, ID, record_of

from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import Build, ProvenanceError, statement
from ansible_collections.petal.hpc.plugins.module_utils._provenance.reading import read
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import parse_snapshot

RECORD = parse_snapshot(record_of(b"archive"))
DIGEST = "d" * 64
COMMIT = "a" * 40
MANIFEST: dict[str, Any] = {
    "fingerprint": FINGERPRINT,
    "build_id": "20261122T000000Z-00000000",
    "started": "2026-11-22T00:00:00Z",
    "seed": {},
    "versions": {},
    "packages": [
        {"name": "zlib", "version": "1.3.1", "manager": "spack", "hash": "z" * 32, "origin": "source"},
        {"name": "samtools", "version": "1.17", "manager": "spack", "hash": "s" * 32, "origin": "cache"},
    ],
    "components": [{"name": "spack", "version": "1.2.0", "manager": "git", "commit": COMMIT, "url": "https://x/y"}],
    "locks": {".petal/spack.lock": f"sha256:{'7' * 64}"},
}
KEY = "0123456789ABCDEF0123456789ABCDEF01234567"
CACHES = ({"name": "lab", "url": "https://cache.example.org/spack"}, {"name": "own", "url": "/srv/cache"})
BUILD = Build(MANIFEST, builder="https://builds.example.org/hpc", caches=CACHES, signers=(KEY,))
GOOD = statement(BUILD, RECORD, DIGEST, "host")


def said(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_what_it_says() -> None:
    found = read(said(GOOD), RECORD, DIGEST)
    assert (found.builder, found.build_id) == ("https://builds.example.org/hpc", "20261122T000000Z-00000000")
    assert (found.started, found.finished) == ("2026-11-22T00:00:00Z", RECORD.created)
    assert (found.commits, found.locks) == ((f"spack {COMMIT}",), (f".petal/spack.lock {'7' * 64}",))
    # Spack itself and what came from a cache; neither the caches nor the lock.
    assert (found.fetched, found.compiled, found.cached) == (2, 1, 1)
    assert found.caches == ("buildcache/lab https://cache.example.org/spack", "buildcache/own file:///srv/cache")
    assert found.cache_signers == (KEY,)


def test_images_are_named_by_their_addresses() -> None:
    image = {
        "name": "samtools",
        "version": "1.20",
        "image": "quay.io/bio/samtools:1.20",
        "digest": f"sha256:{'d' * 64}",
    }
    made = statement(replace(BUILD, manifest={**MANIFEST, "images": [image]}), RECORD, DIGEST, "host")
    found = read(said(made), RECORD, DIGEST)
    address = f"pkg:oci/samtools@sha256%3A{'d' * 64}?repository_url=quay.io%2Fbio%2Fsamtools&tag=1.20"
    assert (found.images, found.fetched) == ((f"samtools {address}",), 3)


def changed(**different: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(GOOD)), **different}


def of_another_fingerprint() -> dict[str, Any]:
    value = changed()
    value["predicate"]["buildDefinition"]["internalParameters"]["fingerprint"] = "sha256:" + "b" * 64
    return value


def without_builder() -> dict[str, Any]:
    value = changed()
    del value["predicate"]["runDetails"]["builder"]["id"]
    return value


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (said(None), "no in-toto statement"),
        (said(changed(_type="https://in-toto.io/Statement/v0.1")), "no in-toto statement"),
        (said(changed(predicate={})), "another type of build"),
        (said(changed(subject=[])), f"not about this {ID}"),
        (said(changed(subject=[{"name": ID, "digest": {"sha256": "e" * 64}}])), f"not about this {ID}"),
        (said(changed(subject=GOOD["subject"][:1])), f"not about this {ID}/volume.tar.zst"),
        (said(of_another_fingerprint()), f"not of {FINGERPRINT}"),
        (said(without_builder()), "lacks predicate.runDetails.builder.id"),
    ],
)
def test_what_is_none_or_about_something_else(data: bytes, problem: str) -> None:
    with pytest.raises(ProvenanceError, match=problem):
        read(data, RECORD, DIGEST)
