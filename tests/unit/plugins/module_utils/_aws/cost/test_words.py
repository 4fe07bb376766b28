"""What a build on AWS takes, in words."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.words import price, takes

IMAGE = {"name": "al2023-ami-2023", "image_id": "ami-1"}
SUMS: dict[str, Any] = {"most_usd": 6.2, "build_usd": 6.2, "snapshot_month_usd": 5.0, "hours": 12.0, "spot": False}


def test_the_host_the_price_and_what_is_to_be_said_of_it() -> None:
    prices = {"source": "table of 2026-07-01 for us-east-1", "notes": ["these are prices of us-east-1"]}
    build = {"instance_type": "c6a.4xlarge", "spot": False}
    assert takes(build, "eu-west-1", IMAGE, prices, SUMS) == [
        "a c6a.4xlarge in eu-west-1 of al2023-ami-2023 (ami-1)",
        "at most 6.20 USD for 12.0 h, the time-out; the snapshot at most 5.00 USD a month"
        " (table of 2026-07-01 for us-east-1)",
        "these are prices of us-east-1",
    ]


def test_a_spot_host_is_cheaper_where_it_stays() -> None:
    spot = {**SUMS, "spot": True, "build_usd": 2.5}
    assert price(spot, "a table").startswith(
        "at most 6.20 USD for 12.0 h, the time-out, 2.50 if the spot host stays; the snapshot"
    )
    build = {"instance_type": "c6a.4xlarge", "spot": True}
    assert takes(build, "eu-west-1", IMAGE, {"source": "", "notes": []}, spot)[0].startswith("a spot c6a.4xlarge in ")


@pytest.mark.parametrize("unknown", [{"build_usd": None}, {"spot": False, "build_usd": 2.5}])
def test_without_the_price_of_a_spot_host_nothing_is_said_of_it(unknown: dict[str, Any]) -> None:
    assert "spot" not in price({**SUMS, "spot": True, **unknown}, "a table")


def test_a_price_that_is_not_known_is_not_zero() -> None:
    said = price({**SUMS, "most_usd": None, "snapshot_month_usd": None}, "a table")
    assert said == (
        "at most an unknown number of USD for 12.0 h, the time-out;"
        " the snapshot at most an unknown number of USD a month (a table)"
    )
