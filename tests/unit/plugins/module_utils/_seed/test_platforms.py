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


@pytest.mark.parametrize(
    ("distribution", "version", "name"),
    [
        # as os-release has it, and as Ansible's facts do
        ("debian", "12", "debian12"),
        ("Debian", "12.11", "debian12"),
        ("ubuntu", "22.04", "ubuntu2204"),
        ("Ubuntu", "24.04", "ubuntu2404"),
        ("amzn", "2023", "alinux2023"),
        ("Amazon", "2023", "alinux2023"),
        ("rhel", "9.4", "rhel9"),
        ("RedHat", "9.4", "rhel9"),
        ("Red Hat Enterprise Linux", "9.6", "rhel9"),
        ("Rocky Linux", "9.4", "rocky9"),
        ("rocky", "8.10", "rocky8"),
        ("Rocky", "8.10", "rocky8"),
        ("almalinux", "9.4", "almalinux9"),
        ("AlmaLinux", "9.4", "almalinux9"),
        ("OracleLinux", "9.4", "ol9"),
        ("arch", "", "arch"),
        ("", "", ""),
    ],
)
def test_a_system_has_one_name_whoever_says_it(distribution: str, version: str, name: str) -> None:
    assert platforms.os_named(distribution, version) == name


@pytest.mark.parametrize(
    ("wanted", "found", "says"),
    [
        ("debian12 x86_64", "debian12 x86_64", ""),
        ("rocky9 x86_64", "rhel9 x86_64", ""),
        ("rhel9 arm64", "almalinux9 arm64", ""),
        ("rhel9 x86_64", "ol9 x86_64", ""),
        ("rocky9 x86_64", "rhel8 x86_64", "its operating system is rhel8, not rocky9"),
        ("rhel9 x86_64", "centos9 x86_64", "its operating system is centos9, not rhel9"),
        ("debian12 x86_64", "debian13 x86_64", "its operating system is debian13, not debian12"),
        ("debian12 arm64", "debian12 x86_64", "its architecture is x86_64, not arm64"),
        ("alinux2023 x86_64", "debian12 x86_64", "its operating system is debian12, not alinux2023"),
        ("debian12 x86_64", "debian12 riscv64", "its architecture is riscv64, not x86_64"),
        ("rocky9 arm64", "debian12 x86_64", "is debian12, not rocky9 and its architecture is x86_64, not arm64"),
    ],
)
def test_what_a_seed_says_is_compared_with_what_a_host_is(wanted: str, found: str, says: str) -> None:
    why = platforms.mismatch(platforms.Host(*wanted.split()), platforms.Host(*found.split()))
    assert says in why
    assert bool(why) == bool(says)


def test_what_nobody_knows_of_a_host_does_not_match() -> None:
    why = platforms.mismatch(platforms.Host("debian12", "x86_64"), platforms.UNKNOWN_HOST)
    assert why == "its operating system is unknown, not debian12 and its architecture is unknown, not x86_64"


@pytest.mark.parametrize("name", platforms.OPERATING_SYSTEMS)
def test_every_system_is_compatible_with_itself(name: str) -> None:
    assert name in platforms.compatible_os(name)
