# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resources of a build on AWS: found, or made once and followed by the id that AWS gave.

What AWS has just made may be missing from its lists for seconds, and up to minutes when it is not well
(https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html). So nothing is made a second time because it
is not listed, and an id that AWS gave is asked for until it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2VolumeErrorHandler
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._aws.making.kinds import (
    FAILED,
    GONE,
    KINDS,
    READY,
    THERE,
    Kind,
    filters_of,
    oldest,
    parameters,
    progress_of,
)

POLL = 2.0
GENERATIONS = 4


class Made:
    """Resources of one kind.

    :param client: EC2's, with retries.
    :param patience: seconds that AWS may take to show what it has made, and to have it ready.
    """

    def __init__(
        self,
        client: Any,
        kind: str,
        patience: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = kind.replace("_", " ")
        self._kind: Kind = KINDS[kind]
        self._patience = patience
        self._sleep = sleep
        self._clock = clock

    def present(
        self,
        filters: Mapping[str, Any],
        given: Mapping[str, Any],
        tags: Mapping[str, Any],
        seed: str,
        check: bool = False,
    ) -> dict[str, Any]:
        """The one that there is, or a new one, ready. Raises AwsError, and PetalError without filters.

        :param filters: that find it, names and values as Describe takes them.
        :param given: parameters of the call that makes it.
        """
        wanted = filters_of(filters)
        found = oldest(self._list(Filters=wanted))
        if found is None and check:
            return {"changed": True, "resource_id": "", "resource": {}}
        if found is not None:
            ready = self._ready(str(found[self._kind.identifier]))
            if ready is not None:
                return self._result(ready, made=False)
        for generation in range(GENERATIONS):
            identifier = self._make(parameters(self._kind, given, tags, seed, generation))
            ready = self._found(wanted) if identifier is None else self._ready(identifier)
            if ready is not None:
                return self._result(ready, made=identifier is not None)
        raise AwsError(
            f"making the {self._name}: AWS does not show what it has made for {self._patience:.0f} s. "
            "Run again: the build goes on."
        )

    def _make(self, wanted: Mapping[str, Any]) -> str | None:
        """The id of a new one; None where AWS has one already."""
        try:
            made = self._call(f"making the {self._name}", self._kind.make, **wanted)
        except AwsError as error:
            if error.code not in THERE:
                raise
            return None
        return str((made[self._kind.within] if self._kind.within else made)[self._kind.identifier])

    def _found(self, wanted: list[dict[str, Any]]) -> Mapping[str, Any] | None:
        """What the filters find within the patience, ready; None when they find nothing."""
        end = self._clock() + self._patience
        while True:
            found = oldest(self._list(Filters=wanted))
            if found is not None:
                return self._ready(str(found[self._kind.identifier]))
            if self._clock() >= end:
                return None
            self._sleep(POLL)

    def _ready(self, identifier: str) -> Mapping[str, Any] | None:
        """The resource when it is ready; None when it is gone, or not shown within the patience. Raises AwsError."""
        end, seen = self._clock() + self._patience, None
        while True:
            seen = next(iter(self._list(**{self._kind.ids: [identifier]})), None)
            state = progress_of(seen)
            if state == READY:
                return seen
            if state == FAILED:
                raise AwsError(f"the {self._name} {identifier} is in the state {(seen or {}).get('State')}")
            if state == GONE:
                return None
            if self._clock() >= end:
                break
            self._sleep(POLL)
        if seen is not None:
            raise AwsError(
                f"the {self._name} {identifier} is still {seen.get('State')} after {self._patience:.0f} s. "
                "Run again: the build goes on."
            )
        return None

    def _list(self, **wanted: Any) -> list[Mapping[str, Any]]:
        """What Describe shows; an id that it does not know is no error."""
        try:
            answer = self._call(f"looking for the {self._name}", self._kind.describe, **wanted)
        except AwsError as error:
            if error.code.endswith(".NotFound"):
                return []
            raise
        found: list[Mapping[str, Any]] = answer[self._kind.found]
        return found

    def _call(self, doing: str, method: str, **wanted: Any) -> Any:
        return call(EC2VolumeErrorHandler, doing, getattr(self._client, method), aws_retry=True, **wanted)

    def _result(self, resource: Mapping[str, Any], *, made: bool) -> dict[str, Any]:
        shown = {
            "availability_zone": str(resource.get("AvailabilityZone", "")),
            "vpc_id": str(resource.get("VpcId", "")),
            "size_gb": resource.get("Size"),
            "snapshot_id": str(resource.get("SnapshotId") or ""),
        }
        return {"changed": made, "resource_id": str(resource[self._kind.identifier]), "resource": shown}
