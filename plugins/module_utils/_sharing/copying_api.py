# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of a snapshot in several Regions at once: begun, waited for, and taken up again after whatever happened.

CopySnapshot has no client token. What keeps it to one copy is the look before each attempt, a client that does not
repeat a call by itself, and another look after it: of two copies that are not finished, the later one goes. How images
differ from snapshots is in image_copying_api.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2SnapshotErrorHandler, delete_snapshot
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, call, ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_snapshot_id
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import stamp
from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import select
from ansible_collections.petal.hpc.plugins.module_utils._lookup.sources import check_accounts
from ansible_collections.petal.hpc.plugins.module_utils._sharing.copies import (
    COPY,
    WAIT,
    Decision,
    Original,
    Outcome,
    Target,
    check_regions,
    decide,
    difference,
    progress,
)
from ansible_collections.petal.hpc.plugins.module_utils._sharing.kms_api import look_at_key
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, ERROR, PENDING, Snapshot

STATES = (PENDING, COMPLETED, ERROR)
# A copy that fails is made once more: what was wrong may have gone, and is not made again for ever.
ATTEMPTS = 2
KEY_HINT = "A copy fails like this when its KMS key cannot be used: check kms_key_id and the key's policy"


class Copies:
    """One snapshot, and the Regions that are to have it.

    :param module: AnsibleAWSModule with the options of petal.hpc.snapshot_copy.
    """

    THING, LIST = "snapshot", "list_volumes"

    def __init__(self, module: Any) -> None:
        self._module = module
        self._params: Mapping[str, Any] = module.params
        self._deadline = time.monotonic() + self._params["wait_timeout"]
        self._snapshots = self._store()

    def _store(self) -> Any:
        return EbsSnapshots(self._module, self._params["source_region"])

    def _original(self, found: Any, region: str, own: bool) -> Original:
        return Original(found, region, own)

    def _worker(self, source: Original, target: Target) -> RegionOf:
        return RegionOf(self._module, source, target)

    def run(self) -> dict[str, Any]:
        """What petal.hpc.snapshot_copy does. Raises PetalError; what has been begun then goes on by itself."""
        known = self._regions()
        regions = check_regions(self._params["regions"], known)
        source = self._source()
        targets = self._targets(regions)
        against = [*source.objections(), *filter(None, (target.objection() for target in targets))]
        if against:
            raise SharingError("; ".join(against))
        workers = [self._worker(source, target) for target in targets]
        before = {worker.region: worker.look() for worker in workers}
        if self._module.check_mode:
            return self._result(source, [worker.foretold() for worker in workers], before)
        for worker in workers:
            worker.guarded(worker.settle)
        for worker in workers:
            worker.guarded(worker.settle_duplicates)
        if self._params["wait"]:
            self._wait(workers)
        outcomes = [worker.outcome for worker in workers]
        problems = [f"{one.region}: {one.problem}" for one in outcomes if one.problem]
        if problems:
            fine = [one for one in outcomes if not one.problem]
            under_way = [one.region for one in fine if one.snapshot is not None and one.snapshot.state == PENDING]
            well = [one.region for one in fine if one.region not in under_way]
            rest = f". {', '.join(well)}: all is well there" if well else ""
            rest += f". {', '.join(under_way)}: the copy is under way there" if under_way else ""
            raise SharingError("; ".join(problems) + f"{rest}. Run again: what was begun is gone on with")
        return self._result(source, outcomes, before)

    def _wait(self, workers: Sequence[RegionOf]) -> None:
        # All have begun, so that waiting for one after the other takes as long as the slowest.
        for attempt in range(ATTEMPTS):
            for worker in workers:
                worker.guarded(partial(worker.wait, self._deadline, self._params["poll_interval"]))
            failed = [worker for worker in workers if worker.failed]
            if not failed or attempt == ATTEMPTS - 1:
                break
            for worker in failed:
                worker.guarded(worker.settle)
        for worker in workers:
            worker.conclude()

    # What to copy

    def _source(self) -> Original:
        params = self._params
        region = str(self._snapshots.region)
        owners = check_accounts(params["owners"], "owners")
        system = {"os": params["os"], "architecture": params["architecture"]}
        criteria = Criteria(params["fingerprint"], snapshot_ids=self._ids(), states=STATES, **system)
        # Without a fingerprint nobody tells the system of another account's snapshot.
        foreign = criteria if criteria.fingerprint else replace(criteria, os=None, architecture=None)
        damaged: list[Refusal] = []
        for own in (True, False):
            if not own and not owners:
                continue
            asked = criteria if own else foreign
            found, refused = self._snapshots.scan(asked) if own else self._snapshots.shared(asked, owners)
            chosen = select(found, asked, refused)
            best = chosen.best or (chosen.snapshots[0] if chosen.snapshots else None)
            if best is not None:
                return self._original(best, region, own)
            damaged += chosen.passed_over
        why = "; ".join(f"{one.snapshot_id}: {one.reason}" for one in damaged)
        where = f"this account{' and ' + ', '.join(owners) if owners else ''}, in {region}"
        raise SharingError(
            f"there is no {self.THING} to copy that matches {criteria} of {where}{f' ({why})' if why else ''}: "
            f"{self.LIST} shows what there is; somebody else's is copied when its owner is named in owners"
        )

    def _ids(self) -> tuple[str, ...]:
        snapshot_id = self._params["snapshot_id"]
        return (check_snapshot_id(snapshot_id),) if snapshot_id else ()

    def _regions(self) -> list[str]:
        """The Regions that the account can use; none where that may not be asked."""
        describe = AWSRetry.jittered_backoff()(self._snapshots.client.describe_regions)
        try:
            found = call(EC2SnapshotErrorHandler, "looking at the Regions", describe)
        except AwsError:
            return []
        return sorted(str(region["RegionName"]) for region in found["Regions"])

    def _targets(self, regions: Sequence[str]) -> list[Target]:
        keys, everywhere = self._params["kms_key_ids"], self._params["kms_key_id"]
        foreign = sorted(set(keys) - set(regions))
        if foreign:
            raise SharingError(f"kms_key_ids names {', '.join(foreign)}, which is not among the regions")
        return [self._target(region, keys.get(region) or everywhere or None) for region in regions]

    def _target(self, region: str, key: str | None) -> Target:
        plain = Target(region, key, None, self._params["encrypted"])
        if key is None or plain.objection():
            return plain
        found = look_at_key(self._module, region, key)
        if found.unknown:
            self._module.warn(f"whether the key {key} can be used in {region} could not be looked at: {found.unknown}")
        return Target(region, key, found, self._params["encrypted"])

    def _result(self, source: Original, outcomes: Sequence[Outcome], before: Mapping[str, Decision]) -> dict[str, Any]:
        there = {region: one.snapshot.snapshot_id if one.snapshot else None for region, one in before.items()}
        return {
            "changed": any(outcome.changed for outcome in outcomes),
            "source": source.snapshot.to_dict(),
            "copies": [outcome.to_dict() for outcome in outcomes],
            "progress": progress(outcomes),
            "diff": difference(outcomes, there),
        }


