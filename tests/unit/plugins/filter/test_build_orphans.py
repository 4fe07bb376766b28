"""The doors to the builds that left something behind, on AWS and in a store."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.aws_orphans import aws_orphans
from ansible_collections.petal.hpc.plugins.filter.local_orphans import local_orphans

BUILD = "20260131T110000Z-11111111"
TAGS = {"petal:fingerprint": "sha256:" + "1" * 64, "petal:build-id": BUILD}


def test_builds_that_are_old_enough_are_named() -> None:
    volumes = [{"id": "vol-1", "name": "build-" + "1" * 20, "tags": TAGS}]
    (found,) = aws_orphans(volumes, "20260131T120000Z", "", [BUILD])
    assert (found["build_id"], found["resources"], found["complete"]) == (BUILD, ["vol-1"], True)
    (found,) = local_orphans(volumes, "20260131T120000Z", BUILD)
    assert (found["build_id"], found["resources"]) == (BUILD, ["build-" + "1" * 20])
    assert aws_orphans(volumes, "20260131T100000Z") == local_orphans(volumes, "20260131T100000Z") == []


def test_anything_but_a_list_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="takes a list of resources, got dict"):
        aws_orphans({}, "20260131T120000Z")
    with pytest.raises(AnsibleFilterError, match="takes a list of volumes, got dict"):
        local_orphans({}, "20260131T120000Z")
