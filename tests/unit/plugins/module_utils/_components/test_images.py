"""How images of a volume are named to others."""

from __future__ import annotations

import pytest
from packageurl import PackageURL

from ansible_collections.petal.hpc.plugins.module_utils._components import images

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("reference", "name", "repository", "tag"),
    [
        ("ubuntu:24.04", "ubuntu", "docker.io/library/ubuntu", "24.04"),
        ("docker://bio/samtools", "samtools", "docker.io/bio/samtools", "latest"),
        ("docker://localhost:5000/A/SamTools:1.2", "samtools", "localhost:5000/A/SamTools", "1.2"),
        (f"oras://ghcr.io/bio/x@{DIGEST}", "x", "ghcr.io/bio/x", None),
        ("file:images/x.tar", "mine", None, None),
    ],
)
def test_addresses(reference: str, name: str, repository: str | None, tag: str | None) -> None:
    image = {"name": "Mine", "image": reference, "digest": DIGEST, "platform": "linux/arm64"}
    found = PackageURL.from_string(images.address(image))
    assert (found.type, found.name, found.version) == ("oci", name, DIGEST)
    wanted = {"arch": "arm64", "repository_url": repository, "tag": tag}
    assert found.qualifiers == {key: value for key, value in wanted.items() if value}


@pytest.mark.parametrize("labels", [None, [], {}, {"org.opencontainers.image.licenses": ["MIT"]}])
def test_an_image_that_says_no_licence(labels: object) -> None:
    assert images.licence({"name": "x", "labels": labels}) == ""


def test_labels() -> None:
    image = {"name": "x", "version": "1", "labels": {"org.opencontainers.image.licenses": " MIT AND\nISC"}}
    assert (images.licence(image), images.label(image), images.label({"name": "x"})) == ("MIT AND ISC", "x:1", "x")
