"""petal.hpc.tier_choice: the door."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.tier_choice import FilterModule

choose = FilterModule().filters()["tier_choice"]
SEED = {"tier": "auto", "software": {"in_ami": [], "use_custom_ami": False}}


def test_what_comes_out() -> None:
    plan = {"name": "a", "provider": "local", "seed": SEED, "snapshot": {"snapshot_id": "snap-1"}}
    assert choose(plan, {"tier": "", "image_id": None, "rollback": False}) == {
        "tier": "volume",
        "reason": "snap-1 has the software",
        "image": False,
        "there": True,
        "problem": "",
    }


@pytest.mark.parametrize("plan", [None, {}, {"provider": "local"}])
def test_what_is_no_plan(plan: object) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a plan and what is asked for"):
        choose(plan, {})
