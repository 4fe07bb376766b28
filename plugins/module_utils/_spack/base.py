# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what a volume has of the snapshot that it was made from, which others may have written."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import SpackError

#: Below the mount directory.
RECORD = ".petal/base.json"


def parse_record(value: Any) -> dict[str, Any]:
    """Read it. Raises SpackError where it is none.

    ``packages``: directories of packages below the root of Spack's store, by their hashes.
    """
    if not isinstance(value, Mapping) or value.get("schema") != 1 or not isinstance(value.get("packages"), Mapping):
        raise SpackError(f"{RECORD} is not what this collection writes")
    packages = {str(key): str(place) for key, place in value["packages"].items()}
    for place in packages.values():
        if posixpath.normpath(place) != place or place.startswith(("/", "..")) or place == ".":
            raise SpackError(f"{RECORD} has a package at {place!r}, which is not below Spack's store")
    texts = ("id", "snapshot_id", "name", "fingerprint", "created", "build_id", "manifest")
    return {
        **{key: str(value.get(key) or "") for key in texts},
        "schema": 1,
        "cleared": value.get("cleared") is True,
        "packages": packages,
    }
