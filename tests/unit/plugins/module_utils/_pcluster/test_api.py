# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done about a cluster in each of its states, with a library that answers from a list."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.api import Cluster, How, RefusedError

CONFIG = {"Region": "us-east-1", "Image": {"Os": "alinux2023"}}
STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/x/0afec407"
NESTED = "arn:aws:cloudformation:us-east-1:111122223333:stack/x-fleet/5f2c1d3e"


def described(status: str, stack: str = "") -> dict[str, Any]:
    """A cluster in a state."""
    return {
        "clusterName": "x",
        "clusterStatus": status,
        "cloudFormationStackStatus": stack or status,
        "cloudformationStackArn": STACK,
        "clusterConfiguration": {"url": "NOT_AVAILABLE"},
    }


def refused(code: int, **answer: Any) -> RefusedError:
    """ParallelCluster's no."""
    return RefusedError("x", code, {"message": "no", **answer})


GONE = refused(404)


class Library:
    """Answers each operation with the next of its list, the last one again and again."""

    def __init__(self, ends: bool = True, **given: list[Any]) -> None:
        self.given = given
        self.asked: list[str] = []
        self.ends = ends
        self.nested: list[dict[str, Any]] = []

    def ask(self, operation: str, name: str, level: str = "ERROR", **_arguments: Any) -> dict[str, Any]:
        assert (name, level) == ("x", "ERROR")
        self.asked.append(operation)
        answers = self.given[operation]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer

    def read(self, text: str) -> Any:
        return yaml.safe_load(text)

    def write(self, config: Any) -> str:
        return yaml.safe_dump(config)

    def wait(self, stack_id: str, _timeout: int) -> bool:
        assert stack_id == STACK
        self.asked.append("wait")
        return self.ends

    def stacks(self) -> Any:
        return self

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **wanted: str) -> list[dict[str, Any]]:
        assert wanted == {"StackName": NESTED}
        return [{"StackEvents": self.nested}]

    def get_template(self, **_wanted: str) -> dict[str, Any]:
        return {"TemplateBody": yaml.safe_dump({"Resources": {key: {"Type": "T"} for key in "abcd"}})}


def event(resource: str, status: str, reason: str = "", kind: str = "T", physical: str = "p") -> dict[str, Any]:
    """One of ParallelCluster's."""
    return {
        "logicalResourceId": resource,
        "resourceStatus": status,
        "resourceStatusReason": reason,
        "resourceType": kind,
        "physicalResourceId": physical,
        "stackId": STACK,
    }


