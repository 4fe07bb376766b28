# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Container images of a volume, an entry each in its manifest's ``images``, as those name them who read of them.

An entry has ``name``, ``version``, ``image`` (the reference in the seed), ``digest``, ``platform``, ``file`` (below the
mount directory), ``sha256`` of that, ``labels``, and of what is inside ``packages``, ``problems`` and ``audit``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._components.model import purl
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import without_credentials
from ansible_collections.petal.hpc.plugins.module_utils._seed.images import FILE, parse

#: As which an image is listed among packages, and how it came.
CONTAINER, REGISTRY = "container", "registry"
#: Of an image's labels, which say under which licences what is inside is handed on (OCI's image specification).
_LICENCES = "org.opencontainers.image.licenses"


def label(image: Mapping[str, Any]) -> str:
    """As people name it: ``NAME:VERSION``, or the name alone."""
    name, version = str(image["name"]), str(image.get("version") or "")
    return f"{name}:{version}" if version else name


def labels(images: Sequence[Mapping[str, Any]]) -> list[str]:
    """As each is named beside the others: by its name alone, where no other has it."""
    names = [str(image["name"]) for image in images]
    return [name if names.count(name) == 1 else label(image) for name, image in zip(names, images)]


def licence(image: Mapping[str, Any]) -> str:
    """What the image itself says of its licences; empty where it says nothing."""
    labels = image.get("labels")
    said = labels.get(_LICENCES) if isinstance(labels, Mapping) else None
    return " ".join(said.split()) if isinstance(said, str) else ""


def reference(image: Mapping[str, Any]) -> str:
    """Where it is from, without user and password."""
    return without_credentials(str(image.get("image") or ""))


def address(image: Mapping[str, Any]) -> str:
    """Its package URL, of type oci; of a file nobody else knows where it is.

    >>> address({"name": "s", "image": "docker://quay.io/bio/samtools:1.20", "digest": "sha256:00"})
    'pkg:oci/samtools@sha256%3A00?repository_url=quay.io%2Fbio%2Fsamtools&tag=1.20'
    """
    meant = parse(reference(image))
    digest, architecture = str(image.get("digest") or ""), str(image.get("platform") or "").rpartition("/")[2]
    if meant.kind == FILE or not meant.repository:
        return purl("oci", "", str(image["name"]).lower(), digest, arch=architecture)
    path = f"{meant.registry}/{meant.repository}"
    name = path.rpartition("/")[2].lower()
    return purl("oci", "", name, digest, arch=architecture, repository_url=path, tag=meant.tag)
