# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a build on AWS takes, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def usd(amount: float | None) -> str:
    """An amount before the word USD.

    >>> usd(0.5), usd(None)
    ('0.50', 'an unknown number of')
    """
    return "an unknown number of" if amount is None else f"{amount:.2f}"


def host(instance_type: str, region: str, image: Mapping[str, Any], *, spot: bool) -> str:
    """The host that is launched.

    :param image: ``name`` and ``image_id``.
    """
    kind = f"{'spot ' if spot else ''}{instance_type}"
    return f"a {kind} in {region} of {image['name']} ({image['image_id']})"


def price(sums: Mapping[str, Any], source: str) -> str:
    """What it costs.

    :param sums: of ``_aws.cost.estimate.estimate``.
    :param source: where the prices come from.
    """
    most = f"at most {usd(sums['most_usd'])} USD for {sums['hours']} h, the time-out"
    if sums["spot"] and sums["build_usd"] is not None:
        most += f", {usd(sums['build_usd'])} if the spot host stays"
    return f"{most}; the snapshot at most {usd(sums['snapshot_month_usd'])} USD a month ({source})"


def takes(
    build: Mapping[str, Any], region: str, image: Mapping[str, Any], prices: Mapping[str, Any], sums: Mapping[str, Any]
) -> list[str]:
    """All of it, a line each: the host, the price, and what is to be said of the prices.

    :param build: ``software.build`` of the seed: ``instance_type`` and ``spot``.
    :param prices: ``source`` and ``notes``.
    """
    notes: Iterable[Any] = prices["notes"]
    return [
        host(str(build["instance_type"]), region, image, spot=bool(build["spot"])),
        price(sums, str(prices["source"])),
        *(str(note) for note in notes),
    ]