BEGUN = event("x", "CREATE_IN_PROGRESS", kind="AWS::CloudFormation::Stack", physical=STACK)
FAILED = {"events": [event("b", "CREATE_FAILED", "out of luck"), event("a", "CREATE_COMPLETE"), BEGUN]}


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Node.js is there."""
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/node")


def cluster_of(library: Any) -> Cluster:
    """What is tested; its library is not the real one."""
    return Cluster(library, "x")


def present(library: Any, how: How | None = None) -> dict[str, Any]:
    return cluster_of(library).present(CONFIG, how or How())


def test_it_is_created_and_waited_for() -> None:
    begun = {"cluster": described("CREATE_IN_PROGRESS")}
    library = Library(describe_cluster=[GONE, described("CREATE_IN_PROGRESS"), described("CREATE_COMPLETE")])
    library.given["create_cluster"] = [begun]
    found = present(library)
    assert (found["changed"], found["cluster"]["status"]) == (True, "CREATE_COMPLETE")
    assert yaml.safe_load(found["diff"]["after"]) == CONFIG
    assert "wait" in library.asked


def test_a_dry_run_makes_nothing() -> None:
    accepted = refused(412, validationMessages=[{"level": "WARNING", "type": "V", "message": "hm"}])
    library = Library(describe_cluster=[GONE], create_cluster=[accepted])
    found = present(library, How(dry=True))
    assert (found["changed"], found["cluster"]) == (True, None)
    assert found["messages"] == [{"level": "WARNING", "type": "V", "message": "hm"}]
    assert library.asked == ["describe_cluster", "create_cluster"]
    with pytest.raises(RefusedError, match="Cluster x: no"):
        present(Library(describe_cluster=[GONE], create_cluster=[refused(400)]), How(dry=True))
    # Outside of a dry run, 412 is no consent.
    with pytest.raises(RefusedError):
        present(Library(describe_cluster=[GONE], create_cluster=[refused(412)]))


def test_what_parallelcluster_takes_for_the_same_is_unchanged() -> None:
    same = refused(400, message="Bad Request: No changes found in your cluster configuration.")
    library = Library(describe_cluster=[described("UPDATE_COMPLETE")], update_cluster=[same])
    assert present(library)["changed"] is False


def test_one_that_another_run_makes_is_waited_for() -> None:
    same = refused(400, message="Bad Request: No changes found in your cluster configuration.")
    seen = [described("CREATE_IN_PROGRESS"), described("CREATE_COMPLETE")]
    library = Library(describe_cluster=seen, update_cluster=[same])
    assert present(library)["changed"] is False
    assert library.asked[:3] == ["describe_cluster", "wait", "describe_cluster"]
    with pytest.raises(PetalError, match="cannot be updated now"):
        present(Library(describe_cluster=[described("UPDATE_IN_PROGRESS")]), How(wait=False))


def test_a_failed_creation_is_not_mended() -> None:
    library = Library(describe_cluster=[described("CREATE_FAILED", "ROLLBACK_COMPLETE")])
    library.given["get_cluster_stack_events"] = [FAILED]
    with pytest.raises(PetalError, match=r"it is CREATE_FAILED\. b \(T\) CREATE_FAILED: out of luck .*state: absent"):
        present(library)


def test_the_cause_is_looked_for_in_nested_stacks() -> None:
    fleet = event("Fleet", "CREATE_FAILED", "Embedded stack failed", "AWS::CloudFormation::Stack", NESTED)
    library = Library(get_cluster_stack_events=[{"events": [fleet, BEGUN]}])
    library.nested = [{"LogicalResourceId": "Queue1", "ResourceType": "T", "ResourceStatus": "CREATE_FAILED"}]
    cluster = cluster_of(library)
    assert cluster.cause(cluster.events()) == "Queue1 (T) CREATE_FAILED"
    library.nested = []
    assert cluster.cause(cluster.events()).startswith("Fleet (AWS::CloudFormation::Stack) CREATE_FAILED: Embedded")


def test_the_time_is_over() -> None:
    library = Library(ends=False, describe_cluster=[GONE, described("CREATE_IN_PROGRESS")])
    library.given["create_cluster"] = [{"cluster": described("CREATE_IN_PROGRESS")}]
    library.given["get_cluster_stack_events"] = [{"events": [event("a", "CREATE_COMPLETE"), BEGUN]}]
    with pytest.raises(PetalError, match="after 7 s, 1 of 4 resources are done"):
        present(library, How(timeout=7))


def test_without_nodejs_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(PetalError, match="no node in the PATH: install it"):
        present(Library(describe_cluster=[GONE]))


def absent(library: Any, how: How | None = None) -> dict[str, Any]:
    return cluster_of(library).absent(how or How())


def test_deletion() -> None:
    assert absent(Library(describe_cluster=[GONE]))["changed"] is False
    library = Library(describe_cluster=[described("CREATE_COMPLETE")])
    assert absent(library, How(dry=True))["changed"] is True
    assert library.asked == ["describe_cluster"]
    # Gone before the library has looked at it once more.
    library = Library(describe_cluster=[described("CREATE_COMPLETE"), GONE], delete_cluster=[GONE])
    assert absent(library)["changed"] is True
    # Somebody else's deletion.
    library = Library(describe_cluster=[described("DELETE_IN_PROGRESS"), GONE])
    assert absent(library)["changed"] is False
    library = Library(describe_cluster=[described("CREATE_COMPLETE"), described("DELETE_FAILED")], delete_cluster=[{}])
    library.given["get_cluster_stack_events"] = [{"events": [event("b", "DELETE_FAILED", "in use"), BEGUN]}]
    with pytest.raises(PetalError, match=r"it was not deleted\. b .* in use"):
        absent(library)


def test_info() -> None:
    library = Library(describe_cluster=[described("CREATE_FAILED", "ROLLBACK_IN_PROGRESS")])
    library.given["get_cluster_stack_events"] = [FAILED]
    found = cluster_of(library).info(with_events=True)
    assert (found["ended"], found["usable"], len(found["events"])) == (False, False, 3)
    assert found["progress"] == {"done": 1, "total": 4, "item": "b"}
    found = cluster_of(Library(describe_cluster=[GONE])).info()
    assert (found["cluster"], found["ended"], found["usable"], found["progress"]) == (None, True, False, None)
