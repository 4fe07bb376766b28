# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in a mirror directory, each as its registry has it, and what references stood for when they were put there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._containers.manifests import DIGEST
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

#: Below a mirror directory: images by architecture and the hexadecimal digits of their digests.
IMAGES = "images"
#: Beside an image: the index of platforms that its digest is of, where it is not that of its manifest.
INDEX = "index-of-platforms.json"
FILE = "images/references.json"


def read(text: str, what: str) -> dict[str, dict[str, str]]:
    """Digests by references and architectures. Raises PetalError."""
    try:
        found = json.loads(text)
        good = all(DIGEST.fullmatch(digest) for entry in found.values() for digest in entry.values())
    except (ValueError, AttributeError, TypeError):
        good = False
    if not good:
        raise PetalError(
            f"{what} does not say which images there are: fill the mirror directory again (playbook mirror)"
        )
    return found  # type: ignore[no-any-return]


def place(architecture: str, hexadecimal: str) -> str:
    """Where an image is below a mirror directory."""
    return f"{IMAGES}/{architecture}/{hexadecimal}"


def digest(found: Mapping[str, Any], image: str, architecture: str) -> str:
    """What a reference stands for in the mirror; empty where it is not there."""
    return str(found.get(image, {}).get(architecture, ""))


def added(found: Mapping[str, Any], image: str, architecture: str, digest_of_it: str) -> str:
    """The text of FILE with one more."""
    entry = {**found.get(image, {}), architecture: digest_of_it}
    return json.dumps({**found, image: entry}, indent=2, sort_keys=True) + "\n"
