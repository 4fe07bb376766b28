# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.lua_string import FilterModule


def test_door() -> None:
    lua_string = FilterModule().filters()["lua_string"]
    assert lua_string('a"b') == '"a\\"b"'
    assert lua_string("a\nb", multiline=True) == '"a\\\nb"'


@pytest.mark.parametrize("value", [None, 1, ["a"], {"a": 1}])
def test_only_text(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match="quotes text"):
        FilterModule().filters()["lua_string"](value)
