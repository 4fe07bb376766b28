"""Registries whose answers are none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

pytest.importorskip("dxf")

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import image_registry

CONFIG = b'{"architecture": "amd64", "os": "linux"}'


def answering(monkeypatch: pytest.MonkeyPatch, manifest: bytes, config: bytes) -> list[int]:
    """A registry that gives these whatever is asked; how many bytes were read of each manifest."""
    read: list[int] = []

    class Response:
        headers: ClassVar[dict[str, str]] = {}

        def iter_content(self, size: int) -> Iterator[bytes]:
            read.append(0)
            for start in range(0, len(manifest), size):
                read[-1] += size
                yield manifest[start : start + size]

        def close(self) -> None:
            pass

    class Session:
        def __init__(self, *_given: Any, **_more: Any) -> None:
            pass

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_given: object) -> None:
            pass

        def _request(self, _method: str, path: str, headers: dict[str, str], *, stream: bool) -> Response:
            assert path.startswith("manifests/")
            assert "vnd.oci.image.index" in headers["Accept"]
            assert stream
            return Response()

        def pull_blob(self, _digest: str) -> list[bytes]:
            return [config]

    monkeypatch.setattr("dxf.DXF", Session)
    return read


def manifest(**changes: Any) -> bytes:
    return json.dumps(
        {"schemaVersion": 2, "config": {"digest": "sha256:" + "a" * 64}, "layers": [], **changes}
    ).encode()


def test_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, manifest(layers=[{"size": 5}]), CONFIG)
    digest = hashlib.sha256(manifest(layers=[{"size": 5}])).hexdigest()
    assert image_registry.resolve("r.io/a:1", "x86_64", {}) == {"digest": f"sha256:{digest}", "size": 5}


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (b"<html>", CONFIG),
        (b"[" * 200_000, CONFIG),
        (manifest(layers="abc"), CONFIG),
        (manifest(layers=[1]), CONFIG),
        (manifest(layers=[{"size": [1]}]), CONFIG),
        (manifest(layers=[{"size": float("inf")}]), CONFIG),
        (manifest(config=None), CONFIG),
        (manifest(manifests=5), CONFIG),
        (manifest(manifests=[1]), CONFIG),
        (manifest(manifests=[{"platform": "linux"}]), CONFIG),
        (manifest(), b"[]"),
        (manifest(), b"null"),
        (manifest(), b"[" * 100_000),
    ],
)
@pytest.mark.parametrize("kind", ["", "oras://"])
def test_an_answer_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, text: bytes, config: bytes, kind: str) -> None:
    answering(monkeypatch, text, config)
    with pytest.raises(PetalError, match=r"image (oras://)?r\.io/a:1"):
        image_registry.resolve(f"{kind}r.io/a:1", "x86_64", {})


@pytest.mark.parametrize("large", [b" " * (64 << 20), b"[" * (5 << 20)])
def test_no_more_is_read_of_a_manifest_than_one_can_have(monkeypatch: pytest.MonkeyPatch, large: bytes) -> None:
    read = answering(monkeypatch, large, CONFIG)
    with pytest.raises(PetalError, match=r"image r\.io/a:1 has a manifest of more than 4 MiB: this is no image"):
        image_registry.resolve("r.io/a:1", "x86_64", {})
    assert read == [image_registry.LARGEST_MANIFEST + image_registry.PIECE]
