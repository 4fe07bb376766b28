"""The door to the decision what is kept of a failed build."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_fate import build_fate

BUILD: dict[str, Any] = {
    "build_id": "b1",
    "region": "us-east-1",
    "seed": "seed=my.yaml",
    "size_gb": 100,
    "volume_type": "gp3",
    "kept_days": 7,
    "deadline": "2026-11-26T13:02:03Z",
}


def test_a_loop_of_which_one_item_met_the_network() -> None:
    """What counts is what the failed items say."""
    result: dict[str, Any] = {
        "msg": "One or more items failed",
        "results": [{"msg": "ok"}, {"failed": True, "msg": "Connection reset"}],
    }
    assert build_fate(result, BUILD, installing=True, work=True)["because"] == "infrastructure"
    result["results"][1]["msg"] = "numpy==99 does not exist"
    fate = build_fate(result, BUILD, installing=True, work=True)
    assert (fate["because"], fate["keep_volume"]) == ("software", False)
    assert "petal:build-id=b1 in us-east-1" in fate["otherwise"]


def test_a_host_that_cannot_be_reached() -> None:
    fate = build_fate({"unreachable": True, "msg": "no"}, BUILD, installing=True, work=True, running=True)
    assert (fate["because"], fate["keep_volume"], fate["keep_host"]) == ("infrastructure", True, True)


def test_anything_else_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="takes a task's result, got str"):
        build_fate("failed", BUILD, installing=True, work=True)
