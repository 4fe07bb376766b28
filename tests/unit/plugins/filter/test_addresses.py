# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters about addresses with tokens, as templates call them; what they do is tested with _seed/addresses.py."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.git_access import FilterModule as GitAccess
from ansible_collections.petal.hpc.plugins.filter.redacted import FilterModule as Redacted


def test_an_address_is_taken_apart() -> None:
    found = GitAccess().filters()["git_access"]("https://u:t@example.org/x.git")
    assert found["url"] == "https://example.org/x.git"
    assert list(found["secrets"]) == ["GIT_CONFIG_VALUE_0"]


def test_a_text_is_redacted() -> None:
    assert Redacted().filters()["redacted"]("from https://u:t@example.org/x") == "from https://example.org/x"


@pytest.mark.parametrize("wrong", [None, 1, ["https://u:t@example.org/x"], {}])
def test_anything_but_a_text_is_an_error_that_does_not_show_it(wrong: Any) -> None:
    for call in (GitAccess().filters()["git_access"], Redacted().filters()["redacted"]):
        with pytest.raises(AnsibleFilterError, match="takes a") as caught:
            call(wrong)
        assert "u:t@" not in str(caught.value)
