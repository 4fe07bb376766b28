# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one snapshot of a build on AWS: begun once, and followed by the id that AWS gave.

CreateSnapshot takes no client token, and DescribeSnapshots may not show for minutes what was made. So the volume gets a
tag before the call, and the id behind it as soon as there is one: whoever goes on with the build knows that it was
asked for, and looks for it patiently before it asks again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import (
    EC2SnapshotErrorHandler,
    delete_snapshot,
    describe_snapshots,
    describe_volumes,
)
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import (
    BUILD_ID,
    COPIED_FROM,
    FINGERPRINT,
    from_aws,
    tag_filters,
    to_aws,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs import record
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.making.begun import (
    AGAIN,
    FAIL,
    Begun,
    begun,
    choose,
    meaning,
    tag,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import ERROR, PENDING

POLL = 1.0
# How often AWS is asked for a snapshot in vain, and how often without an answer that says so.
ASKED, UNANSWERED = 8, 3


@dataclass(frozen=True)
class BuildSnapshotRequest:
    """The snapshot of one build.

    name: for messages. resource: the name of the volume. volume_id: None: only what was begun is looked for. tags,
    description: of the snapshot. timeout: seconds until it is to be completed. patience: seconds that AWS may take to
    show what it has made. poll: the most seconds between two looks.
    """

    fingerprint: str
    build_id: str
    name: str
    resource: str
    tags: Mapping[str, str]
    volume_id: str | None = None
    description: str = ""
    timeout: float = 14400
    patience: float = 300
    poll: float = 5


class BuildSnapshot:
    """The snapshot of a build in one Region.

    :param client: EC2's, with retries.
    :param quick: the same without any: a second CreateSnapshot is a second snapshot.
    """

    def __init__(
        self,
        client: Any,
        quick: Any,
        region: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._quick = quick
        self._region = region
        self._sleep = sleep
        self._clock = clock

    def found(self, wanted: BuildSnapshotRequest) -> dict[str, Any]:
        """What this build has begun, if AWS has not given it up; others of the build are deleted. Raises AwsError."""
        volume = self._volume(wanted)
        chosen, deleted = self._tidy(wanted, begun(volume))
        return {"changed": bool(deleted), "snapshot_id": chosen, "snapshot": None}

    def present(self, wanted: BuildSnapshotRequest) -> dict[str, Any]:
        """The snapshot, completed; once more where AWS could not finish the first. Raises AwsError.

        Without a volume id only what was begun is followed.
        """
        for last in (False, True):
            chosen, _deleted = self._tidy(wanted, begun(self._volume(wanted)))
            if not chosen:
                if wanted.volume_id is None:
                    raise AwsError(f"there is no snapshot of the build {wanted.build_id}, and no volume to make one of")
                chosen = self._begin(wanted, wanted.volume_id)
            state, message = self._follow(chosen, wanted)
            if state != ERROR:
                return {"changed": True, "snapshot_id": chosen, "snapshot": self._shown(chosen, wanted)}
            self._delete([chosen])
            self._note(wanted, Begun())
            if last or wanted.volume_id is None:
                break
        raise AwsError(
            f"AWS left the snapshot {chosen} of {wanted.name} in state error{f' ({message})' if message else ''}. "
            "With a key of your own, its policy must let this account use it."
        )

    # Beginning

    def _begin(self, wanted: BuildSnapshotRequest, volume_id: str) -> str:
        """Ask for it until there is an id; every time look for it first where the last answer was lost."""
        doing = f"making a snapshot of {volume_id}"
        problem, unanswered = AwsError(doing), 0
        for number in range(ASKED):
            asked = self._clock()
            self._note(wanted, Begun(asked=asked))
            try:
                made = call(
                    EC2SnapshotErrorHandler,
                    doing,
                    self._quick.create_snapshot,
                    VolumeId=volume_id,
                    Description=wanted.description,
                    TagSpecifications=[{"ResourceType": "snapshot", "Tags": to_aws(wanted.tags)}],
                )
            except AwsError as error:
                what, problem = meaning(error.code), error
                if what == FAIL:
                    self._note(wanted, Begun())
                    raise
                if what == AGAIN:
                    self._sleep(min(POLL * 2**number, wanted.poll))
                    continue
                chosen, unanswered = self._patiently(wanted, asked), unanswered + 1
                if chosen:
                    return chosen
                if unanswered >= UNANSWERED:
                    break
                continue
            snapshot_id = str(made["SnapshotId"])
            self._note(wanted, Begun(snapshot_id, asked))
            return snapshot_id
        raise problem

    def _tidy(self, wanted: BuildSnapshotRequest, known: Begun) -> tuple[str, list[str]]:
        """The id of what was begun, or an empty text, and the ids of others, which are deleted."""
        listed = self._listed(wanted)
        chosen, others = choose(listed, known.snapshot_id)
        if known.snapshot_id and known.snapshot_id not in [one["SnapshotId"] for one in listed]:
            # Not in the list yet, or deleted by somebody: following it tells.
            shown = self._until_shown(known.snapshot_id, known.asked or 0.0, wanted)
            chosen, others = choose([*listed, *([shown] if shown else [])], known.snapshot_id)
        elif not chosen and known.asked is not None and not known.snapshot_id:
            chosen = self._patiently(wanted, known.asked)
        self._delete(others)
        return chosen, others

    def _patiently(self, wanted: BuildSnapshotRequest, asked: float) -> str:
        """The id of a snapshot that may have been made at a moment; empty when it is not shown within the patience."""
        poll = POLL
        while True:
            chosen, _others = choose(self._listed(wanted))
            if chosen:
                self._note(wanted, Begun(chosen, asked))
            if chosen or self._clock() >= asked + wanted.patience:
                return chosen
            self._sleep(poll)
            poll = min(poll * 1.5, wanted.poll)

    # Following

    def _until_shown(self, snapshot_id: str, asked: float, wanted: BuildSnapshotRequest) -> Mapping[str, Any] | None:
        """The snapshot of an id; None when it is not shown within the patience after it was asked for."""
        poll = POLL
        while True:
            shown = self._one(snapshot_id)
            if shown is not None or self._clock() >= asked + wanted.patience:
                return shown
            self._sleep(poll)
            poll = min(poll * 1.5, wanted.poll)

    def _follow(self, snapshot_id: str, wanted: BuildSnapshotRequest) -> tuple[str, str]:
        """The state that it ends in, and why. Raises AwsError when it does not end, or is gone."""
        began, poll, seen = self._clock(), POLL, False
        while True:
            shown = self._one(snapshot_id)
            state = PENDING if shown is None else str(shown.get("State"))
            seen = seen or shown is not None
            if state != PENDING:
                return state, str((shown or {}).get("StateMessage") or "")
            waited = self._clock() - began
            if shown is None and waited >= wanted.patience:
                what = "is not there any more" if seen else f"is not shown by AWS for {waited:.0f} s"
                raise AwsError(f"the snapshot {snapshot_id} {what}. Run again: the build goes on.")
            if waited >= wanted.timeout:
                raise AwsError(
                    f"the snapshot {snapshot_id} is still {state} after {waited:.0f} s. Run again: it is waited for."
                )
            self._sleep(poll)
            poll = min(poll * 1.5, wanted.poll)

    def _shown(self, snapshot_id: str, wanted: BuildSnapshotRequest) -> dict[str, Any]:
        """Its record, as soon as it is in the list where others look for it: they would build it again."""
        began, poll = self._clock(), POLL
        while True:
            _chosen, others = choose(listed := self._listed(wanted), snapshot_id)
            there = [one for one in listed if one["SnapshotId"] == snapshot_id and one.get("State") != PENDING]
            if there:
                self._delete(others)
                return record.parse(there[0], self._region).to_dict()
            if self._clock() - began >= wanted.patience:
                raise AwsError(
                    f"the snapshot {snapshot_id} is completed, and AWS does not list it for {wanted.patience:.0f} s. "
                    "Run again: the build goes on."
                )
            self._sleep(poll)
            poll = min(poll * 1.5, wanted.poll)

    # AWS

    def _listed(self, wanted: BuildSnapshotRequest) -> list[Mapping[str, Any]]:
        filters = tag_filters({FINGERPRINT: wanted.fingerprint, BUILD_ID: wanted.build_id})
        with aws("looking for the snapshots of the build"):
            found = describe_snapshots(self._client, OwnerIds=["self"], Filters=filters)
        # Copies bear the build's tags too.
        return [one for one in _snapshots(found) if COPIED_FROM not in from_aws(one.get("Tags"))]

    def _one(self, snapshot_id: str) -> Mapping[str, Any] | None:
        with aws(f"looking for the snapshot {snapshot_id}"):
            found = describe_snapshots(self._client, SnapshotIds=[snapshot_id])
        return next(iter(_snapshots(found)), None)

    def _volume(self, wanted: BuildSnapshotRequest) -> Mapping[str, Any] | None:
        filters = tag_filters({FINGERPRINT: wanted.fingerprint, BUILD_ID: wanted.build_id, "Name": wanted.resource})
        with aws("looking for the volume of the build"):
            found: Sequence[Mapping[str, Any]] = describe_volumes(self._client, Filters=filters)
        return next((one for one in found if wanted.volume_id in (None, one["VolumeId"])), None)

    def _note(self, wanted: BuildSnapshotRequest, state: Begun) -> None:
        volume_id = wanted.volume_id or str((self._volume(wanted) or {}).get("VolumeId", ""))
        if volume_id:
            parameters = {"Resources": [volume_id], "Tags": to_aws(tag(state))}
            doing = f"tagging the volume {volume_id}"
            call(EC2SnapshotErrorHandler, doing, self._client.create_tags, aws_retry=True, **parameters)

    def _delete(self, ids: Sequence[str]) -> None:
        for one in ids:
            with aws(f"deleting the snapshot {one}"):
                # One that is gone is no error.
                delete_snapshot(self._client, one)


def _snapshots(answer: Any) -> list[Mapping[str, Any]]:
    """Those of an answer of amazon.aws, which is an empty list where an id is not known."""
    return list(answer["Snapshots"]) if answer else []
