"""petal.hpc.tier_named: the door."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.tier_named import FilterModule

named = FilterModule().filters()["tier_named"]
SEED = {"moving": {"spack": "develop"}, "plan": {"provider": "local", "seed": {"snapshot_sources": []}}}


def test_what_comes_out() -> None:
    assert named(SEED, {"snapshot": None, "reason": "nothing has it"}, [], {"snapshot_id": "snap-1"}) == {
        "asks": False,
        "known": {},
        "reason": "nothing has it",
        "says": "",
    }
    assert named(SEED, {}, [], {"snapshot_id": None, "rollback": False})["asks"]


@pytest.mark.parametrize("seed", [None, {}, {"moving": {"spack": "develop"}}])
def test_what_is_no_seed(seed: object) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a seed and what is asked for"):
        named(seed, {}, [], {"snapshot_id": "snap-1"})
