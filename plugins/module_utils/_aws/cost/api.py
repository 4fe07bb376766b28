# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS's prices, asked for with little patience: a plan does not wait for them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2SpotInstanceRequestErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call
from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.estimate import (
    PricedBuild,
    Prices,
    from_price_list,
    from_table,
    spot_price,
)
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError

# The Price List is served from few Regions; this one has the prices of all (of its partition).
PRICE_LIST_REGION = "us-east-1"


def find_prices(module: Any, wanted: PricedBuild, timeout: int) -> Prices:
    """Prices by the Price List, else by the table; and today's spot price, when it is to be a spot instance.

    :param timeout: seconds for each answer; there is no second try.
    :return: what is known. What could not be asked stands in the notes.
    """
    patience = {"connect_timeout": timeout, "read_timeout": timeout, "retries": {"total_max_attempts": 1}}
    try:
        prices = from_price_list(wanted, _ask(module, wanted, patience))
    except AwsError as error:
        prices = from_table(wanted).note(f"the Price List cannot be asked ({_cause(error)})")
    if not wanted.spot:
        return prices
    try:
        return _with_spot(module, wanted, prices, patience)
    except AwsError as error:
        return prices.note(f"the spot price cannot be asked ({_cause(error)})")


def _ask(module: Any, wanted: PricedBuild, patience: dict[str, Any]) -> dict[str, Any]:
    client = module.client("pricing", region=PRICE_LIST_REGION, config=patience)
    found = {}
    for question, fields in wanted.products().items():
        filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
        answer = call(
            AWSErrorHandler, "asking the Price List", client.get_products, ServiceCode="AmazonEC2", Filters=filters
        )
        found[question] = answer.get("PriceList", [])
    return found


def _with_spot(module: Any, wanted: PricedBuild, prices: Prices, patience: dict[str, Any]) -> Prices:
    method = module.client("ec2", config=patience).describe_spot_price_history
    # The history from now on is the prices of now.
    request = {**wanted.spot_request(), "StartTime": datetime.now(timezone.utc)}
    found = call(EC2SpotInstanceRequestErrorHandler, "asking for spot prices", method, **request)
    price = spot_price(found.get("SpotPriceHistory", []))
    if price is None:
        return prices.note(f"nobody offers {wanted.instance_type} as a spot instance in {wanted.region}")
    return prices.with_spot(price)


def _cause(error: AwsError) -> str:
    return error.code or str(error).partition(": ")[2][:200]
