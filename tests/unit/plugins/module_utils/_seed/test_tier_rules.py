"""Which seeds can come to nodes in which way."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import FULL, LOCAL, changed, faults, problems, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed.fingerprint import fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._seed.schema import TIERS
from ansible_collections.petal.hpc.plugins.module_utils._seed.tier_rules import misfit

IMAGES = [{"name": "bio", "image": "registry.example/bio:v1", "modules": ["samtools"]}]
AWS = changed(FULL, "software", "python_environments", [])
ALONE = {"cluster": {"name": "x"}, "software": {"containers": IMAGES}}


def test_a_seed_leaves_it_open_and_no_tier_decides_bytes() -> None:
    assert seed(LOCAL).tier == "auto"
    given = [changed(AWS, "tier", tier) for tier in ("auto", "volume", "source", "ami")]
    assert [seed(one).tier for one in given] == ["auto", "volume", "source", "ami"]
    assert {fingerprint(seed(one)) for one in given} == {fingerprint(seed(AWS))}


def test_another_word_is_none() -> None:
    (found,) = problems(changed(LOCAL, "tier", "volumes"))
    assert (found.path, found.expected) == ("tier", "one of " + ", ".join(TIERS))


CONTRADICTIONS: list[tuple[dict[str, Any], str, str]] = [
    (LOCAL, "ami", "an image is one of AWS, and nodes of the provider local mount a volume"),
    (LOCAL, "hybrid", "an image is one of AWS"),
    (LOCAL, "containers", "the seed has no images in software.containers"),
    (
        changed(ALONE, "software", "spack_packages", ["zlib"]),
        "containers",
        "beside which nothing is compiled or installed, and the seed asks for software.spack_packages",
    ),
    (
        changed(ALONE, "software", "python_environments", [{"name": "py", "packages": ["numpy"]}]),
        "containers",
        "the seed asks for software.python_environments",
    ),
    (AWS, "hybrid", "software.in_ami names none"),
    (
        changed(AWS, "software", "use_custom_ami", True),
        "volume",
        "software.use_custom_ami says that the software is in the image",
    ),
    (changed(AWS, "software", "use_custom_ami", True), "source", "software.use_custom_ami says"),
]


@pytest.mark.parametrize(
    ("data", "tier", "says"), CONTRADICTIONS, ids=[f"{t}-{n}" for n, (_d, t, _s) in enumerate(CONTRADICTIONS)]
)
def test_what_contradicts_itself_is_refused(data: dict[str, Any], tier: str, says: str) -> None:
    found = faults(changed(data, "tier", tier))
    assert list(found) == ["tier"]
    assert says in found["tier"]
    assert faults(changed(data, "tier", "auto")) == {}


@pytest.mark.parametrize("tier", ["volume", "ami", "containers", "source"])
def test_packages_of_the_image_are_for_hybrid_alone(tier: str) -> None:
    found = misfit(tier, "aws", {"in_ami": ["cmake"], "containers": IMAGES})
    assert found is not None
    assert "which is the tier hybrid" in found.message
    assert misfit("hybrid", "aws", {"in_ami": ["cmake"]}) is None
    assert misfit("auto", "aws", {"in_ami": ["cmake"]}) is None


@pytest.mark.parametrize("tier", ["auto", "volume", "containers", "source"])
def test_what_fits(tier: str) -> None:
    assert seed(changed(ALONE, "tier", tier)).tier == tier


def test_what_is_wrong_on_its_own_is_said_once() -> None:
    wrong = changed(changed(LOCAL, "software", "containers", "bio"), "tier", "containers")
    assert list(faults(wrong)) == ["software.containers"]
