# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.junit_xml import FilterModule


def test_door() -> None:
    junit_xml = FilterModule().filters()["junit_xml"]
    assert '<testsuite name="bio" tests="0"' in junit_xml([], "bio")


@pytest.mark.parametrize("value", [None, 1, [1], [{"name": "a"}]])
def test_only_results(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match="takes the results"):
        FilterModule().filters()["junit_xml"](value, "bio")
