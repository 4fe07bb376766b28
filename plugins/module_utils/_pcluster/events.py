# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events of a cluster's stack say: how far it is, and why it failed.

CloudFormation's API reference, StackEvent: newest first, one for each change of a resource's state; those of the stack
itself have its id as the physical id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

STACK = "AWS::CloudFormation::Stack"
STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")


@dataclass(frozen=True)
class Event:
    """One event. ``time`` is ISO 8601; texts are empty where AWS gives none."""

    time: str
    resource: str
    resource_type: str
    status: str
    reason: str
    physical_id: str
    stack_id: str

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Event:
        """From an event as ParallelCluster's library (``resourceStatus``) or boto3 (``ResourceStatus``) gives it."""
        plain = {key[:1].lower() + key[1:]: value for key, value in given.items()}
        time = plain.get("timestamp") or ""
        return cls(
            time=time.isoformat() if hasattr(time, "isoformat") else str(time),
            resource=str(plain.get("logicalResourceId") or ""),
            resource_type=str(plain.get("resourceType") or ""),
            status=str(plain.get("resourceStatus") or ""),
            reason=" ".join(str(plain.get("resourceStatusReason") or "").split()),
            physical_id=str(plain.get("physicalResourceId") or ""),
            stack_id=str(plain.get("stackId") or ""),
        )

    @property
    def of_stack(self) -> bool:
        """Whether it is about the stack itself, not about one of its resources."""
        return self.resource_type == STACK and self.physical_id == self.stack_id

    @property
    def begins(self) -> bool:
        """Whether somebody's request began with it: what came before belongs to an earlier one."""
        return self.of_stack and self.status in STARTS

    @property
    def nested(self) -> str:
        """Id of the nested stack that it is about, whose own events say more; empty where it is about none."""
        return self.physical_id if self.resource_type == STACK and not self.of_stack else ""

    def __str__(self) -> str:
        return f"{self.resource} ({self.resource_type}) {self.status}{f': {self.reason}' if self.reason else ''}"

    def to_dict(self) -> dict[str, str]:
        """Plain types, for the structure that a task returns."""
        return asdict(self)


def last_run(newest_first: Iterable[Event]) -> list[Event]:
    """The events of the last creation, update or deletion, oldest first.

    Takes no more events than it needs, so that it may be given pages that are still to be asked for.
    """
    found: list[Event] = []
    for event in newest_first:
        found.append(event)
        if event.begins:
            break
    return found[::-1]


def cause(run: Sequence[Event]) -> Event | None:
    """The first thing that failed. What AWS gave up because of it, and the undoing, come later and say nothing.

    :param run: as last_run gives it.
    """
    failed = [event for event in run if event.status.endswith("_FAILED") and "cancelled" not in event.reason.lower()]
    of_resources = [event for event in failed if not event.of_stack]
    said = [event for event in run if event.of_stack and "ROLLBACK" in event.status and event.reason]
    return next(iter([*of_resources, *failed, *said]), None)


def progress(run: Sequence[Event], expected: int = 0) -> dict[str, Any]:
    """How many resources are done, of how many, and what is being done: ``{done, total, item}``.

    :param expected: how many there will be, where known: an update touches some only, and is not known before.
    """
    last: dict[str, Event] = {}
    for event in run:
        if not event.of_stack:
            last.pop(event.resource, None)
            last[event.resource] = event
    done = sum(event.status.endswith(("_COMPLETE", "_SKIPPED")) for event in last.values())
    under_way = [event for event in last.values() if event.status.endswith("_IN_PROGRESS")]
    shown = under_way or list(last.values())
    return {"done": done, "total": max(expected, len(last)), "item": shown[-1].resource if shown else ""}
