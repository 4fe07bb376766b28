# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How software comes to the nodes, and which seeds can be brought so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import Draft, Finding, Rule
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR

#: Tiers whose software is in the image of the nodes, all of it or a part.
WITH_IMAGE = ("ami", "hybrid")
#: Keys of what has to be compiled or installed, which images of containers are not.
INSTALLED = ("spack_packages", "build_from_source", "stacks", "python_environments")


@dataclass(frozen=True)
class Misfit:
    """Why a seed cannot come to nodes in a certain way, and what to do."""

    message: str
    hint: str


def misfit(tier: str, provider: str, software: Mapping[str, Any]) -> Misfit | None:
    """Of a tier and a seed; None where they fit.

    software: of the seed, with or without its defaults.
    """
    if tier in WITH_IMAGE and provider == "local":
        return Misfit(
            "an image is one of AWS, and nodes of the provider local mount a volume", "leave it out, or write volume"
        )
    in_ami = software.get("in_ami")
    if tier == "hybrid" and not in_ami:
        return Misfit(
            "hybrid has some packages in the nodes' image and the others on a volume, and software.in_ami names none",
            "name those of the image in software.in_ami, or write volume or ami for all of them",
        )
    if tier not in ("auto", "hybrid") and in_ami:
        return Misfit(
            "software.in_ami names packages of the nodes' image for the rest on a volume, which is the tier hybrid",
            "write hybrid, or move those of software.in_ami to software.spack_packages",
        )
    return _of_containers(software) if tier == "containers" else None


def _of_containers(software: Mapping[str, Any]) -> Misfit | None:
    installed = [f"software.{key}" for key in INSTALLED if software.get(key)]
    if not software.get("containers"):
        return Misfit("the seed has no images in software.containers", "name them there, or leave it out")
    if installed:
        return Misfit(
            f"it is for images alone, beside which nothing is compiled or installed, and the seed asks for "
            f"{' and '.join(installed)}",
            "write volume, which has the images of containers too; or take those out",
        )
    return None


def tier_fits(seed: Draft) -> Iterator[Finding]:
    tier, software = seed.get("tier") or "auto", seed.get("software") or {}
    wrong = any(seed.report.is_wrong(("software", key)) for key in ("in_ami", "containers", *INSTALLED))
    found = None if wrong else misfit(tier, seed.provider, software)
    if found is None and tier in ("volume", "containers", "source") and software.get("use_custom_ami"):
        message = "software.use_custom_ami says that the software is in the image of the nodes, compute.custom_ami"
        found = Misfit(message, "leave one of the two out; -e tier=volume deploys the volume for once")
    if found:
        yield Finding(("tier",), found.message, tier, hint=found.hint)


RULES: tuple[tuple[str, Rule], ...] = ((ERROR, tier_fits),)
