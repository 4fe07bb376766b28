"""The door to what a build on AWS takes."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_estimate import build_estimate

COST = {
    "prices": {"source": "table of 2026-07-01 for us-east-1", "notes": []},
    "estimate": {"most_usd": 1.0, "build_usd": 1.0, "snapshot_month_usd": 0.5, "hours": 1.0, "spot": False},
}


def test_the_result_of_the_module_becomes_lines() -> None:
    build, image = {"instance_type": "m7a.large", "spot": False}, {"name": "al2023", "image_id": "ami-1"}
    first, second = build_estimate(COST, build, "us-east-1", image)
    assert first == "a m7a.large in us-east-1 of al2023 (ami-1)"
    assert second.startswith("at most 1.00 USD for 1.0 h")


def test_anything_else_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match=r"takes the result of petal\.hpc\.aws_price_info"):
        build_estimate({"estimate": {}}, {}, "us-east-1", {})
