# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With whom own snapshots are shared, and what other accounts share with this one; nothing of that is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import describe_snapshot_attribute
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._sharing.plan import PERMISSION, read
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

# Own snapshots about which AWS is asked one by one, the newest first; and snapshots of others that are listed.
ASKED_LIMIT = 500
OTHERS_LIMIT = 500
SHARED = "shared"


def with_whom(module: Any, snapshots: Sequence[Snapshot], criteria: Criteria) -> dict[str, Any]:
    """What snapshot_info does with ``shared``. Raises PetalError.

    :param module: AnsibleAWSModule.
    :param snapshots: the own ones.
    :return: ``with`` (accounts and public by snapshot id), ``others`` (records), ``left_out`` (how many were not asked
        about or are not listed).
    """
    client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff())
    asked = newest_first(list(snapshots))[:ASKED_LIMIT]
    told: dict[str, Any] = {}
    for snapshot in asked:
        try:
            with aws(f"looking at who may use {snapshot.snapshot_id}"):
                found = describe_snapshot_attribute(client, snapshot.snapshot_id, PERMISSION)
        except AwsError as error:
            # Deleted since it was listed.
            if error.code != "InvalidSnapshot.NotFound":
                raise
            continue
        told[snapshot.snapshot_id] = read((found or {}).get("CreateVolumePermissions") or []).to_dict()
    others = newest_first(EbsSnapshots(module).of_others(criteria))
    return {
        "with": told,
        "others": [replace(one, source=SHARED).to_dict() for one in others[:OTHERS_LIMIT]],
        "left_out": len(snapshots) - len(asked) + len(others[OTHERS_LIMIT:]),
    }
