"""A run that names what it deploys: who has to be asked, and what is known without."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed import pins
from ansible_collections.petal.hpc.plugins.module_utils._tiers.choice import Asked
from ansible_collections.petal.hpc.plugins.module_utils._tiers.named import Stands, stands

MOVING = {"spack": "develop", "ghcr.io/lab/bio:v1": "ghcr.io/lab/bio:v1"}
KNOWN = {"spack": "1" * 40, "ghcr.io/lab/bio:v1": "sha256:" + "a" * 64}
NAMED = Asked(snapshot_id="snap-1")
OWN = {"type": "local", "priority": 1}
STORE = {"type": "organization", "priority": 2, "store": "/srv/shared", "enabled": True}
ACCOUNT = {"type": "organization", "priority": 3, "account": "123456789012", "enabled": True}
OFFICIAL = {"type": "official", "priority": 4, "enabled": True}


def plan(*sources: dict[str, Any], provider: str = "local") -> dict[str, Any]:
    return {"provider": provider, "seed": {"snapshot_sources": [*(sources or (OWN,))]}}


def found(**known: str) -> dict[str, Any]:
    return {"snapshot": {"snapshot_id": "snap-1", "tags": pins.to_tags(known)}, "reason": "it is the only one"}


NOTHING = {"snapshot": None, "reason": "there is none to use; local: no snapshot matches id snap-1"}


def test_a_snapshot_says_what_the_seed_stood_for() -> None:
    seen = stands(MOVING, plan(), found(**KNOWN), (), NAMED)
    assert (seen.asks, seen.known) == (False, KNOWN)
    assert seen.says == (
        "What develop, ghcr.io/lab/bio:v1 in the seed stands for now was not looked up: snap-1 is compared with the "
        f"seed by what it stood for when that was built (develop {'1' * 40}, ghcr.io/lab/bio:v1 sha256:{'a' * 64})."
    )


def test_one_that_does_not_say_all_of_it_is_asked_about() -> None:
    seen = stands(MOVING, plan(), found(spack="1" * 40), (), NAMED)
    assert (seen.asks, seen.known) == (True, {})
    assert "snap-1 does not say what ghcr.io/lab/bio:v1 stood for when it was built" in seen.says


@pytest.mark.parametrize("seen", [NOTHING, found(), {}])
def test_what_is_deployed_already_is_used_as_it_is(seen: dict[str, Any]) -> None:
    found_out = stands(MOVING, plan(), seen, ["snap-1"], NAMED)
    assert not found_out.asks and not found_out.known
    assert "snap-1 is deployed already" in found_out.says


def test_who_goes_back_asks_nobody_and_aws_does_not_go_back() -> None:
    back = stands(MOVING, plan(), {}, (), Asked(rollback=True))
    assert not back.asks and "what was deployed before is used as it is" in back.says
    assert stands(MOVING, plan(provider="aws"), {}, (), Asked(rollback=True)) == Stands()


@pytest.mark.parametrize(
    ("sources", "sure"),
    [
        ((OWN,), True),
        ((OWN, STORE), True),
        ((OWN, {**ACCOUNT, "enabled": False}), True),
        ((OWN, ACCOUNT), False),
        ((OWN, OFFICIAL), False),
    ],
)
def test_what_is_not_there_is_said_without_asking_where_that_is_sure(sources: Any, sure: bool) -> None:
    seen = stands(MOVING, plan(*sources), NOTHING, (), NAMED)
    assert seen == (Stands(False, reason=str(NOTHING["reason"])) if sure else Stands())


@pytest.mark.parametrize("asked", [Asked(), Asked(tier="volume"), Asked(image_id="ami-1")])
def test_who_names_nothing_asks(asked: Asked) -> None:
    assert stands(MOVING, plan(), found(**KNOWN), ["snap-1"], asked) == Stands()


def test_a_seed_in_which_nothing_moves_needs_nothing() -> None:
    assert stands({}, plan(), NOTHING, (), NAMED) == Stands()
