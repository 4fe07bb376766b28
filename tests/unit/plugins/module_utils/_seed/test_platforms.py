"""Operating systems, architectures and instance families."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed import platforms

GRAVITON = "a1 c6g c6gd c6gn c7g c7gn c8g c8gb g5g hpc7g i4g i8g im4gn is4gen m6g m7gd m8g r8g t4g x2gd x8g p6e-gb200"
X86 = (
    "c5 c5n c6a c7i c7i-flex g4ad g4dn g5 g6 g6e gr6 hpc6a hpc6id hpc7a "
    "i3en inf2 m5 p3dn p4d p4de p5 r6i t3 trn1 u7in-16tb vt1 x2idn z1d"
)


@pytest.mark.parametrize("family", GRAVITON.split())
def test_arm_families(family: str) -> None:
    assert platforms.architecture_of(f"{family}.4xlarge") == "arm64"


@pytest.mark.parametrize("family", X86.split())
def test_x86_families(family: str) -> None:
    assert platforms.architecture_of(f"{family}.4xlarge") == "x86_64"


def test_aliases_name_known_systems() -> None:
    assert set(platforms.OS_ALIASES.values()) <= set(platforms.OPERATING_SYSTEMS)
    assert not set(platforms.OS_ALIASES) & set(platforms.OPERATING_SYSTEMS)
    assert platforms.canonical_os("AL2023") == "alinux2023"
    assert platforms.Host.named("Debian12", "aarch64") == platforms.Host("debian12", "arm64")
