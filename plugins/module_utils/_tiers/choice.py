# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the software of a seed comes to the nodes of a cluster: what was asked for, else what there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.schema import TIERS
from ansible_collections.petal.hpc.plugins.module_utils._seed.tier_rules import WITH_IMAGE, misfit

#: What each is, in a few words.
IN_WORDS: Mapping[str, str] = {
    "auto": "left open: deploy_cluster takes what there is, a snapshot before an image",
    "volume": "on a volume that the nodes mount",
    "ami": "in the image of the nodes, which petal.hpc.build_ami makes",
    "containers": "images of containers alone, on a volume that the nodes mount",
    "source": "built on hosts of the cluster where no snapshot has it",
    "hybrid": "packages of software.in_ami in the image of the nodes, the others on a volume",
}
#: Providers whose nodes have machine images.
IMAGES = ("aws",)


@dataclass(frozen=True)
class Asked:
    """What was asked of this run; empty for what was not."""

    tier: str = ""
    image_id: str = ""
    snapshot_id: str = ""
    rollback: bool = False
    force: bool = False


@dataclass(frozen=True)
class Choice:
    """tier: empty where it is left open and nothing has the software. reason: why this one.

    image: whether an image has to be looked for. there: whether all that the tier needs is there. problem: why the run
    cannot go on, in one sentence; empty where it can.
    """

    tier: str
    reason: str
    image: bool = False
    there: bool = False
    problem: str = ""


def in_words(tier: str) -> str:
    """A tier, and what it is.

    >>> in_words("volume")
    'volume: on a volume that the nodes mount'
    """
    return f"{tier}: {IN_WORDS[tier]}"


def choose(plan: Mapping[str, Any], asked: Asked) -> Choice:
    """The tier of a run.

    plan: what the run is about, ``snapshots_plan``: seed, name, provider, and what was found, ``snapshot`` with
    ``reason``, ``image`` where one was looked for and found, and ``target`` where hosts of a cluster were asked.
    """
    problem = next(_contradictions(plan, asked), "")
    if problem:
        return Choice("", "", problem=problem)
    tier, reason = _meant(plan["seed"], asked)
    if tier == "auto":
        tier, reason = _what_is_there(plan)
    # A snapshot is cheaper than a call for images, and goes before one.
    looks = tier in WITH_IMAGE or (not tier and plan["provider"] in IMAGES)
    return Choice(tier, reason, looks, _there(tier, plan))


def _meant(seed: Mapping[str, Any], asked: Asked) -> tuple[str, str]:
    """What this run asks for, else the seed; auto where neither does."""
    hybrid = _is_hybrid(seed, asked)
    on_volume = "hybrid" if hybrid else asked.tier if asked.tier in ("volume", "containers") else "volume"
    if asked.image_id:
        return ("hybrid" if hybrid else "ami"), f"-e ami={asked.image_id} names the image"
    if asked.snapshot_id:
        return on_volume, f"-e snapshot_id={asked.snapshot_id} names the snapshot"
    if asked.rollback:
        return on_volume, "-e rollback=true goes back to what was deployed before"
    if asked.tier not in ("", "auto"):
        return asked.tier, f"-e tier={asked.tier} says so"
    if not asked.tier and seed["tier"] != "auto":
        return str(seed["tier"]), "the seed says so, tier"
    if seed["software"]["in_ami"]:
        return "hybrid", "the seed has packages of the nodes' image, software.in_ami"
    if seed["software"]["use_custom_ami"]:
        return "ami", "the seed names an image with its software, software.use_custom_ami"
    return "auto", ""


def _is_hybrid(seed: Mapping[str, Any], asked: Asked) -> bool:
    """Whether what is named of a seed is one of the two parts of a hybrid, with which the other one goes."""
    return asked.tier == "hybrid" or (asked.tier in ("", "auto") and bool(seed["software"]["in_ami"]))


def _what_is_there(plan: Mapping[str, Any]) -> tuple[str, str]:
    snapshot, image, deployed = _named(plan, "snapshot"), _named(plan, "image"), _named(plan, "target")
    if snapshot and image:
        return "volume", f"{snapshot} has the software, and so has {image}: a volume goes before an image"
    if snapshot:
        return "volume", f"{snapshot} has the software"
    if deployed:
        return "volume", f"{deployed}, which is deployed already, has the software"
    if image:
        return "ami", f"{image} has the software, and no snapshot has it"
    return "", str(plan.get("reason") or "nothing has the software")


def _there(tier: str, plan: Mapping[str, Any]) -> bool:
    volume = bool(_named(plan, "snapshot") or _named(plan, "target"))
    image = bool(_named(plan, "image"))
    return {"volume": volume, "containers": volume, "ami": image, "hybrid": image and volume, "source": True}.get(
        tier, False
    )


def _named(plan: Mapping[str, Any], what: str) -> str:
    found = plan.get(what) or {}
    return str(found.get("image_id" if what == "image" else "snapshot_id") or "")


def _contradictions(plan: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    given = f"tier={asked.tier}"
    if asked.tier not in ("", *TIERS):
        yield f'tier is "{asked.tier}". Expected {", ".join(TIERS[:-1])} or {TIERS[-1]}.'
    volume = f"snapshot_id={asked.snapshot_id}" if asked.snapshot_id else "rollback=true" if asked.rollback else ""
    both = volume and not _is_hybrid(plan["seed"], asked)
    if asked.image_id and (both or asked.tier not in ("", "auto", *WITH_IMAGE)):
        yield f"ami={asked.image_id} names an image, and {volume or given} a volume: give one of them."
    if volume and asked.tier in ("ami", "source"):
        yield f"{volume} means a volume that there is, and {given} none: give one of them."
    if plan.get("part"):
        meant = f"part={plan['part']} means what of {plan['name']} lives in the nodes' image"
        yield f"{meant}, and a cluster has all of the seed: leave part out."
    tier, _why = _meant(plan["seed"], asked)
    if asked.force and tier != "source":
        yield (
            "force=true builds anew what is there, and a cluster builds with the tier source alone. Leave it out, or "
            f"build first: ansible-playbook petal.hpc.{_makes(tier)} {plan['seed_arguments']} -e force=true"
        )
    found = misfit(tier, str(plan["provider"]), plan["seed"]["software"])
    if found:
        meant = f"ami={asked.image_id}" if asked.image_id else f"tier={tier}"
        yield f"{plan['name']} cannot be deployed with {meant}: {found.message}. {_sentence(found.hint)}"


def _makes(tier: str) -> str:
    """The playbook that builds what a tier takes; of a hybrid, what changes often."""
    return "build_ami" if tier == "ami" else "build_volume"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
