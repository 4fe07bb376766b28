# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table: what is in it is plausible, and what is not known is not made up."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost import table
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import DEFAULT_BUILD_INSTANCES


@pytest.mark.parametrize(
    ("instance_type", "price"),
    [
        ("c5.4xlarge", 0.68),
        ("c5.18xlarge", 3.06),
        ("c6a.4xlarge", 0.612),
        ("c6i.8xlarge", 1.36),
        ("c7g.4xlarge", 0.58),
        ("c7a.4xlarge", 0.82112),
        ("r6i.4xlarge", 1.008),
        ("m6i.4xlarge", 0.768),
        ("t3.xlarge", 0.1664),
        ("t3.medium", 0.0416),
        ("g6.12xlarge", 4.6016),
        ("hpc6a.48xlarge", 2.88),
    ],
)
def test_known_prices(instance_type: str, price: float) -> None:
    assert table.instance_hour(instance_type) == price


@pytest.mark.parametrize("instance_type", ["p5.48xlarge", "c6a.metal", "c5.8xlarge", "c6g.24xlarge", "x", "", "c6a."])
def test_unknown_prices(instance_type: str) -> None:
    assert table.instance_hour(instance_type) is None


def test_the_default_build_hosts_are_in_it() -> None:
    assert all(table.instance_hour(instance_type) for instance_type in DEFAULT_BUILD_INSTANCES.values())
