# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machine images of the Region that a module is given."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import describe_images
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._aws.images.choice import Image, ImageRequest


def find_image(module: Any, wanted: ImageRequest) -> Image:
    """The image to launch, by one call. Raises ImageError, and AwsError when AWS refuses."""
    entries: list[dict[str, Any]] = []
    try:
        with aws(f"looking for an image in {module.region}"):
            entries = describe_images(module.client("ec2"), **wanted.request())
    except AwsError as error:
        # What is not there is told like what may not be used.
        if not error.code.startswith("InvalidAMIID"):
            raise
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return wanted.choose(entries, str(module.region), now)
