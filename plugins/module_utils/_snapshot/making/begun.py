# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one snapshot of a build: what the volume's tag says of it, which of several it is, and what a refusal means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.ids import SNAPSHOT_ID
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import SNAPSHOT, from_aws, moment, stamp
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import ERROR

# After a refusal: it was surely not made, it may have been made, or it will not be.
AGAIN = "again"
UNKNOWN = "unknown"
FAIL = "fail"
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_AGAIN = frozenset(
    {
        "ConcurrentSnapshotLimitExceeded",
        "PendingSnapshotLimitExceeded",
        "RequestLimitExceeded",
        "SnapshotCreationPerVolumeRateExceeded",
        "Throttling",
        "ThrottlingException",
    }
)
_UNKNOWN = frozenset({"", "InternalError", "InternalFailure", "RequestTimeout", "ServiceUnavailable", "Unavailable"})


@dataclass(frozen=True)
class Begun:
    """What is known of a snapshot that was asked for.

    snapshot_id: as AWS gave it; empty where nobody wrote it down. asked: when CreateSnapshot was last called, seconds
    since 1970; None when it was not.
    """

    snapshot_id: str = ""
    asked: float | None = None


def begun(volume: Mapping[str, Any] | None) -> Begun:
    """What the tag of a volume says, as tag() wrote it. Anything else says nothing."""
    value = from_aws((volume or {}).get("Tags")).get(SNAPSHOT, "")
    snapshot_id, _blank, when = value.partition(" ")
    return Begun(snapshot_id if SNAPSHOT_ID.fullmatch(snapshot_id) else "", moment(when or snapshot_id))


def tag(state: Begun) -> dict[str, str]:
    """The tag that says it.

    >>> tag(Begun("", 0.0)), tag(Begun("snap-0123456789abcdef0", 60.0))
    ({'petal:snapshot': '1970-01-01T00:00:00Z'}, {'petal:snapshot': 'snap-0123456789abcdef0 1970-01-01T00:01:00Z'})
    """
    return {SNAPSHOT: " ".join(filter(None, [state.snapshot_id, "" if state.asked is None else stamp(state.asked)]))}


def meaning(code: str) -> str:
    """What a refusal of CreateSnapshot means, which takes no client token: AGAIN, UNKNOWN or FAIL.

    :param code: AWS's; empty where there was no answer.
    """
    return AGAIN if code in _AGAIN else UNKNOWN if code in _UNKNOWN else FAIL


def choose(listed: Sequence[Mapping[str, Any]], known: str = "") -> tuple[str, list[str]]:
    """The snapshot of a build among those that are listed, and the others, which are to be deleted.

    The one whose id is known, else the first that AWS has not given up; all that it has given up are others.
    """
    good = sorted(
        (one for one in listed if one.get("State") != ERROR),
        key=lambda one: (one["SnapshotId"] != known, str(one.get("StartTime", "")), str(one["SnapshotId"])),
    )
    chosen = str(good[0]["SnapshotId"]) if good else ""
    return chosen, sorted(str(one["SnapshotId"]) for one in listed if one["SnapshotId"] != chosen)
