# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each tier would take and cost where nothing is built, and how it is started. What nobody knows is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.words import price, usd
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import BUILD_ID
from ansible_collections.petal.hpc.plugins.module_utils._report.model import seconds_of
from ansible_collections.petal.hpc.plugins.module_utils._seed.asked import specs
from ansible_collections.petal.hpc.plugins.module_utils._seed.schema import TIERS
from ansible_collections.petal.hpc.plugins.module_utils._seed.tier_rules import misfit

#: A build's id begins with the moment at which it began.
_BEGAN = re.compile(r"([0-9]{8}T[0-9]{6}Z)-")
_WIDTH = 12


@dataclass(frozen=True)
class Known:
    """What was found out for the table.

    prices, estimate: of petal.hpc.aws_price_info, for a build of the seed; empty where there are none, for the reason
    unpriced. root_gb: of the image that a machine image begins with; None where nobody knows. former: the snapshots
    of earlier builds of the same name.
    """

    prices: Mapping[str, Any] = field(default_factory=dict)
    estimate: Mapping[str, Any] = field(default_factory=dict)
    unpriced: str = ""
    root_gb: int | None = None
    former: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Row:
    """One tier. not_possible: why, in one clause; empty where it is. start: commands, in their order.

    build_usd: of a build, at most; month_usd: of what stays of it. None where nobody knows.
    """

    tier: str
    not_possible: str = ""
    takes: str = ""
    costs: str = ""
    start: tuple[str, ...] = ()
    build_usd: float | None = None
    month_usd: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "possible": not self.not_possible, "start": list(self.start)}


def rows(plan: Mapping[str, Any], known: Known) -> list[Row]:
    """All tiers, those that cannot be as well.

    plan: what the run is about, ``snapshots_plan``.
    """
    return [_row(tier, plan, known) for tier in TIERS if tier != "auto"]


def _row(tier: str, plan: Mapping[str, Any], known: Known) -> Row:
    unfit = misfit(tier, str(plan["provider"]), plan["seed"]["software"])
    if unfit:
        return Row(tier, unfit.message)
    costs, build_usd, month_usd = _costs(tier, plan, known)
    return Row(tier, "", _takes(tier, plan, known), costs, tuple(_start(tier, plan)), build_usd, month_usd)


def _takes(tier: str, plan: Mapping[str, Any], known: Known) -> str:
    software = plan["seed"]["software"]
    counted = [
        (len(specs(software)), "spec of Spack and what it needs", "specs of Spack and what they need"),
        (len(software["python_environments"]), "Python environment", "Python environments"),
        (len(software["containers"]), "image of a container", "images of containers"),
    ]
    what = ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counted if count)
    where = {"source": ", on the cluster itself", "ami": "; then minutes for the image"}.get(tier, "")
    most = f"at most {software['build']['timeout']} (software.build.timeout){where}"
    return f"{what or 'no packages'}: {most}; {_earlier(str(plan['name']), known.former)}"


