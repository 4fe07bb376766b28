# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operating systems, architectures, and which instance family has which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: Identifiers of the operating systems that a volume can be built for.
OPERATING_SYSTEMS = (
    "alinux2023",
    "ubuntu2204",
    "ubuntu2404",
    "rhel8",
    "rhel9",
    "rocky8",
    "rocky9",
    "debian12",
    "debian13",
)

#: The ones that AWS ParallelCluster 3.16 knows (its ``Image.Os``).
PCLUSTER_OPERATING_SYSTEMS = OPERATING_SYSTEMS[:7]

#: Those of which ParallelCluster publishes no image (its PRIVATE_OSES).
WITHOUT_IMAGE = ("rocky8", "rocky9")

#: Other spellings that people use.
OS_ALIASES: Mapping[str, str] = {
    "al2023": "alinux2023",
    "amazonlinux2023": "alinux2023",
    "amazon-linux-2023": "alinux2023",
    "amazon2023": "alinux2023",
    "amzn2023": "alinux2023",
    "ubuntu22.04": "ubuntu2204",
    "ubuntu-22.04": "ubuntu2204",
    "ubuntu24.04": "ubuntu2404",
    "ubuntu-24.04": "ubuntu2404",
    "bookworm": "debian12",
    "debian-12": "debian12",
    "trixie": "debian13",
    "debian-13": "debian13",
    "rockylinux8": "rocky8",
    "rockylinux9": "rocky9",
    "redhat8": "rhel8",
    "redhat9": "rhel9",
}

#: Distributions as os-release (``ID``) and Ansible's facts (``distribution``, in small letters) name them, where
#: that is not what seeds call them.
#: Facts of a host without /etc/redhat-release are the NAME of os-release.
_DISTRIBUTIONS: Mapping[str, str] = {
    "amzn": "alinux",
    "amazon": "alinux",
    "amazon linux": "alinux",
    "debian gnu/linux": "debian",
    "redhat": "rhel",
    "red hat enterprise linux": "rhel",
    "rocky linux": "rocky",
    "oraclelinux": "ol",
    "oracle linux server": "ol",
}

#: Rebuilds of one system: what runs on one of them runs on the others of its major release, as their makers state
#: (rockylinux.org and almalinux.org: binary compatible with RHEL; Oracle Linux: application binary compatible).
#: CentOS Stream is not among them: it is ahead of RHEL.
_REBUILDS = ("almalinux", "ol", "rhel", "rocky")

DEFAULT_AWS_OS = "alinux2023"

X86_64 = "x86_64"
ARM64 = "arm64"
ARCHITECTURES = (X86_64, ARM64)

#: The kernel's and Spack's names of the same things.
ARCHITECTURE_ALIASES: Mapping[str, str] = {"aarch64": ARM64, "amd64": X86_64}

#: What Spack compiles for when a seed names nothing: runs on all instance families of the last ten years.
DEFAULT_TARGETS: Mapping[str, str] = {X86_64: "x86_64_v3", ARM64: "aarch64"}

#: What Spack calls the operating systems of which it has another name.
_SPACK_OS: Mapping[str, str] = {"alinux2023": "amzn2023", "ubuntu2204": "ubuntu22.04", "ubuntu2404": "ubuntu24.04"}

# Targets of Spack by the architecture whose processors they are. Source: the table of microarchitectures that Spack
# 1.2 brings (archspec). Others of its table are of neither; of what it does not have nothing is known.
_TARGETS: Mapping[str, re.Pattern[str]] = {
    X86_64: re.compile(
        r"x86_64(_v[234])?|nocona|core2|nehalem|westmere|(sandy|ivy)bridge|haswell|broadwell|skylake(_avx512)?|mic_knl"
        r"|(cannon|cascade|ice)lake|sapphirerapids|k10|bulldozer|piledriver|steamroller|excavator|zen[2-5]?"
    ),
    ARM64: re.compile(
        r"aarch64|armv8\.[1-6]a|armv9\.0a|thunderx2|a64fx|cortex_a72|neoverse_(n1|n2|v1|v2)|ampere1a?|m[1-4]"
    ),
    "another": re.compile(
        r"x86|i686|pentium[2-4]|prescott|ppc(64)?(le)?|power([789]|10)|power([89]|10)le|arm|sparc(64)?|riscv64|u74mc|x60"
    ),
}

