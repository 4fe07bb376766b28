# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The own account's snapshots of software volumes, looked up in one call per thousand."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import check_sdk_version_supported
from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2SnapshotErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleBotocoreError
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection.api import call
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs import record
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.select import Criteria, Refusal


def _scan(client: Any, region: str | None, request: dict[str, Any]) -> tuple[list[Snapshot], list[Refusal]]:
    snapshots: list[Snapshot] = []
    refused: list[Refusal] = []
    paginator = client.get_paginator("describe_snapshots")
    # One page is in memory at a time, and of each entry what a record needs.
    for page in paginator.paginate(**request, PaginationConfig={"PageSize": record.PAGE_SIZE}):
        found, no_records = record.read(page["Snapshots"], region)
        snapshots += found
        refused += no_records
    return snapshots, refused


class EbsSnapshots:
    """Snapshots of the account and Region that a module is given.

    :param module: the module, with amazon.aws's common options.
    """

    def __init__(self, module: Any) -> None:
        try:
            check_sdk_version_supported(warn=module.warn)
        except AnsibleBotocoreError as error:
            raise SnapshotError(f"looking for snapshots on AWS: {error}") from error
        self._region = module.region
        self._client = module.client("ec2")

    def scan(self, criteria: Criteria) -> tuple[list[Snapshot], list[Refusal]]:
        """All that may be meant, in AWS's order, and what is no record, with the reason.

        Raises SnapshotError for a fingerprint or id that is none, AwsError when AWS refuses.
        """
        wanted = record.request(criteria)
        scan = AWSRetry.jittered_backoff()(_scan)
        parameters = {"client": self._client, "region": self._region, "request": wanted}
        found: tuple[list[Snapshot], list[Refusal]] = call(
            EC2SnapshotErrorHandler, f"looking for snapshots in {self._region}", scan, **parameters
        )
        return found
