"""petal.hpc.tier_table: the door."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.tier_table import FilterModule

table = FilterModule().filters()["tier_table"]
SOFTWARE = {
    "spack_packages": ["zlib"],
    "build_from_source": [],
    "python_environments": [],
    "containers": [],
    "binary_cache": None,
    "build": {"timeout": "1h"},
}
PLAN = {
    "name": "a",
    "provider": "local",
    "fingerprint": "sha256:0",
    "reason": "none",
    "seed_arguments": "-e seed=a.yaml",
    "size_gb": 1,
    "seed": {"tier": "auto", "software": SOFTWARE},
}


def test_what_comes_out() -> None:
    found = table(PLAN, {"former": [], "root_gb": None})
    assert found["lines"][0] == "Nothing is built of a (sha256:0): none."
    assert [row["tier"] for row in found["rows"] if row["possible"]][:1] == ["volume"]
    assert {"tier", "possible", "not_possible", "takes", "costs", "start", "build_usd", "month_usd"} == set(
        found["rows"][0]
    )


@pytest.mark.parametrize("plan", [None, {}, {"provider": "local"}])
def test_what_is_no_plan(plan: object) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a plan and what is known"):
        table(plan, {})
