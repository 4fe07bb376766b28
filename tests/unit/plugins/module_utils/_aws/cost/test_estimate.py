# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a build costs: prices as the Price List tells them, as the table does, and nothing made up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost import table
from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.estimate import (
    CostError,
    PricedBuild,
    Prices,
    estimate,
    from_price_list,
    from_table,
    spot_price,
)

WANTED = PricedBuild("c6a.4xlarge", "us-east-1", size_gb=100, hours=10)


def product(unit: str, usd: str, usage: str = "", **dimension: Any) -> str:
    """An entry of GetProducts, in the shape of the Price List's offer files."""
    return json.dumps(
        {
            "product": {"sku": "S", "attributes": {"usagetype": usage}},
            "serviceCode": "AmazonEC2",
            "publicationDate": "2026-07-01T12:00:00Z",
            "terms": {
                "OnDemand": {
                    "S.T": {
                        "priceDimensions": {
                            "S.T.D": {"unit": unit, "beginRange": "0", "pricePerUnit": {"USD": usd}, **dimension}
                        }
                    }
                },
                "Reserved": {"S.R": {"priceDimensions": {"S.R.D": {"unit": "Hrs", "pricePerUnit": {"USD": "0.01"}}}}},
            },
        }
    )


PRICE_LIST = {
    "instance": [product("Hrs", "0.6120000000", "BoxUsage:c6a.4xlarge")],
    "volume": [
        product("GB-Mo", "0.0800000000", "EBS:VolumeUsage.gp3"),
        product("IOPS-Mo", "0.0050000000", "EBS:VolumeP-IOPS.gp3"),
        product("GiBps-mo", "40.9600000000", "EBS:VolumeP-Throughput.gp3"),
    ],
    "snapshot": [
        product("GB-Mo", "0.0125000000", "EBS:SnapshotArchiveStorage"),
        product("GB-Mo", "0.0500000000", "EBS:SnapshotUsage"),
    ],
}


def test_the_price_list() -> None:
    assert from_price_list(WANTED, PRICE_LIST) == Prices(
        region="us-east-1",
        source="AWS Price List of 2026-07-01",
        instance_hour_usd=0.612,
        volume_gb_month_usd=0.08,
        volume_iops_month_usd=0.005,
        volume_throughput_month_usd=0.04,
        snapshot_gb_month_usd=0.05,
    )


def test_the_table_agrees_with_what_the_list_says() -> None:
    told, tabled = from_price_list(WANTED, PRICE_LIST), from_table(WANTED)
    assert replace(told, source="") == replace(tabled, source="")
    assert tabled.source == f"table of {table.DATE} for us-east-1"


def test_what_the_price_list_lacks_is_said() -> None:
    prices = from_price_list(replace(WANTED, instance_type="x9.large"), {"instance": [], "volume": ["{", 3, None]})
    assert prices.instance_hour_usd is None
    assert prices.notes == (
        "the Price List has no x9.large with Linux in us-east-1",
        "the Price List has no volumes of type gp3 in us-east-1",
        "the Price List has no snapshots in us-east-1",
    )
    assert prices.source == "AWS Price List of an unknown date"
    assert estimate(WANTED, prices)["build_usd"] is None


def test_only_the_first_step_of_a_price_by_amount() -> None:
    steps = {
        "volume": [
            product("IOPS-Mo", "0.032", beginRange="64000"),
            product("IOPS-Mo", "0.065"),
            product("GB-Mo", "0.125"),
        ]
    }
    assert from_price_list(replace(WANTED, volume_type="io2"), steps).volume_iops_month_usd == 0.065


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["product", "terms", "OnDemand"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(JSON))
def test_any_answer_is_survived(items: list[Any]) -> None:
    assert from_price_list(WANTED, {"instance": items, "volume": items, "snapshot": items}).instance_hour_usd is None