class RegionOf:
    """One Region: looked at, and brought to having its copy."""

    def __init__(self, module: Any, source: Original, target: Target) -> None:
        self.region = target.region
        self.outcome = Outcome(target.region)
        self._source = source
        self._target = target
        self._module = module
        self._snapshots = self._store()
        self._begun: tuple[str, str] | None = None

    # What differs from one kind of thing to another

    WAITER, MISSING, IDS = "snapshot_completed", "InvalidSnapshot.NotFound", "SnapshotIds"
    #: Answers to the call that makes one after which it is looked again, beside those that AWS says to repeat.
    AGAIN: tuple[str, ...] = ()

    def _store(self) -> Any:
        return EbsSnapshots(self._module, self.region)

    def _delete(self, snapshot_id: str) -> None:
        with aws(f"deleting {snapshot_id} in {self.region}"):
            delete_snapshot(self._snapshots.client, snapshot_id)

    def _copied(self, client: Any) -> str:
        """Ask for one; its id."""
        return str(client.copy_snapshot(**self._source.parameters(self._target))["SnapshotId"])

    def _describe(self) -> Callable[..., Any]:
        found: Callable[..., Any] = self._snapshots.client.describe_snapshots
        return found

    # What does not

    def look(self) -> Decision:
        """What there is, and what it needs. Raises AwsError."""
        snapshots, _damaged = self._snapshots.scan(Criteria(self._source.snapshot.fingerprint, states=STATES))
        if self._begun and self._begun[0] not in [one.snapshot_id for one in snapshots]:
            snapshots = [*snapshots, self._source.begun(self._begun[0], self._target, self._begun[1])]
        decision = decide(self._source, self._target, snapshots)
        self.outcome.snapshot, self.outcome.reason = decision.snapshot, decision.reason
        return decision

    def foretold(self) -> Outcome:
        """What would come of it."""
        decision = self.look()
        self.outcome.begun, self.outcome.deleted = decision.action == COPY, list(decision.delete)
        return self.outcome

    def guarded(self, step: Callable[[], Any]) -> None:
        """One step; what goes wrong in one Region does not keep the others from theirs."""
        if self.outcome.problem:
            return
        try:
            step()
        except AwsError as error:
            self.outcome.problem = str(error).rstrip(".")

    def settle(self) -> Decision:
        """Delete what failed and what is one too many, and begin a copy where there is none."""
        decision = self.look()
        for snapshot_id in decision.delete:
            self._delete(snapshot_id)
            self.outcome.deleted.append(snapshot_id)
            if self._begun and self._begun[0] == snapshot_id:
                self._begun = None
        if decision.action != COPY:
            return decision
        # The client's own retries would make second copies: an HTTP 500 may answer a call that was carried out. So each
        # attempt here looks first, and not at once, as what was begun shows a little later.
        client = ec2_client(self._module, self.region, retries={"total_max_attempts": 1})
        backoff = AWSRetry.exponential_backoff(delay=2, max_delay=30, catch_extra_error_codes=self.AGAIN)
        begin = backoff(self._begin)
        doing = f"copying {self._source.snapshot.snapshot_id} to {self.region}"
        call(EC2SnapshotErrorHandler, doing, begin, client=client)
        return self.look()

    def settle_duplicates(self) -> None:
        """Look again where a copy was begun: somebody may have begun another at the same moment."""
        if self.outcome.begun:
            self.settle()

    def _begin(self, client: Any) -> None:
        if self.look().action != COPY:
            return
        self.outcome.begun = True
        self._begun = (self._copied(client), stamp(time.time()))

    def wait(self, deadline: float, interval: int) -> None:
        """Until the copy has ended well or not. Raises AwsError when the time is up."""
        snapshot = self.outcome.snapshot
        if snapshot is None or snapshot.state != PENDING:
            return
        left = max(0.0, deadline - time.monotonic())
        doing = f"waiting until the copy {snapshot.snapshot_id} is completed"
        waiter = self._snapshots.client.get_waiter(self.WAITER)
        config = {"Delay": interval, "MaxAttempts": max(1, int(left // interval))}
        try:
            self._shown(snapshot.snapshot_id)
            asked = {self.IDS: [snapshot.snapshot_id], "WaiterConfig": config}
            call(EC2SnapshotErrorHandler, doing, waiter.wait, **asked)
        except AwsError:
            # Failed, deleted as one too many, or only late: what there is now tells.
            now = self.look()
            if now.action == WAIT and now.snapshot and now.snapshot.snapshot_id != snapshot.snapshot_id:
                self.wait(deadline, interval)
            elif now.action == WAIT:
                raise
        else:
            self.look()

    def _shown(self, snapshot_id: str) -> None:
        """Until AWS shows what it has begun: the waiter takes what is not there for an error."""
        if self._begun and self._begun[0] == snapshot_id:
            patient = AWSRetry.jittered_backoff(retries=6, delay=1, catch_extra_error_codes=[self.MISSING])
            asked = {self.IDS: [snapshot_id]}
            call(EC2SnapshotErrorHandler, f"looking at the copy {snapshot_id}", patient(self._describe()), **asked)

    @property
    def failed(self) -> bool:
        """Whether there is no copy after all."""
        return not self.outcome.problem and (self.outcome.snapshot is None or self.outcome.snapshot.state == ERROR)

    def conclude(self) -> None:
        """Say why there is no copy, where there is none."""
        if self.failed:
            self.outcome.problem = f"its copy failed{self._said()}. {KEY_HINT}"

    def _said(self) -> str:
        snapshots: list[Snapshot] = []
        self.guarded(lambda: snapshots.extend(self._failures()))
        return f": {snapshots[-1].message}" if snapshots and snapshots[-1].message else ""

    def _failures(self) -> list[Snapshot]:
        found, _damaged = self._snapshots.scan(Criteria(self._source.snapshot.fingerprint, states=(ERROR,)))
        return sorted(found, key=lambda one: one.created)
