# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a build and its snapshot cost: prices out of the Price List or the table, and the sums."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost import table
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

# By which AWS divides a price for a month.
HOURS_PER_MONTH = 730
DAYS_PER_MONTH = 30
# What a volume of a type does without paying for more; gp3 in the EBS user guide.
INCLUDED_IOPS: Mapping[str, int] = {"gp3": 3000}
INCLUDED_THROUGHPUT: Mapping[str, int] = {"gp3": 125}
RED_HAT = ("rhel8", "rhel9")


class CostError(PetalError):
    """What is asked for has no price."""


@dataclass(frozen=True)
class PricedBuild:
    """What is paid for: an instance and a volume for some hours, and a snapshot.

    size_gb: GiB. iops, throughput (MiB/s): None for what the type includes. hours: how long the build takes.
    """

    instance_type: str
    region: str
    os: str = "alinux2023"
    spot: bool = False
    volume_type: str = "gp3"
    size_gb: int = 0
    iops: int | None = None
    throughput: int | None = None
    hours: float = 0

    def check(self) -> PricedBuild:
        """The same. Raises CostError for what cannot be."""
        if self.volume_type not in table.VOLUME_GB_MONTH:
            known = ", ".join(sorted(table.VOLUME_GB_MONTH))
            raise CostError(f"volume_type {self.volume_type!r} is not known: expected one of {known}")
        if not re.fullmatch(r"[a-z0-9-]{2,20}\.[a-z0-9-]{3,20}", self.instance_type):
            raise CostError(f"instance_type {self.instance_type!r} is none: expected one such as c6a.4xlarge")
        if not re.fullmatch(r"[a-z0-9-]{5,30}", self.region):
            raise CostError(f"region {self.region!r} is none: give it as an option, or in the environment")
        if not (math.isfinite(self.hours) and self.hours >= 0 and self.size_gb >= 0):
            raise CostError("hours and size_gb have to be 0 or more")
        return self

    @property
    def platform(self) -> str:
        """The operating system in the words of the Price List."""
        return "RHEL" if self.os in RED_HAT else "Linux"

    def products(self) -> dict[str, dict[str, str]]:
        """What to ask the Price List for: for each question the fields that a product has to have."""
        return {
            "instance": {
                "instanceType": self.instance_type,
                "regionCode": self.region,
                "operatingSystem": self.platform,
                "tenancy": "Shared",
                "preInstalledSw": "NA",
                "capacitystatus": "Used",
            },
            "volume": {"volumeApiName": self.volume_type, "regionCode": self.region},
            "snapshot": {"productFamily": "Storage Snapshot", "regionCode": self.region},
        }

    def spot_request(self) -> dict[str, Any]:
        """Parameters of DescribeSpotPriceHistory, but for the time."""
        platform = "Red Hat Enterprise Linux" if self.platform == "RHEL" else "Linux/UNIX"
        return {"InstanceTypes": [self.instance_type], "ProductDescriptions": [platform]}


@dataclass(frozen=True)
class Prices:
    """US dollars; None for what nobody told.

    region: whose prices these are. source: where they come from and of when. notes: what is missing, and why.
    """

    region: str
    source: str
    instance_hour_usd: float | None = None
    spot_hour_usd: float | None = None
    volume_gb_month_usd: float | None = None
    volume_iops_month_usd: float | None = None
    volume_throughput_month_usd: float | None = None
    snapshot_gb_month_usd: float | None = None
    notes: tuple[str, ...] = ()

    def note(self, text: str) -> Prices:
        """The same with one more thing to be said."""
        return replace(self, notes=(*self.notes, text))

    def with_spot(self, price: float) -> Prices:
        """The same with the price of a spot instance."""
        return replace(self, spot_hour_usd=price)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "notes": list(self.notes)}


def from_table(wanted: PricedBuild) -> Prices:
    """Prices out of the table, and what is to be said of them."""
    region = table.ELSEWHERE.get(wanted.instance_type, table.REGION)
    if region == table.REGION and wanted.region in table.SAME_REGIONS:
        region = wanted.region
    hour = None if wanted.platform == "RHEL" else table.instance_hour(wanted.instance_type)
    prices = Prices(
        region=region,
        source=f"table of {table.DATE} for {region}",
        instance_hour_usd=hour,
        volume_gb_month_usd=table.VOLUME_GB_MONTH[wanted.volume_type],
        volume_iops_month_usd=table.VOLUME_IOPS_MONTH.get(wanted.volume_type),
        volume_throughput_month_usd=table.VOLUME_THROUGHPUT_MONTH.get(wanted.volume_type),
        snapshot_gb_month_usd=table.SNAPSHOT_GB_MONTH,
    )
    if region != wanted.region:
        prices = prices.note(f"these are prices of {region}; those of {wanted.region} are not in the table")
    if wanted.platform == "RHEL":
        prices = prices.note("the table has no prices of Red Hat Enterprise Linux, whose licence AWS adds to the hour")
    elif hour is None:
        prices = prices.note(f"the table has no price of {wanted.instance_type}")
    return prices


