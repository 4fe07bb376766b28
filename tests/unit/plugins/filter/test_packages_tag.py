# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot's tag names is what a look-up reads back."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.packages_tag import FilterModule
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import VALUE_LIMIT, packages_of


def test_a_cut_tag_names_packages_only() -> None:
    packages = [f"package{number}@1.0" for number in range(100)]
    tag = FilterModule().filters()["packages_tag"](packages)
    assert len(tag) <= VALUE_LIMIT
    assert packages_of(tag) == packages[: len(packages_of(tag))]


@pytest.mark.parametrize("value", [None, "numpy@2.2.1", [1]])
def test_only_a_list_of_texts(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a list of texts"):
        FilterModule().filters()["packages_tag"](value)
