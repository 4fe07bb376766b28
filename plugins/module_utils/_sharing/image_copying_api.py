# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of a machine image in several Regions at once, made as those of a snapshot are.

The name of a copy is one that AWS gives once, so that a second call makes no second image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._image.api import Images
from ansible_collections.petal.hpc.plugins.module_utils._image.making_api import TAKEN, delete
from ansible_collections.petal.hpc.plugins.module_utils._image.record import Image, check_image_id
from ansible_collections.petal.hpc.plugins.module_utils._sharing.copies import Original, Target
from ansible_collections.petal.hpc.plugins.module_utils._sharing.copying_api import STATES, Copies, RegionOf
from ansible_collections.petal.hpc.plugins.module_utils._sharing.image_copies import ImageOriginal, image_target
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria


class ImageCopies(Copies):
    """One image, and the Regions that are to have it.

    :param module: AnsibleAWSModule with the options of petal.hpc.software_image_copy.
    """

    THING, LIST = "image", "petal.hpc.images"

    def run(self) -> dict[str, Any]:
        """What petal.hpc.software_image_copy does. Raises PetalError; what has been begun then goes on by itself."""
        found = super().run()
        copies = [{**one, "image": _entry(one["snapshot"])} for one in found["copies"]]
        without = [{key: value for key, value in one.items() if key != "snapshot"} for one in copies]
        return {**found, "source": _entry(found["source"]), "copies": without}

    def _store(self) -> Any:
        return Images(self._module, region=self._params["source_region"])

    def _original(self, found: Any, region: str, own: bool) -> Original:
        return ImageOriginal(found, region, own)

    def _worker(self, source: Original, target: Target) -> RegionOf:
        return _ImageRegion(self._module, source, image_target(target, source.snapshot.name, source.origin))

    def _ids(self) -> tuple[str, ...]:
        image_id = self._params["image_id"]
        return (check_image_id(image_id),) if image_id else ()


def _entry(one: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if one is None else {**one, "image_id": one["snapshot_id"]}


class _ImageRegion(RegionOf):
    """One Region: looked at, and brought to having its copy."""

    WAITER, MISSING, IDS = "image_available", "InvalidAMIID.NotFound", "ImageIds"
    #: Somebody has begun it, or an answer was lost: it is listed a little later.
    AGAIN = (TAKEN,)

    def _store(self) -> Any:
        return Images(self._module, region=self.region)

    def _delete(self, snapshot_id: str) -> None:
        found, _refused = self._snapshots.scan(Criteria(snapshot_ids=(snapshot_id,), states=STATES))
        disks = [disk for one in found if isinstance(one, Image) for disk in one.disks]
        delete(self._snapshots.client, snapshot_id, disks)

    def _copied(self, client: Any) -> str:
        return str(client.copy_image(**self._source.parameters(self._target))["ImageId"])

    def _describe(self) -> Callable[..., Any]:
        found: Callable[..., Any] = self._snapshots.client.describe_images
        return found
