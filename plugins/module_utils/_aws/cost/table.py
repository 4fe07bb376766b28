# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prices for when nobody can be asked: few, dated, and of one Region. What is not known is not in it."""

from __future__ import annotations

from collections.abc import Mapping

#: When these were AWS's public prices, https://aws.amazon.com/ec2/pricing/on-demand and /ebs/pricing.
DATE = "2025-06"
REGION = "us-east-1"
#: Regions in which on-demand instances of these families and EBS cost the same as in REGION.
SAME_REGIONS = (REGION, "us-east-2", "us-west-2")
#: Types that are not sold in REGION: the Region whose price it is.
ELSEWHERE: Mapping[str, str] = {"hpc6a.48xlarge": "us-east-2", "hpc7a.96xlarge": "us-east-2"}

# US dollars for one hour of the size `large`, shared tenancy, Linux. Within these families the price goes by size.
_LARGE: Mapping[str, float] = {
    "c5": 0.085,
    "c5a": 0.077,
    "c6a": 0.0765,
    "c6g": 0.068,
    "c6i": 0.085,
    "c7a": 0.10264,
    "c7g": 0.0725,
    "c7i": 0.08925,
    "m5": 0.096,
    "m5a": 0.086,
    "m6a": 0.0864,
    "m6g": 0.077,
    "m6i": 0.096,
    "m7a": 0.11592,
    "m7g": 0.0816,
    "m7i": 0.1008,
    "r5": 0.126,
    "r6a": 0.1134,
    "r6g": 0.1008,
    "r6i": 0.126,
    "r7g": 0.1071,
    "r7i": 0.1323,
    "t3": 0.0832,
    "t3a": 0.0752,
    "t4g": 0.0672,
}

# How many times `large` a size is.
_TIMES: Mapping[str, float] = {
    "medium": 0.5,
    "large": 1,
    "xlarge": 2,
    "2xlarge": 4,
    "4xlarge": 8,
    "8xlarge": 16,
    "9xlarge": 18,
    "12xlarge": 24,
    "16xlarge": 32,
    "18xlarge": 36,
    "24xlarge": 48,
    "32xlarge": 64,
    "48xlarge": 96,
}

# Sizes that a family is sold in, where they are not the usual ones.
_USUAL = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge")
_BURST = ("medium", "large", "xlarge", "2xlarge")
_GRAVITON = ("medium", *_USUAL[:-1])
_SIZES: Mapping[str, tuple[str, ...]] = {
    "c5": ("large", "xlarge", "2xlarge", "4xlarge", "9xlarge", "12xlarge", "18xlarge", "24xlarge"),
    "c6a": (*_USUAL, "32xlarge", "48xlarge"),
    "c6i": (*_USUAL, "32xlarge"),
    "c7a": ("medium", *_USUAL, "32xlarge", "48xlarge"),
    "c7i": (*_USUAL, "48xlarge"),
    "m6a": (*_USUAL, "32xlarge", "48xlarge"),
    "m6i": (*_USUAL, "32xlarge"),
    "m7a": ("medium", *_USUAL, "32xlarge", "48xlarge"),
    "m7i": (*_USUAL, "48xlarge"),
    "r6a": (*_USUAL, "32xlarge", "48xlarge"),
    "r6i": (*_USUAL, "32xlarge"),
    "r7i": (*_USUAL, "48xlarge"),
    **dict.fromkeys(("c6g", "c7g", "m6g", "m7g", "r6g", "r7g"), _GRAVITON),
    **dict.fromkeys(("t3", "t3a", "t4g"), _BURST),
}

# Families whose price does not go by size.
_SINGLE: Mapping[str, float] = {
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g5.4xlarge": 1.624,
    "g5.8xlarge": 2.448,
    "g5.12xlarge": 5.672,
    "g5.16xlarge": 4.096,
    "g5.24xlarge": 8.144,
    "g5.48xlarge": 16.288,
    "g6.xlarge": 0.8048,
    "g6.2xlarge": 0.9776,
    "g6.4xlarge": 1.3232,
    "g6.8xlarge": 2.0144,
    "g6.12xlarge": 4.6016,
    "g6.16xlarge": 3.3968,
    "g6.24xlarge": 6.6752,
    "g6.48xlarge": 13.3504,
    "hpc6a.48xlarge": 2.88,
    "hpc7a.96xlarge": 7.20,
}

#: US dollars for a GiB and month.
VOLUME_GB_MONTH: Mapping[str, float] = {
    "gp2": 0.10,
    "gp3": 0.08,
    "io1": 0.125,
    "io2": 0.125,
    "st1": 0.045,
    "sc1": 0.015,
    "standard": 0.05,
}
#: US dollars for one provisioned IOPS and month. io2's is that of the first 32,000.
VOLUME_IOPS_MONTH: Mapping[str, float] = {"gp3": 0.005, "io1": 0.065, "io2": 0.065}
#: US dollars for one provisioned MiB/s and month.
VOLUME_THROUGHPUT_MONTH: Mapping[str, float] = {"gp3": 0.04}
SNAPSHOT_GB_MONTH = 0.05


def instance_hour(instance_type: str) -> float | None:
    """US dollars for an hour of an instance with Linux, on demand; None where the table has none.

    >>> instance_hour("c6a.4xlarge")
    0.612
    """
    if instance_type in _SINGLE:
        return _SINGLE[instance_type]
    family, _dot, size = instance_type.partition(".")
    if family not in _LARGE or size not in _SIZES.get(family, _USUAL):
        return None
    return round(_LARGE[family] * _TIMES[size], 5)