def test_what_is_asked_for() -> None:
    asked = WANTED.products()
    assert asked["instance"]["operatingSystem"] == "Linux"
    assert asked["volume"] == {"volumeApiName": "gp3", "regionCode": "us-east-1"}
    red_hat = replace(WANTED, os="rhel9")
    assert red_hat.products()["instance"]["operatingSystem"] == "RHEL"
    assert red_hat.spot_request()["ProductDescriptions"] == ["Red Hat Enterprise Linux"]
    assert WANTED.spot_request() == {"InstanceTypes": ["c6a.4xlarge"], "ProductDescriptions": ["Linux/UNIX"]}


def test_the_table_says_what_it_does_not_know() -> None:
    assert from_table(replace(WANTED, region="us-west-2")).notes == ()
    far = from_table(replace(WANTED, region="eu-central-1"))
    assert far.region == "us-east-1"
    assert far.notes == ("these are prices of us-east-1; those of eu-central-1 are not in the table",)
    hpc = from_table(replace(WANTED, instance_type="hpc6a.48xlarge"))
    assert (hpc.region, hpc.instance_hour_usd) == ("us-east-2", 2.88)
    assert from_table(replace(WANTED, instance_type="p5.48xlarge")).notes == ("the table has no price of p5.48xlarge",)
    red_hat = from_table(replace(WANTED, os="rhel9"))
    assert red_hat.instance_hour_usd is None
    assert "Red Hat" in red_hat.notes[0]


def test_the_estimate() -> None:
    assert estimate(WANTED, from_table(WANTED)) == {
        "build_usd": 6.23,
        "most_usd": 6.23,
        "instance_usd": 6.12,
        "volume_usd": 0.11,
        "volume_month_usd": 8.0,
        "snapshot_month_usd": 5.0,
        "hours": 10,
        "spot": False,
    }


def test_what_a_spot_build_costs_at_most() -> None:
    spot = estimate(replace(WANTED, spot=True), from_table(WANTED).with_spot(0.2))
    assert (spot["build_usd"], spot["most_usd"], spot["spot"]) == (2.11, 6.23, True)


def test_what_a_volume_does_beyond_its_type() -> None:
    def month(**different: Any) -> float | None:
        wanted = replace(WANTED, **different)
        found: float | None = estimate(wanted, from_table(wanted))["volume_month_usd"]
        return found

    assert month(iops=3000, throughput=125) == 8.0
    assert month(iops=4000, throughput=250) == 8.0 + 5.0 + 5.0
    assert month(volume_type="io2", iops=1000, throughput=999) == 12.5 + 65.0
    assert month(volume_type="gp2", iops=300) == 10.0


def test_a_price_that_is_needed_and_missing() -> None:
    prices = replace(from_table(WANTED), volume_iops_month_usd=None)
    assert estimate(WANTED, prices)["volume_month_usd"] == 8.0
    assert estimate(replace(WANTED, iops=4000), prices)["volume_month_usd"] is None


def test_spot() -> None:
    history = [{"SpotPrice": "0.20"}, {"SpotPrice": "0.25"}, {"SpotPrice": "x"}, {}]
    assert spot_price(history) == 0.25
    assert spot_price([]) is None
    wanted, prices = replace(WANTED, spot=True), from_table(WANTED)
    assert estimate(wanted, prices)["instance_usd"] == 6.12
    found = estimate(wanted, prices.with_spot(0.25))
    assert (found["instance_usd"], found["spot"]) == (2.5, True)
    assert estimate(WANTED, prices.with_spot(0.25))["spot"] is False


@pytest.mark.parametrize(
    ("different", "reason"),
    [
        ({"volume_type": "gp9"}, "volume_type 'gp9' is not known"),
        ({"instance_type": "a b"}, "instance_type 'a b' is none"),
        ({"region": ""}, "region '' is none"),
        ({"hours": -1}, "hours and size_gb"),
        ({"hours": float("nan")}, "hours and size_gb"),
        ({"size_gb": -1}, "hours and size_gb"),
    ],
)
def test_what_has_no_price(different: dict[str, Any], reason: str) -> None:
    with pytest.raises(CostError, match=reason):
        replace(WANTED, **different).check()


def test_plain_types() -> None:
    prices = from_table(WANTED).note("a note")
    assert json.loads(json.dumps(prices.to_dict()))["notes"] == ["a note"]
