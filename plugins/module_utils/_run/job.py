# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run works if nobody says so. As a job of AWX not on localhost: that is a container, which ends with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Extra variables by which a run knows that it is a job: AWX gives both, Tower the second one alone.
MARKS = frozenset(["awx_job_id", "tower_job_id"])

#: What a playbook needs of the own store: nothing, the store itself, or some store, which may be one of others.
NOTHING, OWN, ANY = NEEDS = ("", "own", "any")

#: The groups of an inventory that make a cluster. Without any of them it is localhost alone.
HEAD, *CLIENTS = NODES = ("head", "compute", "login")


@dataclass(frozen=True)
class Store:
    """The own store of a run, as the playbooks have it.

    need: one of NEEDS. path: where it is. there: whether localhost has such a directory. named: whether somebody says
    which host keeps it. others: stores of others, and what else may have snapshots.
    """

    need: str
    path: str
    there: bool
    named: bool
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
    if store.need == NOTHING or store.named or store.there:
        return ""
    if store.need == ANY and store.others:
        return ""
    return (
        f"There is no store at {store.path} on localhost, which is the container of this AWX job, and nothing lasts of "
        "what is made in it: name the host that builds and keeps the store, as build_host in the inventory's variables "
        "for all or with -e build_host=HOST (localhost where a directory that lasts is mounted there)."
    )


def no_head(groups: Mapping[str, Collection[str]], wanted: Collection[str], job: bool) -> str:
    """Why nobody knows where the cluster is, or its head; empty where that is known, or does not matter.

    groups: of the inventory. wanted: those whose hosts the playbook works on. job: whether localhost ends with the run.
    """
    if HEAD not in wanted or groups.get(HEAD):
        return ""
    if any(groups.get(group) for group in CLIENTS):
        return (
            "The inventory's group head has 0 hosts. A cluster has one: the host that keeps the volumes and exports "
            "them to the groups compute and login."
        )
    if job:
        return (
            "The inventory has no host in its groups head, compute and login, and localhost is the container of this "
            "AWX job: put the hosts of the cluster into these groups, a single one into head."
        )
    if empty := [group for group in NODES if group in groups]:
        return (
            f"The inventory has no host in its groups {', '.join(empty)}: put the hosts of the cluster into them, a "
            "single one into head, or leave these groups out where this host alone is the cluster."
        )
    return ""
