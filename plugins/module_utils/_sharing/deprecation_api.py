# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of the own account in one Region, deprecated from a time on or not any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2ImageErrorHandler
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call, ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._image.deprecation import deprecate_at, is_so
from ansible_collections.petal.hpc.plugins.module_utils._sharing.image_api import own_images
from ansible_collections.petal.hpc.plugins.module_utils._sharing.plan import PRESENT


def utc_now() -> datetime:
    """The time."""
    return datetime.now(timezone.utc)


def deprecate(module: Any, clock: Callable[[], datetime] = utc_now) -> dict[str, Any]:
    """What petal.hpc.software_image_deprecation does with its options. Raises PetalError."""
    given, now, client = module.params, clock(), ec2_client(module)
    at = deprecate_at(given["at"], now) if given["state"] == PRESENT else ""
    changes: list[dict[str, Any]] = []
    for image in own_images(module, given["image_ids"]):
        before = image.deprecated
        kept = is_so(before, at, bool(given["at"]))
        after = before if kept else at
        changes.append({"image_id": image.snapshot_id, "before": before, "deprecated": after, "changed": not kept})
    for one in changes:
        if not one["changed"] or module.check_mode:
            continue
        doing = f"deprecating {one['image_id']}" if at else f"taking back that {one['image_id']} is deprecated"
        if at:
            how: dict[str, Any] = {"ImageId": one["image_id"], "DeprecateAt": at}
            call(EC2ImageErrorHandler, doing, client.enable_image_deprecation, aws_retry=True, **how)
        else:
            call(EC2ImageErrorHandler, doing, client.disable_image_deprecation, aws_retry=True, ImageId=one["image_id"])
    return {
        "changed": any(one["changed"] for one in changes),
        "images": [{key: value for key, value in one.items() if key != "before"} for one in changes],
        "region": module.region,
        "diff": {
            "before": {one["image_id"]: one["before"] for one in changes},
            "after": {one["image_id"]: one["deprecated"] for one in changes},
        },
    }
