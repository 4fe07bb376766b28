"""Manifests and indexes as registries give them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers import manifests
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

AMD, ARM = "sha256:" + "aa" * 32, "sha256:" + "bb" * 32


def index(*platforms: tuple[str, str, str]) -> dict[str, Any]:
    entries = [
        {"digest": digest, "platform": {"os": os, "architecture": architecture}}
        for os, architecture, digest in platforms
    ]
    return {"schemaVersion": 2, "manifests": entries}


def test_a_platforms_image_in_an_index() -> None:
    both = index(("linux", "amd64", AMD), ("linux", "arm64", ARM), ("unknown", "unknown", AMD))
    assert manifests.platform_digest(both, "x86_64", "it") == AMD
    assert manifests.platform_digest(both, "arm64", "it") == ARM
    assert manifests.platform_digest({"layers": []}, "arm64", "it") is None


def test_an_index_without_the_platform_says_what_it_has() -> None:
    with pytest.raises(PetalError, match="it has no image for linux/arm64, but for linux/amd64, windows/amd64: name"):
        manifests.platform_digest(index(("windows", "amd64", AMD), ("linux", "amd64", AMD)), "arm64", "it")
    with pytest.raises(PetalError, match="no platform at all"):
        manifests.platform_digest({"manifests": []}, "x86_64", "it")
    with pytest.raises(PetalError, match="no image for linux/amd64"):
        manifests.platform_digest(index(("linux", "amd64", "sha256:../../etc")), "x86_64", "it")


def test_an_archive_of_one_image_need_not_name_its_platform() -> None:
    assert manifests.platform_digest({"manifests": [{"digest": AMD}]}, "x86_64", "it") == AMD


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"\xff", b'{"errors": []}'])
def test_what_is_no_manifest(content: bytes) -> None:
    with pytest.raises(PetalError, match="it has no manifest that could be read"):
        manifests.read(content, "it")


def test_a_manifest() -> None:
    text = json.dumps({"layers": [{"size": 3}, {"size": 4}]}).encode()
    assert manifests.size(manifests.read(text, "it")) == 7


def test_platforms_of_configurations() -> None:
    manifests.fits({}, "x86_64", "it")
    manifests.fits({"os": "linux", "architecture": "arm64"}, "arm64", "it")
    with pytest.raises(PetalError, match="it is an image for windows/amd64, and the seed is for linux/amd64"):
        manifests.fits({"os": "windows", "architecture": "amd64"}, "x86_64", "it")


def test_the_file_in_an_artifact() -> None:
    layer = {"mediaType": manifests.SIF_LAYER, "digest": AMD}
    assert manifests.sif({"layers": [layer]}, "it") == AMD
    for layers in ([], [layer, layer], [{**layer, "mediaType": "text/plain"}], [{**layer, "digest": "../x"}]):
        with pytest.raises(PetalError, match="it holds no SIF file"):
            manifests.sif({"layers": layers}, "it")


@pytest.mark.parametrize("manifest", [{}, {"config": None}, {"config": "x"}, {"config": {"digest": "../x"}}])
def test_a_manifest_without_a_configuration(manifest: dict[str, Any]) -> None:
    with pytest.raises(PetalError, match="names no configuration"):
        manifests.config_digest(manifest, "it")
