# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests of container images as registries and OCI layouts have them. No I/O.

Sources: the image and distribution specifications of the Open Container Initiative, 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

#: Architectures of a seed as images name them.
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
#: The layer of an artifact that ``apptainer push oras://`` makes.
SIF_LAYER = "application/vnd.sylabs.sif.layer.v1.sif"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def read(content: bytes, what: str) -> dict[str, Any]:
    """A manifest or an index. Raises PetalError for anything else."""
    try:
        found = json.loads(content)
    except (UnicodeDecodeError, ValueError):
        found = None
    if not isinstance(found, dict) or not ({"manifests", "layers"} & set(found)):
        raise PetalError(f"{what} has no manifest that could be read: expected one of OCI, or Docker's second schema")
    return found


def platform_digest(index: Mapping[str, Any], architecture: str, what: str) -> str | None:
    """The digest of a platform's manifest in an index; None where this is no index. Raises PetalError.

    :param architecture: of a seed. what: how the image is called in messages.
    """
    if "manifests" not in index and index.get("mediaType") not in _INDEXES:
        return None
    wanted = ARCHITECTURES[architecture]
    others = []
    for entry in index.get("manifests") or ():
        platform = entry.get("platform") or {}
        name = f"{platform.get('os', 'unknown')}/{platform.get('architecture', 'unknown')}"
        if name == f"linux/{wanted}" and DIGEST.fullmatch(str(entry.get("digest"))):
            return str(entry["digest"])
        # What says where an image comes from stands beside it, for no platform.
        others += [name] if "unknown" not in name else []
    alone = list(index.get("manifests") or ())
    if len(alone) == 1 and "platform" not in alone[0] and DIGEST.fullmatch(str(alone[0].get("digest"))):
        return str(alone[0]["digest"])
    raise PetalError(
        f"{what} has no image for linux/{wanted}, but for {', '.join(sorted(set(others))) or 'no platform at all'}: "
        "name another image, or another cluster.architecture"
    )


def config_digest(manifest: Mapping[str, Any], what: str) -> str:
    """The digest of an image's configuration. Raises PetalError where the manifest names none."""
    config = manifest.get("config")
    digest = str(config.get("digest")) if isinstance(config, Mapping) else ""
    if not DIGEST.fullmatch(digest):
        raise PetalError(f"{what} has a manifest that names no configuration: this is no image")
    return digest


def fits(config: Mapping[str, Any], architecture: str, what: str) -> None:
    """Raises PetalError where an image is for another platform. config: the image's own; an artifact's says nothing."""
    wanted = ARCHITECTURES[architecture]
    found = config.get("architecture")
    if found and (found, config.get("os", "linux")) != (wanted, "linux"):
        raise PetalError(
            f"{what} is an image for {config.get('os', 'linux')}/{found}, and the seed is for linux/{wanted}: name "
            "another image, or another cluster.architecture"
        )


def sif(manifest: Mapping[str, Any], what: str) -> str:
    """The digest of the SIF file in an artifact. Raises PetalError where there is none."""
    layers = [layer for layer in manifest.get("layers") or () if layer.get("mediaType") == SIF_LAYER]
    if len(layers) != 1 or not DIGEST.fullmatch(str(layers[0].get("digest"))):
        raise PetalError(
            f"{what} holds no SIF file, as apptainer push makes one: expected one layer of {SIF_LAYER}. An image as "
            "Docker has them is named with docker:// or with nothing before its registry"
        )
    return str(layers[0]["digest"])


def size(manifest: Mapping[str, Any]) -> int:
    """Bytes that are fetched for an image."""
    return sum(int(layer.get("size") or 0) for layer in manifest.get("layers") or ())
