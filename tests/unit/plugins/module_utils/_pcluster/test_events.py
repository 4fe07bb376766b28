# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events as CloudFormation's API reference shapes them, in ParallelCluster's and in boto3's spelling."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._pcluster.events import Event, cause, last_run, progress

STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/bio-cluster/0afec407-4962-4433-a7b7-8b61c7c487ff"
NESTED = "arn:aws:cloudformation:us-east-1:111122223333:stack/bio-cluster-Fleet-1X/5f2c1d3e-4962-4433-a7b7-8b61c7c487ff"
WAIT = "AWS::CloudFormation::WaitCondition"


def event(second: int, resource: str, status: str, reason: str = "", kind: str = "AWS::EC2::Instance") -> Event:
    """One of a resource."""
    given = {
        "eventId": f"{resource}-{status}-{second}",
        "stackId": STACK,
        "stackName": "bio-cluster",
        "logicalResourceId": resource,
        "physicalResourceId": NESTED if kind == "AWS::CloudFormation::Stack" else f"{resource}-1",
        "resourceType": kind,
        "resourceStatus": status,
        "timestamp": f"2026-11-22T08:00:{second:02}.000Z",
    }
    return Event.parse({**given, "resourceStatusReason": reason} if reason else given)


def of_stack(second: int, status: str, reason: str = "") -> Event:
    """One of the stack itself."""
    found = event(second, "bio-cluster", status, reason, "AWS::CloudFormation::Stack")
    return Event(**{**found.to_dict(), "physical_id": STACK})


CREATED = [
    of_stack(0, "CREATE_IN_PROGRESS", "User Initiated"),
    event(1, "HeadNodeEni", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
    event(2, "HeadNodeEni", "CREATE_COMPLETE"),
    event(3, "HeadNode", "CREATE_IN_PROGRESS"),
    event(4, "HeadNode", "CREATE_COMPLETE"),
    event(5, "HeadNodeWaitCondition", "CREATE_IN_PROGRESS", kind=WAIT),
]
FAILED = [
    *CREATED,
    event(6, "Fleet", "CREATE_IN_PROGRESS"),
    event(7, "Fleet", "CREATE_FAILED", "Resource creation cancelled"),
    event(8, "HeadNodeWaitCondition", "CREATE_FAILED", "Failed to execute\n OnNodeConfigured script", WAIT),
    of_stack(9, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [HeadNodeWaitCondition, Fleet]."),
    event(10, "HeadNodeEni", "DELETE_IN_PROGRESS"),
    event(11, "HeadNodeEni", "DELETE_FAILED", "Network interface is currently in use."),
    of_stack(12, "ROLLBACK_FAILED", "The following resource(s) failed to delete: [HeadNodeEni]."),
]


def test_both_spellings_are_the_same_event() -> None:
    boto3: dict[str, Any] = {
        "StackId": STACK,
        "EventId": "7f1d",
        "StackName": "bio-cluster",
        "LogicalResourceId": "HeadNode",
        "PhysicalResourceId": "HeadNode-1",
        "ResourceType": "AWS::EC2::Instance",
        "Timestamp": datetime(2026, 11, 22, 8, 0, 4, tzinfo=timezone.utc),
        "ResourceStatus": "CREATE_COMPLETE",
    }
    found = Event.parse(boto3)
    assert found.time == "2026-11-22T08:00:04+00:00"
    assert {**found.to_dict(), "time": ""} == {**event(4, "HeadNode", "CREATE_COMPLETE").to_dict(), "time": ""}
    assert Event.parse({}).resource == ""


def test_the_first_failure_is_the_cause_and_not_what_came_of_it() -> None:
    found = cause(FAILED)
    assert str(found) == (
        "HeadNodeWaitCondition (AWS::CloudFormation::WaitCondition) CREATE_FAILED: "
        "Failed to execute OnNodeConfigured script"
    )
    assert cause(CREATED) is None
    assert cause([]) is None


def test_without_a_failed_resource_the_stack_says_why() -> None:
    run = [of_stack(0, "UPDATE_IN_PROGRESS"), of_stack(1, "UPDATE_ROLLBACK_IN_PROGRESS", "Stop requested by user.")]
    assert str(cause(run)).endswith("UPDATE_ROLLBACK_IN_PROGRESS: Stop requested by user.")


def test_a_nested_stack_is_followed_and_the_stack_itself_is_not() -> None:
    nested = event(3, "Fleet", "CREATE_FAILED", "Embedded stack was not created", "AWS::CloudFormation::Stack")
    assert nested.nested == NESTED
    assert cause([*CREATED, nested]) == nested
    assert [one.nested for one in (CREATED[0], CREATED[1])] == ["", ""]


def test_only_the_last_request_counts_and_no_older_pages_are_asked_for() -> None:
    update = [
        of_stack(20, "UPDATE_IN_PROGRESS", "User Initiated"),
        event(21, "Table", "UPDATE_COMPLETE"),
        of_stack(22, "UPDATE_COMPLETE"),
    ]
    taken = []

    def pages() -> Iterator[Event]:
        for one in reversed([*FAILED, *update]):
            taken.append(one)
            yield one

    assert last_run(pages()) == update
    assert len(taken) == len(update)
    assert cause(update) is None


def test_progress() -> None:
    assert progress(CREATED, 5) == {"done": 2, "total": 5, "item": "HeadNodeWaitCondition"}
    # An update: what it touches is known when it is touched.
    assert progress(CREATED) == {"done": 2, "total": 3, "item": "HeadNodeWaitCondition"}
    assert progress(CREATED[:1], 5) == {"done": 0, "total": 5, "item": ""}
    assert progress(CREATED[:5]) == {"done": 2, "total": 2, "item": "HeadNode"}
    # A resource that is replaced counts by its newest state.
    assert progress([*CREATED[:3], event(6, "HeadNodeEni", "DELETE_IN_PROGRESS")])["done"] == 0