def _earlier(name: str, former: Iterable[Mapping[str, Any]]) -> str:
    """How long the newest of the earlier builds took, from its beginning to its snapshot."""
    for one in former:
        began = _BEGAN.match(str((one.get("tags") or {}).get(BUILD_ID, "")))
        if began is None:
            continue
        try:
            first = datetime.strptime(began[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
            last = datetime.strptime(str(one["created"]), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        except (KeyError, ValueError):
            continue
        if last > first:
            return f"the last build of {name} took {seconds_of((last - first).total_seconds())} ({one['created'][:10]})"
    return f"no earlier build of {name} tells how long"


def _costs(tier: str, plan: Mapping[str, Any], known: Known) -> tuple[str, float | None, float | None]:
    """In words, and for a build and a month in US dollars."""
    if plan["provider"] == "local":
        return "none: it is built and kept on hosts of your own", 0.0, 0.0
    if not known.estimate:
        return f"unknown: {known.unpriced or 'nobody has asked for prices'}", None, None
    sums, source = known.estimate, str(known.prices.get("source") or "an unknown source")
    kept: float | None = sums["snapshot_month_usd"]
    if tier == "source":
        stays = f"its snapshot at most {usd(kept)} USD a month, its volume {usd(sums['volume_month_usd'])}"
        return f"what the cluster costs meanwhile, which is unknown before there is one; {stays}", None, kept
    words = f"{price(sums, source)}; the volume of a cluster {usd(sums['volume_month_usd'])} USD a month"
    if tier in ("ami", "hybrid"):
        gb_month = known.prices.get("snapshot_gb_month_usd")
        size = None if known.root_gb is None else known.root_gb + plan["size_gb"]
        month = None if gb_month is None or size is None else round(gb_month * size, 2)
        words = f"{price(sums, source)}; the image at most {usd(month)} USD a month beside it"
        kept = None if kept is None or month is None else round(kept + month, 2)
    return words, sums["most_usd"], kept


def _start(tier: str, plan: Mapping[str, Any]) -> Iterator[str]:
    arguments = str(plan["seed_arguments"])
    made_by = {"ami": ["build_ami"], "hybrid": ["build_ami", "build_volume"], "source": []}
    for playbook in made_by.get(tier, ["build_volume"]):
        yield f"ansible-playbook petal.hpc.{playbook} {arguments}"
    # Beside an image there is the snapshot that it was made of, which goes before it.
    asked = f" -e tier={tier}" if tier in ("ami", "source") and plan["seed"]["tier"] != tier else ""
    if tier == "source" and plan["provider"] == "aws" and "head_node_key_file" not in arguments:
        asked += " -e head_node_key_file=FILE"
    yield f"ansible-playbook petal.hpc.deploy_cluster {arguments}{asked}"


def lines(plan: Mapping[str, Any], known: Known) -> list[str]:
    """The table, as people read it, and what is to be said of it."""
    found = [f"Nothing is built of {plan['name']} ({plan['fingerprint']}): {plan['reason']}."]
    if plan.get("tier"):
        found.append(f"The tier is {plan['tier']}: {plan['tier_reason']}.")
    if plan.get("image_reason"):
        found.append(f"No image either: {plan['image_reason']}.")
    found += ["What each tier would take and cost, and how it is started:", ""]
    for row in rows(plan, known):
        cells = [("no", row.not_possible)] if row.not_possible else [("takes", row.takes), ("costs", row.costs)]
        cells += [("start" if not number else "then", command) for number, command in enumerate(row.start)]
        for number, (label, text) in enumerate(cells):
            found.append(f"{'' if number else row.tier:<{_WIDTH}}{label:<7}{text}")
    return [*found, "", _cache(plan), *(str(note) for note in known.prices.get("notes", ()))]


def _cache(plan: Mapping[str, Any]) -> str:
    software = plan["seed"]["software"]
    cache = software["binary_cache"]
    if not cache:
        return "Build cache: the seed names none (software.binary_cache), so that all of it is built."
    where = f"s3://{'/'.join(filter(None, (cache['s3_bucket'], cache['s3_prefix'])))}"
    # The playbook cache refuses both: what they are is known to a build alone.
    alone = "recipes of its own (software.spack.repos)" if software.get("spack", {}).get("repos") else ""
    alone = alone or ("packages of an image (software.in_ami)" if software["in_ami"] else "")
    if alone:
        return f"Build cache {where}: how much of it is there shows when it is built, as the seed has {alone}."
    how = f"ansible-playbook petal.hpc.cache -e action=status {plan['seed_arguments']}"
    # Spack chooses for the host that it runs on, which one of provider local is by itself.
    other = (
        f", on a host with {plan['seed']['cluster']['os']} (-e build_host=HOST)" if plan["provider"] == "aws" else ""
    )
    unknown = f"how much of it is there, and need not be built, is unknown until somebody asks{other}"
    return f"Build cache {where}: {unknown}: {how}"
