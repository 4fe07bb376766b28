# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask EC2 for instance types that the table in the tree doubts, on the controller."""

from __future__ import annotations

import functools

#: Seconds. Where nobody can be asked, it is said soon.
TIMEOUT = 5


@functools.cache
def sold(region: str, names: frozenset[str]) -> frozenset[str] | None:
    """Those of the instance types that EC2 has in a Region; None where it cannot be asked, as without credentials."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return None
    config = Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 2})
    try:
        client = boto3.client("ec2", region_name=region, config=config)
        # By filter: a name that is none would make the whole call fail.
        wanted = [{"Name": "instance-type", "Values": sorted(names)}]
        pages = client.get_paginator("describe_instance_types").paginate(Filters=wanted)
        return frozenset(entry["InstanceType"] for page in pages for entry in page["InstanceTypes"]) & names
    except (BotoCoreError, ClientError, ValueError):
        # ValueError: of an address in the user's settings that is none.
        return None