#: Build hosts when a seed names none.
DEFAULT_BUILD_INSTANCES: Mapping[str, str] = {X86_64: "c6a.4xlarge", ARM64: "c7g.4xlarge"}

# Source: Amazon EC2 instance type naming conventions. The letters after the generation tell the processor:
# a g among them means Graviton (c6g, m7gd, im4gn, hpc7g). In g4dn and gr6 the g stands before it: a graphics
# family on x86. Grace systems (p6e-gb200) are Arm, too.
_GRAVITON = re.compile(r"a1|[a-z]+[0-9]+[a-z]*g[a-z]*(-.*)?|[a-z]+[0-9]+[a-z]*-gb[0-9]+")


def architecture_of(instance_type: str) -> str:
    """Architecture of an EC2 instance type such as ``c6g.4xlarge``: ``x86_64`` or ``arm64``."""
    family = instance_type.split(".", 1)[0]
    return ARM64 if _GRAVITON.fullmatch(family) else X86_64


def canonical_os(name: str) -> str:
    """An operating system's identifier for any of its spellings; unknown ones come back as they are."""
    if name.lower() in OS_ALIASES:
        return OS_ALIASES[name.lower()]
    distribution = name.lower().rstrip("0123456789")
    return _DISTRIBUTIONS.get(distribution, distribution) + name[len(distribution) :]


def canonical_architecture(name: str) -> str:
    """``x86_64`` or ``arm64`` for any spelling; unknown ones come back as they are."""
    return ARCHITECTURE_ALIASES.get(name.lower(), name.lower())


def spack_os(name: str) -> str:
    """An operating system as Spack's ``os=`` has it: ``amzn2023`` for ``alinux2023``."""
    return _SPACK_OS.get(name, name)


def target_fits(target: str, architecture: str) -> bool:
    """Whether what stands behind Spack's ``target=`` (names, ranges, a list of them) can be had on an architecture.

    True where nobody can tell, because a name is unknown.
    """
    return any(
        all(name == "*" or _architecture_of_target(name) in ("", architecture) for name in part.split(":") if name)
        for part in target.split(",")
    )


def _architecture_of_target(name: str) -> str:
    return next((architecture for architecture, names in _TARGETS.items() if names.fullmatch(name)), "")


@dataclass(frozen=True)
class Host:
    """The machine on which a seed of provider local is built: ``debian12``, ``x86_64``; empty when unknown."""

    os: str = ""
    architecture: str = ""

    @classmethod
    def named(cls, os: str, architecture: str) -> Host:
        """A host by any spelling of its operating system and architecture."""
        return cls(canonical_os(os), canonical_architecture(architecture))


UNKNOWN_HOST = Host()


def os_named(distribution: str, version: str) -> str:
    """``debian12``, ``ubuntu2204``, ``alinux2023`` from ID and VERSION_ID of os-release, or the same facts of Ansible.

    All but Ubuntu name a release by the first part of its version (9.4 is rhel9). Source: os-release(5).
    """
    name = distribution.lower()
    release = version.replace(".", "") if name == "ubuntu" else version.split(".", 1)[0]
    return canonical_os(name + release)


def compatible_os(name: str) -> tuple[str, ...]:
    """The operating systems on which software for this one runs; itself among them."""
    distribution = name.rstrip("0123456789")
    if distribution in _REBUILDS:
        return tuple(rebuild + name[len(distribution) :] for rebuild in _REBUILDS)
    return (name,)


def mismatch(wanted: Host, found: Host) -> str:
    """Why software for one host cannot be built or used on another, in words; empty where it can.

    wanted: what the seed says, or the volume. found: what the machine is, as os_named and the kernel have it.
    """
    reasons = []
    if found.os not in compatible_os(wanted.os):
        reasons.append(f"its operating system is {found.os or 'unknown'}, not {wanted.os}")
    if found.architecture != wanted.architecture:
        reasons.append(f"its architecture is {found.architecture or 'unknown'}, not {wanted.architecture}")
    return " and ".join(reasons)
