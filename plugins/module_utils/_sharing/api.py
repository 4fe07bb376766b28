# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may use the snapshots of the own account in one Region: looked at, judged, and changed where it differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import (
    EC2SnapshotErrorHandler,
    describe_snapshot_attribute,
    describe_snapshots,
    modify_snapshot_attribute,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_snapshot_id
from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import select
from ansible_collections.petal.hpc.plugins.module_utils._sharing.accounts import check_accounts, parse_accounts
from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._sharing.kms_api import look_at_key
from ansible_collections.petal.hpc.plugins.module_utils._sharing.plan import (
    PERMISSION,
    PRESENT,
    Permissions,
    Request,
    calls,
    read,
)
from ansible_collections.petal.hpc.plugins.module_utils._sharing.rules import Situation, judge
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, ERROR, PENDING, Snapshot

# Bytes of a list of accounts; an organization's has a few hundred for each.
MOST_BYTES = 16 << 20


class Sharing:
    """The snapshots of a module's account and Region.

    :param module: AnsibleAWSModule. Raises PetalError.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._snapshots = EbsSnapshots(module)
        self._client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff())

    def run(self, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
        """What petal.hpc.snapshot_share does with its parameters. Raises PetalError; nothing is changed then."""
        listed = listed_accounts(params["accounts_file"])
        request = Request(
            state=params["state"],
            accounts=check_accounts(params["accounts"], "accounts"),
            public=params["public"],
            purge=params["purge"],
            unaudited=params["unaudited"],
        )
        if request.state == PRESENT:
            if not request.accounts and not listed and request.public is None:
                raise SharingError("nothing says with whom: give accounts, accounts_file, or public")
            snapshot = self._chosen(params)
            # An organization's list names the own account too.
            others = [account for account in listed if account != snapshot.owner]
            request = replace(request, accounts=tuple(dict.fromkeys([*request.accounts, *others])))
            self._judge(snapshot, request)
            ids, owner = [snapshot.snapshot_id], snapshot.owner
        else:
            request = replace(request, accounts=tuple(dict.fromkeys([*request.accounts, *listed])))
            ids, owner = self._meant(params), None
        changed = self._changed([(one, self._permissions(one)) for one in ids], request, check)
        return {**changed, "owner": owner}

    # Which

    def _chosen(self, params: Mapping[str, Any]) -> Snapshot:
        """The one to share: what a look-up would take."""
        snapshot_id = params["snapshot_id"]
        criteria = _criteria(params)
        snapshots, damaged = self._snapshots.scan(criteria)
        if snapshot_id:
            if snapshots:
                return snapshots[0]
            raise self._not_there(snapshot_id, damaged[0].reason if damaged else "")
        chosen = select(snapshots, criteria, damaged)
        best = chosen.best or (chosen.snapshots[0] if chosen.snapshots else None)
        if best is None:
            raise SharingError(
                f"{chosen.reason} in {self._snapshots.region} that belongs to this account, so there is nothing to "
                "share: build it first (build_volume), or name its Region"
            )
        return best

    def _meant(self, params: Mapping[str, Any]) -> list[str]:
        """Those to take back: every one with the fingerprint, readable or not."""
        snapshot_id = params["snapshot_id"]
        if not snapshot_id:
            snapshots, damaged = self._snapshots.scan(_criteria(params))
            return sorted({*(one.snapshot_id for one in snapshots), *(one.snapshot_id for one in damaged)})
        if self._own(check_snapshot_id(snapshot_id)):
            return [snapshot_id]
        if self._entries(SnapshotIds=[snapshot_id]):
            raise self._not_there(snapshot_id, "")
        return []

    def _own(self, snapshot_id: str) -> bool:
        return bool(self._entries(OwnerIds=["self"], Filters=[{"Name": "snapshot-id", "Values": [snapshot_id]}]))

    def _entries(self, **wanted: Any) -> list[Any]:
        found: Any = None
        with aws(f"looking for the snapshot in {self._snapshots.region}"):
            found = describe_snapshots(self._client, **wanted)
        # Not there is no answer at all, rather than one without entries.
        return list(found["Snapshots"]) if found else []

    def _not_there(self, snapshot_id: str, reason: str) -> SharingError:
        """Why an id cannot be shared, with the way out."""
        if reason:
            return SharingError(f"{snapshot_id}: {reason}")
        region = self._snapshots.region
        if self._own(snapshot_id):
            return SharingError(f"{snapshot_id} is no software volume: it has no tag petal:fingerprint")
        found = self._entries(SnapshotIds=[snapshot_id])
        if found:
            return SharingError(
                f"{snapshot_id} belongs to account {found[0].get('OwnerId')}, and only its owner shares it: ask there, "
                "or copy it (copy_volume) and share the copy"
            )
        return SharingError(f"there is no snapshot {snapshot_id} in {region}: list_volumes shows those that there are")

    # Whether

    def _judge(self, snapshot: Snapshot, request: Request) -> None:
        if not request.gives:
            return
        situation = Situation(
            snapshot,
            request,
            self._key(snapshot) if snapshot.encrypted and request.accounts else None,
            self._product_codes(snapshot.snapshot_id),
            self._block_public_access() if request.public else None,
        )
        against, warnings = judge(situation)
        if against:
            raise SharingError("; ".join(against))
        for warning in warnings:
            self._module.warn(warning)

    def _key(self, snapshot: Snapshot) -> Key:
        if snapshot.kms_key_id is None:
            return Key("of the snapshot", unknown="AWS does not name it")
        return look_at_key(self._module, str(self._snapshots.region), snapshot.kms_key_id, policy=True)

    def _product_codes(self, snapshot_id: str) -> list[str] | None:
        try:
            found = self._attribute(snapshot_id, "productCodes")
        except AwsError:
            return None
        return [str(code.get("ProductCodeId")) for code in found.get("ProductCodes") or []]

    def _block_public_access(self) -> str | None:
        try:
            found = call(
                EC2SnapshotErrorHandler,
                f"looking at block public access in {self._snapshots.region}",
                self._client.get_snapshot_block_public_access_state,
                aws_retry=True,
            )
        except AwsError:
            return None
        return str(found["State"])

    # What

    def _attribute(self, snapshot_id: str, attribute: str) -> dict[str, Any]:
        with aws(f"looking at who may use {snapshot_id}"):
            found = describe_snapshot_attribute(self._client, snapshot_id, attribute)
        return dict(found)

    def _permissions(self, snapshot_id: str) -> Permissions:
        return read(self._attribute(snapshot_id, PERMISSION).get("CreateVolumePermissions") or [])

    def _changed(self, now: list[tuple[str, Permissions]], request: Request, check: bool) -> dict[str, Any]:
        snapshots, changed = [], False
        for snapshot_id, before in now:
            wanted = request.wanted(before)
            todo = calls(before, wanted)
            for change in todo if not check else []:
                with aws(f"changing who may use {snapshot_id}"):
                    modify_snapshot_attribute(
                        self._client, snapshot_id, Attribute=PERMISSION, CreateVolumePermission=change
                    )
            changed = changed or bool(todo)
            snapshots.append({"snapshot_id": snapshot_id, "changed": bool(todo), **wanted.to_dict()})
        return {
            "changed": changed,
            "region": self._snapshots.region,
            "snapshots": snapshots,
            "diff": {
                "before": {snapshot_id: before.to_dict() for snapshot_id, before in now},
                "after": {snapshot_id: request.wanted(before).to_dict() for snapshot_id, before in now},
            },
        }


def _criteria(params: Mapping[str, Any]) -> Criteria:
    ids = (params["snapshot_id"],) if params["snapshot_id"] else ()
    return Criteria(fingerprint=params["fingerprint"], snapshot_ids=ids, states=(PENDING, COMPLETED, ERROR))


def listed_accounts(path: str | None) -> tuple[str, ...]:
    """The accounts of a file on the controller. Raises SharingError."""
    if not path:
        return ()
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise SharingError(f"accounts_file {path} cannot be read: {error}") from error
    if len(text) > MOST_BYTES:
        raise SharingError(f"accounts_file {path} is longer than {MOST_BYTES >> 20} MiB: that is no list of accounts")
    return parse_accounts(text, path)