def from_price_list(wanted: PricedBuild, found: Mapping[str, Iterable[Any]]) -> Prices:
    """Prices out of the products that GetProducts gave to the questions of ``PricedBuild.products``.

    :param found: for each question its ``PriceList``, whose entries are JSON texts.
    """
    products = {question: [_decoded(item) for item in found.get(question, ())] for question in wanted.products()}
    dates = [str(item.get("publicationDate", ""))[:10] for items in products.values() for item in items]
    prices = Prices(
        region=wanted.region,
        source=f"AWS Price List of {max(dates, default='') or 'an unknown date'}",
        instance_hour_usd=_price(products["instance"], r"hrs|hours?"),
        volume_gb_month_usd=_price(products["volume"], r"gb-mo(nth)?"),
        volume_iops_month_usd=_price(products["volume"], r"iops-mo(nth)?"),
        volume_throughput_month_usd=_throughput(products["volume"]),
        snapshot_gb_month_usd=_price(products["snapshot"], r"gb-mo(nth)?", usage=r"(.*-)?EBS:SnapshotUsage"),
    )
    if prices.instance_hour_usd is None:
        prices = prices.note(f"the Price List has no {wanted.instance_type} with {wanted.platform} in {wanted.region}")
    if prices.volume_gb_month_usd is None:
        prices = prices.note(f"the Price List has no volumes of type {wanted.volume_type} in {wanted.region}")
    if prices.snapshot_gb_month_usd is None:
        prices = prices.note(f"the Price List has no snapshots in {wanted.region}")
    return prices


def spot_price(history: Iterable[Mapping[str, Any]]) -> float | None:
    """The dearest zone's price for an hour out of DescribeSpotPriceHistory: an estimate shall not be too low."""
    found = [_number(item.get("SpotPrice")) for item in history]
    return max((price for price in found if price is not None and price > 0), default=None)


def estimate(wanted: PricedBuild, prices: Prices) -> dict[str, Any]:
    """What the build costs, and its snapshot in a month; null for sums with an unknown price in them.

    ``most_usd`` is the build on demand throughout: a spot instance that is refused or withdrawn is followed by one.

    The build is the instance and the volume for its hours. The snapshot is counted in full; AWS counts what was
    written to it. Not in it: root volume, public address, traffic.
    """
    spot = wanted.spot and prices.spot_hour_usd is not None
    hour = prices.spot_hour_usd if spot else prices.instance_hour_usd
    instance = None if hour is None else hour * wanted.hours
    month = _volume_month(wanted, prices)
    volume = None if month is None else month * wanted.hours / HOURS_PER_MONTH
    snapshot = prices.snapshot_gb_month_usd
    on_demand = prices.instance_hour_usd
    sums = {
        "build_usd": None if instance is None or volume is None else instance + volume,
        "most_usd": None if on_demand is None or volume is None else on_demand * wanted.hours + volume,
        "instance_usd": instance,
        "volume_usd": volume,
        "volume_month_usd": month,
        "snapshot_month_usd": None if snapshot is None else snapshot * wanted.size_gb,
    }
    rounded = {name: None if value is None else round(value, 2) for name, value in sums.items()}
    return {**rounded, "hours": wanted.hours, "spot": spot}


def day_of_volume(volume_type: str, size_gb: int, iops: int | None = None, throughput: int | None = None) -> float:
    """US dollars that a volume costs in a day, by the table: a thirtieth of the month. Raises CostError for its type.

    >>> round(day_of_volume("gp3", 100), 4)
    0.2667
    """
    wanted = PricedBuild("none.none", table.REGION, "", False, volume_type, size_gb, iops, throughput).check()
    return (_volume_month(wanted, from_table(wanted)) or 0.0) / DAYS_PER_MONTH


def _volume_month(wanted: PricedBuild, prices: Prices) -> float | None:
    """A month of the volume; None when a price is missing that is needed."""
    if prices.volume_gb_month_usd is None:
        return None
    total = wanted.size_gb * prices.volume_gb_month_usd
    kind = wanted.volume_type
    if kind in table.VOLUME_IOPS_MONTH:
        more = max((wanted.iops or 0) - INCLUDED_IOPS.get(kind, 0), 0)
        if more and prices.volume_iops_month_usd is None:
            return None
        total += more * (prices.volume_iops_month_usd or 0)
    if kind in table.VOLUME_THROUGHPUT_MONTH:
        more = max((wanted.throughput or 0) - INCLUDED_THROUGHPUT.get(kind, 0), 0)
        if more and prices.volume_throughput_month_usd is None:
            return None
        total += more * (prices.volume_throughput_month_usd or 0)
    return total


def _decoded(item: Any) -> dict[str, Any]:
    try:
        found = json.loads(item) if isinstance(item, str) else item
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _mapping(value: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _dimensions(products: Iterable[dict[str, Any]], unit: str, usage: str) -> list[tuple[str, float]]:
    """Unit and price of all on-demand prices above zero, the first step of those that go by amount."""
    found = []
    for product in products:
        if not re.fullmatch(usage, str(_mapping(product, "product", "attributes").get("usagetype", ""))):
            continue
        for offer in _mapping(product, "terms", "OnDemand").values():
            for dimension in map(_mapping, _mapping(offer, "priceDimensions").values()):
                name = str(dimension.get("unit", "")).lower()
                price = _number(_mapping(dimension, "pricePerUnit").get("USD"))
                if price and dimension.get("beginRange", "0") == "0" and re.fullmatch(unit, name):
                    found.append((name, price))
    return found


def _price(products: Iterable[dict[str, Any]], unit: str, usage: str = ".*") -> float | None:
    """The price for a unit; the lowest where products differ in what does not concern a build."""
    return min((price for _unit, price in _dimensions(products, unit, usage)), default=None)


def _throughput(products: Iterable[dict[str, Any]]) -> float | None:
    """For a MiB/s: the Price List tells it for a GiB/s."""
    found = _dimensions(products, r"[gm]i?bps-mo(nth)?", ".*")
    return min((price / 1024 if unit.startswith("g") else price for unit, price in found), default=None)
