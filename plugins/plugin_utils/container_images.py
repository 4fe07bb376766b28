# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What petal.hpc.container_image_info does: from references of images to their digests, on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._containers import logins, manifests, mirror
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import image_registry

ARGUMENTS: dict[str, dict[str, Any]] = {
    "images": {"type": "list", "elements": "str", "required": True},
    "architecture": {"type": "str", "required": True, "choices": list(manifests.ARCHITECTURES)},
    "logins": {"type": "raw", "no_log": True},
    "insecure_registries": {"type": "list", "elements": "str"},
    "mirror_dir": {"type": "str"},
}


def describe(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The action's result. Raises PetalError."""
    known = logins.auths(arguments.get("logins"))
    there_already = mirrored(arguments.get("mirror_dir") or "")
    found: dict[str, dict[str, Any]] = {}
    for image in dict.fromkeys(arguments["images"]):
        there = mirror.digest(there_already, image, arguments["architecture"])
        if there:
            found[image] = {"digest": there, "source": "mirror"}
        else:
            insecure = arguments.get("insecure_registries") or ()
            answer = image_registry.resolve(image, arguments["architecture"], known, insecure)
            found[image] = {**answer, "source": "registry"}
    return {"images": found, "digests": {image: entry["digest"] for image, entry in found.items()}}


def mirrored(directory: str) -> dict[str, Any]:
    """What a mirror directory says of images; nothing where the controller has none."""
    path = Path(directory).expanduser() / mirror.FILE
    try:
        return mirror.read(path.read_text(encoding="utf-8"), str(path)) if directory else {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise PetalError(f"{path} cannot be read: {error}. Fill the mirror directory again (playbook mirror)") from None
