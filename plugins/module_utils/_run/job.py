# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different where a run is a job of AWX: localhost is a container that ends with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Extra variables by which a run knows that it is a job: AWX gives both, Tower the second one alone.
MARKS = frozenset(["awx_job_id", "tower_job_id"])

#: What a playbook needs of the own store: nothing, the store itself, or some store, which may be one of others.
NOTHING, OWN, ANY = NEEDS = ("", "own", "any")


@dataclass(frozen=True)
class Store:
    """The own store of a run, as the playbooks have it.

    need: one of NEEDS. path: where it is. there: whether localhost has such a directory. named: whether somebody says
    which host keeps it. provider: of what the run is about. others: stores of others, and what else may have snapshots.
    """

    need: str
    path: str
    there: bool
    named: bool
    provider: str
    others: bool = False


def is_job(extra: Iterable[str]) -> bool:
    """Whether extra variables of these names are those of a job."""
    return not MARKS.isdisjoint(extra)


def provider_of(seed: Any, region: str) -> str:
    """For which provider a seed is. region: what the run says instead of the seed's; empty where it says nothing."""
    cluster = seed.get("cluster") if isinstance(seed, Mapping) else None
    cluster = cluster if isinstance(cluster, Mapping) else {}
    return str(cluster.get("provider") or ("aws" if region or cluster.get("region") else "local"))


def no_store(store: Store) -> str:
    """Why a job would look into a store, or fill one, that nobody ever sees again; empty where it would not."""
    if store.need == NOTHING or store.named or store.there or store.provider != "local":
        return ""
    if store.need == ANY and store.others:
        return ""
    return (
        f"There is no store at {store.path} on localhost, which is the container of this AWX job, and nothing lasts of "
        "what is made in it: name the host that builds and keeps the store, as build_host in the inventory's variables "
        "for all or with -e build_host=HOST (localhost where a directory that lasts is mounted there)."
    )
