"""The filter that names a node of every compute resource."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.first_nodes import first_nodes
from ansible_collections.petal.hpc.plugins.module_utils._seed.nodes import resources


def queue(name: str, types: list[str], least: int, most: int) -> dict[str, Any]:
    return {"name": name, "instance_types": types, "min_count": least, "max_count": most}


def test_every_kind_of_nodes_has_one() -> None:
    queues = [queue("cpu", ["c5.4xlarge"], 2, 4), queue("gpu", ["g5.xlarge", "g5.12xlarge", "g5.48xlarge"], 2, 8)]
    assert first_nodes(queues) == ["cpu-st-cpu-1", "gpu-st-gpu-1", "gpu-dy-g5-12xlarge-1", "gpu-dy-g5-48xlarge-1"]


def test_they_are_the_kinds_that_the_cluster_is_configured_with() -> None:
    types = ["c5.4xlarge", "c5.9xlarge", "c6i.4xlarge", "m5.24xlarge"]
    made = [one.name for one in resources("q", types, 0, 9)]
    assert first_nodes([queue("q", types, 0, 9)]) == [f"q-dy-{name}-1" for name in made]


def test_no_queues_have_no_nodes() -> None:
    assert first_nodes([]) == []


def test_what_is_no_queue_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="takes the queues of a seed"):
        first_nodes([{"name": "q"}])
