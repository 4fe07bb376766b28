"""How software comes to the nodes: what is asked for, what the seed says, what there is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.schema import TIERS
from ansible_collections.petal.hpc.plugins.module_utils._tiers import choice
from ansible_collections.petal.hpc.plugins.module_utils._tiers.choice import Asked, choose, in_words

SNAPSHOT = {"snapshot_id": "snap-1"}
IMAGE = {"image_id": "ami-1"}


def plan(
    provider: str = "aws", tier: str = "auto", software: dict[str, Any] | None = None, **found: Any
) -> dict[str, Any]:
    """A plan of a run; found: snapshot, image, target, as far as there are any."""
    of_seed = {"spack_packages": ["zlib"], "in_ami": [], "use_custom_ami": False, "containers": [], **(software or {})}
    return {
        "name": "bio",
        "provider": provider,
        "seed": {"tier": tier, "software": of_seed},
        "seed_arguments": "-e seed=bio.yaml",
        "snapshot": None,
        "reason": "local: no snapshot matches",
        **found,
    }


#: plan, asked, tier, part of the reason, whether an image is looked for, whether all is there.
CHOICES: list[tuple[dict[str, Any], Asked, str, str, bool, bool]] = [
    # What there is.
    (plan(snapshot=SNAPSHOT), Asked(), "volume", "snap-1 has the software", False, True),
    (plan(snapshot=SNAPSHOT), Asked(tier="auto"), "volume", "snap-1 has the software", False, True),
    (plan("local", snapshot=SNAPSHOT), Asked(), "volume", "snap-1", False, True),
    (plan(image=IMAGE), Asked(), "ami", "ami-1 has the software, and no snapshot has it", True, True),
    (plan(snapshot=SNAPSHOT, image=IMAGE), Asked(), "volume", "and so has ami-1: a volume goes before", False, True),
    (plan("local", target=SNAPSHOT), Asked(), "volume", "snap-1, which is deployed already", False, True),
    (plan("local", target={"snapshot_id": ""}), Asked(), "", "no snapshot matches", False, False),
    (plan(), Asked(), "", "no snapshot matches", True, False),
    (plan("local"), Asked(), "", "no snapshot matches", False, False),
    # What the seed has.
    (plan(software={"in_ami": ["cmake"]}, image=IMAGE), Asked(), "hybrid", "software.in_ami", True, False),
    (plan(software={"in_ami": ["cmake"]}, image=IMAGE, snapshot=SNAPSHOT), Asked(), "hybrid", "in_ami", True, True),
    (plan(software={"in_ami": ["cmake"]}), Asked(snapshot_id="snap-1"), "hybrid", "snapshot_id=snap-1", True, False),
    (plan(tier="hybrid", software={"in_ami": ["cmake"]}), Asked(image_id="ami-1"), "hybrid", "ami=ami-1", True, False),
    (plan(software={"in_ami": ["cmake"]}), Asked("", "ami-1", "snap-1"), "hybrid", "ami=ami-1", True, False),
    (plan(software={"in_ami": ["cmake"]}), Asked(tier="auto", rollback=True), "hybrid", "rollback", True, False),
    (plan(software={"use_custom_ami": True}, snapshot=SNAPSHOT), Asked(), "ami", "use_custom_ami", True, False),
    # What it says.
    (plan(tier="volume"), Asked(), "volume", "the seed says so", False, False),
    (plan(tier="ami", snapshot=SNAPSHOT), Asked(), "ami", "the seed says so", True, False),
    (plan(tier="ami", snapshot=SNAPSHOT), Asked(tier="auto"), "volume", "snap-1", False, True),
    (
        plan("local", "containers", {"containers": [1], "spack_packages": []}, snapshot=SNAPSHOT),
        Asked(),
        "containers",
        "seed",
        False,
        True,
    ),
    # What is asked for.
    (plan(tier="volume", snapshot=SNAPSHOT), Asked(tier="ami"), "ami", "-e tier=ami says so", True, False),
    (plan(tier="volume", snapshot=SNAPSHOT), Asked(image_id="ami-1"), "ami", "-e ami=ami-1", True, False),
    (plan(tier="ami", snapshot=SNAPSHOT), Asked(snapshot_id="snap-1"), "volume", "-e snapshot_id=snap-1", False, True),
    (plan("local", target=SNAPSHOT), Asked(rollback=True), "volume", "what was deployed before", False, True),
    (
        plan(software={"use_custom_ami": True}, snapshot=SNAPSHOT),
        Asked(tier="volume"),
        "volume",
        "says so",
        False,
        True,
    ),
]


@pytest.mark.parametrize(("about", "asked", "tier", "reason", "image", "there"), CHOICES)
def test_what_is_chosen(about: dict[str, Any], asked: Asked, tier: str, reason: str, image: bool, there: bool) -> None:
    found = choose(about, asked)
    assert (found.problem, found.tier, found.image, found.there) == ("", tier, image, there)
    assert reason in found.reason


REFUSED: list[tuple[dict[str, Any], Asked, str]] = [
    (plan(), Asked(tier="cloud"), 'tier is "cloud". Expected auto, volume, ami, containers, source or hybrid.'),
    (plan(), Asked(image_id="ami-1", tier="volume"), "ami=ami-1 names an image, and tier=volume a volume: give one"),
    (plan(), Asked(image_id="ami-1", snapshot_id="snap-1"), "and snapshot_id=snap-1 a volume: give one of them"),
    (plan(), Asked(tier="ami", snapshot_id="snap-1"), "snapshot_id=snap-1 means a volume that there is, and tier=ami"),
    (plan("local"), Asked(tier="ami"), "bio cannot be deployed with tier=ami: an image is one of AWS"),
    (plan("local"), Asked(image_id="ami-1"), "bio cannot be deployed with ami=ami-1: an image is one of AWS"),
    (plan(), Asked(tier="containers"), "the seed has no images in software.containers. Name them there, or leave it"),
    (plan(part="ami", snapshot=SNAPSHOT), Asked(), "part=ami means what of bio lives in the nodes' image"),
    (plan(software={"in_ami": ["cmake"]}), Asked(tier="volume"), "which is the tier hybrid"),
    (plan(snapshot=SNAPSHOT), Asked(force=True), "playbook petal.hpc.build_volume -e seed=bio.yaml -e force=true"),
    (plan(), Asked(tier="volume", force=True), "force=true builds anew what is there, and a cluster builds with the"),
    (plan(tier="ami"), Asked(force=True), "ansible-playbook petal.hpc.build_ami -e seed=bio.yaml -e force=true"),
    (plan("local", "source"), Asked(rollback=True, force=True), "the tier source alone. Leave it out"),
]


@pytest.mark.parametrize(("about", "asked", "says"), REFUSED)
def test_what_is_refused(about: dict[str, Any], asked: Asked, says: str) -> None:
    assert says in choose(about, asked).problem


def test_what_is_built_on_the_cluster_needs_nothing_that_is_there() -> None:
    """Whether its hosts can build it is what the role source_build looks at."""
    for found in (choose(plan("local"), Asked(tier="source")), choose(plan("local", "source"), Asked())):
        assert (found.tier, found.there, found.image, found.problem) == ("source", True, False, "")


def test_each_has_words() -> None:
    assert sorted(choice.IN_WORDS) == sorted(TIERS)
    assert in_words("hybrid").startswith("hybrid: packages of software.in_ami in the image")
