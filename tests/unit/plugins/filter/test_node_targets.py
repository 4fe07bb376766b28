# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that says what nodes need to know of targets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.node_targets import FilterModule


def test_what_spack_tells_is_what_nodes_ask() -> None:
    found = FilterModule().filters()["node_targets"]
    told = {
        "built": ["aarch64"],
        "processors": {"aarch64": {"family": "aarch64", "vendor": "generic", "features": [], "ancestors": []}},
        "vendors": {"0x41": "ARM"},
        "modules": [],
    }
    assert found(told)["vendors"] == {"0x41": "ARM"}
    assert found({}) == {}


@pytest.mark.parametrize("wrong", [None, "text", {"built": ["zen"]}, {"built": ["zen"], "processors": {}}])
def test_anything_else_is_an_error(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="takes what Spack tells of modules"):
        FilterModule().filters()["node_targets"](wrong)
