# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers in the shape of ParallelCluster's API."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._pcluster import answers

REFUSED: dict[str, Any] = {
    "message": "Invalid cluster configuration.",
    "configurationValidationErrors": [
        {"level": "INFO", "type": "DeletionPolicyValidator", "message": "The DeletionPolicy is set to Delete."},
        {"level": "WARNING", "type": "PasswordValidator", "message": "It is short."},
        {
            "level": "ERROR",
            "type": "ConfigSchemaValidator",
            "message": "[('HeadNode', {'CustomAction': ['Unknown field.']}), "
            "('SharedStorage', {0: {'EbsSettings': {'_schema': ['Too small.', 'Too slow.']}}})]",
        },
        {"level": "ERROR", "type": "KeyPairValidator", "message": "The keypair 'me'\n does not exist."},
    ],
}
DESCRIBED: dict[str, Any] = {
    "creationTime": "2026-11-22T08:04:31.703Z",
    "version": "3.16.1",
    "clusterConfiguration": {"url": "https://bucket.s3.amazonaws.com/config?X-Amz-Signature=0123"},
    "tags": [
        {"value": "sha256:abc", "key": "petal:software"},
        {"value": "snap-0123456789abcdef0", "key": "petal:snapshot"},
    ],
    "cloudFormationStackStatus": "ROLLBACK_IN_PROGRESS",
    "clusterName": "bio-cluster",
    "computeFleetStatus": "UNKNOWN",
    "cloudformationStackArn": "arn:aws:cloudformation:us-east-1:111122223333:stack/bio-cluster/0afec407",
    "lastUpdatedTime": "2026-11-22T08:04:31.703Z",
    "region": "us-east-1",
    "clusterStatus": "CREATE_FAILED",
    "scheduler": {"type": "slurm"},
    "failures": [{"failureCode": "OnNodeConfiguredExecutionFailure", "failureReason": "Failed to execute it."}],
    "headNode": {
        "launchTime": "2026-11-22T08:04:59.000Z",
        "instanceId": "i-57cee9531476b11b1",
        "publicIpAddress": "192.0.2.7",
        "instanceType": "t3.large",
        "state": "running",
        "privateIpAddress": "172.31.0.4",
    },
}


def test_every_reason_is_a_line_with_its_path() -> None:
    assert answers.refusal("bio-cluster", REFUSED).splitlines() == [
        "Cluster bio-cluster: Invalid cluster configuration.",
        "  ConfigSchemaValidator: HeadNode.CustomAction: Unknown field.",
        "  ConfigSchemaValidator: SharedStorage[0].EbsSettings: Too small.",
        "  ConfigSchemaValidator: SharedStorage[0].EbsSettings: Too slow.",
        "  KeyPairValidator: The keypair 'me' does not exist.",
    ]


@pytest.mark.parametrize(("level", "lines"), [("ERROR", 5), ("WARNING", 6), ("INFO", 7)])
def test_what_did_not_stop_it_is_left_out(level: str, lines: int) -> None:
    assert len(answers.refusal("bio-cluster", REFUSED, level).splitlines()) == lines


def test_an_update_that_is_not_possible_says_what_to_do() -> None:
    text = answers.refusal(
        "bio-cluster",
        {
            "message": "Update failure",
            "changeSet": [
                {"parameter": "SharedStorage[software].MountDir", "requestedValue": "/b", "currentValue": "/a"}
            ],
            "updateValidationErrors": [
                {
                    "parameter": "SharedStorage[software].MountDir",
                    "currentValue": "/a",
                    "requestedValue": "/b",
                    "message": "All compute nodes must be stopped. Stop the compute fleet with the pcluster "
                    "update-compute-fleet command",
                }
            ],
        },
    )
    assert text.splitlines()[1] == (
        "  SharedStorage[software].MountDir (/a to /b): All compute nodes must be stopped. "
        "Stop the compute fleet with the pcluster update-compute-fleet command"
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"message": "Bad Request: region needs to be set"}, "Cluster x: Bad Request: region needs to be set."),
        ({}, "Cluster x: ParallelCluster gives no reason."),
        ({"configurationValidationErrors": None, "message": "Invalid."}, "Cluster x: Invalid."),
    ],
)
def test_a_plain_refusal(answer: dict[str, Any], text: str) -> None:
    assert answers.refusal("x", answer) == text


def test_what_looks_like_a_printed_list_and_is_none_stays_as_it_is() -> None:
    (found,) = answers.messages({"validationMessages": [{"level": "ERROR", "type": "X", "message": "[(' no list"}]})
    assert found == {"level": "ERROR", "type": "X", "message": "[(' no list"}


def test_changes() -> None:
    given = {
        "changeSet": [{"parameter": "Scheduling.X", "currentValue": "4", "requestedValue": "8"}, {"parameter": "Y"}]
    }
    assert answers.changes(given) == [
        {"parameter": "Scheduling.X", "current": "4", "requested": "8"},
        {"parameter": "Y", "current": "-", "requested": "-"},
    ]


def test_a_cluster_without_the_address_of_its_configuration() -> None:
    found = answers.cluster(DESCRIBED)
    assert "Signature" not in str(found)
    assert (found["fingerprint"], found["snapshot_id"]) == ("sha256:abc", "snap-0123456789abcdef0")
    assert found["head_node"]["public_ip"] == "192.0.2.7"
    assert found["failures"] == ["OnNodeConfiguredExecutionFailure: Failed to execute it."]
    # Its creation has failed, and AWS is still at work on it.
    assert (found["status"], answers.in_progress(DESCRIBED)) == ("CREATE_FAILED", True)


def test_a_listed_cluster() -> None:
    listed = {"clusterName": "x", "clusterStatus": "CREATE_COMPLETE", "cloudformationStackStatus": "CREATE_COMPLETE"}
    found = answers.cluster(listed)
    assert (found["name"], found["stack_status"], found["head_node"]) == ("x", "CREATE_COMPLETE", None)
    assert not answers.in_progress(listed)
