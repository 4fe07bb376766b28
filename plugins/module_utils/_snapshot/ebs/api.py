# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of software volumes in one Region: the own account's and others', looked up in one call per thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import check_sdk_version_supported
from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2SnapshotErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleBotocoreError
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs import record
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError

Read = Callable[[Iterable[Any]], tuple[list[Snapshot], list[Refusal]]]


def _scan(client: Any, request: dict[str, Any], read: Read) -> tuple[list[Snapshot], list[Refusal]]:
    snapshots: list[Snapshot] = []
    refused: list[Refusal] = []
    paginator = client.get_paginator("describe_snapshots")
    # One page is in memory at a time, and of each entry what a record needs.
    for page in paginator.paginate(**request, PaginationConfig={"PageSize": record.PAGE_SIZE}):
        found, no_records = read(page["Snapshots"])
        snapshots += found
        refused += no_records
    return snapshots, refused


class EbsSnapshots:
    """Snapshots of the account and Region that a module is given.

    :param module: the module, with amazon.aws's common options.
    :param region: another Region than the module's.
    :ivar client: EC2's there.
    """

    def __init__(self, module: Any, region: str | None = None) -> None:
        try:
            check_sdk_version_supported(warn=module.warn)
        except AnsibleBotocoreError as error:
            raise SnapshotError(f"looking for snapshots on AWS: {error}") from error
        self.region = region or module.region
        self.client = module.client("ec2", region=self.region)

    def scan(self, criteria: Criteria) -> tuple[list[Snapshot], list[Refusal]]:
        """All that may be meant, in AWS's order, and what is no record, with the reason.

        Raises IdentityError for a fingerprint or id that is none, AwsError when AWS refuses.
        """
        return self._ask(record.request(criteria), lambda entries: record.read(entries, self.region))

    def shared(self, criteria: Criteria, accounts: Sequence[str]) -> tuple[list[Snapshot], list[Refusal]]:
        """The same of other accounts, by their Description. Raises as scan()."""
        return self._foreign(record.request_shared(criteria, accounts), criteria, accounts)

    def of_others(self, criteria: Criteria) -> list[Snapshot]:
        """What other accounts share with this one by name, whoever they are: to be seen, not to be used.

        Raises as scan().
        """

        def read(entries: Iterable[Any]) -> tuple[list[Snapshot], list[Refusal]]:
            whole = list(entries)
            owners = [str(entry.get("OwnerId")) for entry in whole if isinstance(entry, dict)]
            return record.read_foreign(whole, self.region, owners, criteria)

        own = {one.snapshot_id for one in self._ask(record.request_shared(criteria, ["self"]), read)[0]}
        # The own ones are among those that the own account can restore.
        restorable = self._ask(record.request_restorable(criteria), read)[0]
        return [one for one in restorable if one.snapshot_id not in own]

    def by_id(
        self, snapshot_ids: Sequence[str], criteria: Criteria, accounts: Sequence[str]
    ) -> tuple[list[Snapshot], list[Refusal]]:
        """Those of some ids that belong to these accounts, whatever their state. Raises as scan()."""
        return self._foreign(record.request_ids(snapshot_ids, accounts), criteria, accounts)

    def _foreign(
        self, request: dict[str, Any], criteria: Criteria, accounts: Sequence[str]
    ) -> tuple[list[Snapshot], list[Refusal]]:
        return self._ask(request, lambda entries: record.read_foreign(entries, self.region, accounts, criteria))

    def _ask(self, request: dict[str, Any], read: Read) -> tuple[list[Snapshot], list[Refusal]]:
        scan = AWSRetry.jittered_backoff()(_scan)
        parameters = {"client": self.client, "request": request, "read": read}
        found: tuple[list[Snapshot], list[Refusal]] = call(
            EC2SnapshotErrorHandler, f"looking for snapshots in {self.region}", scan, **parameters
        )
        return found
