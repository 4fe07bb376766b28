"""Ages as people write them."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.ages import parse_age
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

DAY = 86400


@pytest.mark.parametrize(("text", "seconds"), [("90d", 90 * DAY), ("12h", 43200), ("2w", 14 * DAY), ("0d", 0)])
def test_ages(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5d", "90 d", "1y", "1d\n1d"])
def test_no_ages(text: str) -> None:
    with pytest.raises(PetalError, match=r"older_than is .+; expected a number and its unit"):
        parse_age(text, "older_than")
