# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which builds left something behind: resources with a build's tags, by build, as far as a clean-up may look at them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.names import of_build, resource_name
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import BUILD_ID, FINGERPRINT, NAME

_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
# It begins with the time of its build, and ends in digits of its fingerprint.
_BUILD_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-")
_TIME = len("20260131T120000Z")
_VOLUME = re.compile(r"build-[0-9a-f]{20}")
#: Where AWS has the id of what it lists.
_IDS = ("instance_id", "id", "group_id", "vpc_id", "key_pair_id")


@dataclass(frozen=True)
class Wanted:
    """What a clean-up looks for. before: the build id with the time after which builds are spared; build_id: the one
    build that is meant, empty for all."""

    before: str
    build_id: str = ""

    def means(self, build_id: str) -> bool:
        """Whether a build is the one that is meant."""
        return self.build_id in ("", build_id)


def on_aws(resources: Iterable[Mapping[str, Any]], wanted: Wanted, complete: Collection[str]) -> list[dict[str, Any]]:
    """The builds that left something on AWS, each with all that it left. Tags that are no build's are somebody else's.

    :param resources: as the modules of amazon.aws list them, with ``tags`` and an id of their kind.
    :param complete: the ids of builds that have their snapshot, and need what they left no more.
    """
    found: dict[str, dict[str, Any]] = {}
    for resource in resources:
        tags = resource.get("tags") or {}
        build_id, fingerprint = str(tags.get(BUILD_ID, "")), str(tags.get(FINGERPRINT, ""))
        if not (_FINGERPRINT.fullmatch(fingerprint) and _BUILD_ID.match(build_id)):
            continue
        if build_id[:_TIME] > wanted.before or not wanted.means(build_id):
            continue
        build = found.setdefault(
            build_id,
            {
                "build_id": build_id,
                "fingerprint": fingerprint,
                "name": str(tags.get(NAME, "")),
                "resource": of_build(fingerprint, build_id),
                "resources": [],
                "complete": build_id in complete,
            },
        )
        build["resources"].append(next((str(resource[key]) for key in _IDS if key in resource), ""))
    return list(found.values())


def in_store(volumes: Iterable[Mapping[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    """The builds that left their volume in a store.

    :param volumes: as ``local_volume_info`` lists them, with ``name`` and ``tags``; others than builds' are passed over.
    """
    found = []
    for volume in volumes:
        name, tags = str(volume["name"]), volume.get("tags") or {}
        build_id = str(tags.get(BUILD_ID, ""))
        if _VOLUME.fullmatch(name) and build_id and build_id <= wanted.before and wanted.means(build_id):
            fingerprint = str(tags[FINGERPRINT])
            known = {"build_id": build_id, "fingerprint": fingerprint, "resource": resource_name(fingerprint)}
            found.append({**known, "name": "", "resources": [name]})
    return found
