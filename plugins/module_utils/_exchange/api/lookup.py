# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks for a snapshot of the provider local in the own store and in those of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ansible.module_utils.common.warnings import warn

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.stores import place_in, remote_store
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lookup.sources import (
    LOCAL,
    ORGANIZATION,
    Found,
    LookUp,
    LookupSource,
    look_up,
    parse_sources,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore, judged
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy, Verdict


def find_in_stores(module: Any, host: Host, criteria: Criteria) -> LookUp:
    """What snapshot_info does with ``sources`` of the provider local; warnings go to the module. Raises PetalError.

    A store that cannot be asked is passed over, and the next one is asked.
    """
    given = module.params
    policy = Policy.from_mapping(given["trust"])

    def ask(source: LookupSource) -> Found:
        if source.type == LOCAL:
            own = SnapshotStore(host, given["store"])
            found, refused = own.scan()
            trusted, others = _sifted(source, criteria, found, lambda one: own.judged(one, policy))
            return Found(trusted, [*refused, *others])
        if source.store is None:
            return Found(problem=f"what {_known(source)} offers is on AWS, and the provider is local")
        try:
            offered, refused = remote_store(module, source.store).scan(criteria)
        except PetalError as error:
            return Found(problem=str(error))
        store, parcels = source.store, {one.snapshot.snapshot_id: one for one in offered}

        def offered_one(one: Snapshot) -> Verdict:
            return judged(host, policy, place_in(store, one.snapshot_id), parcels[one.snapshot_id])

        trusted, others = _sifted(source, criteria, [one.snapshot for one in offered], offered_one)
        return Found(newest_first(replace(one, source=ORGANIZATION) for one in trusted), [*refused, *others])

    found = look_up(parse_sources(given["sources"]), criteria, ask, given["all_sources"])
    for warning in found.warnings:
        warn(warning)
    return found


def _sifted(
    source: LookupSource, criteria: Criteria, found: Iterable[Snapshot], ask: Callable[[Snapshot], Verdict]
) -> tuple[list[Snapshot], list[Refusal]]:
    """What of them is meant and the site trusts; and why not the rest, aloud where nothing else speaks against it."""
    trusted, refused = [], []
    for one in filter(criteria.means, found):
        try:
            verdict = ask(one)
        except PetalError as error:
            verdict = Verdict(False, str(error))
        if verdict.trusted:
            trusted.append(one)
            continue
        refused.append(Refusal(one.snapshot_id, verdict.reason))
        if criteria.objection(one) is None:
            warn(f"{source}: {one.snapshot_id} is passed over: {verdict.reason}")
    return trusted, refused


def _known(source: LookupSource) -> str:
    return f"account {source.account}" if source.account else f"the {source.type} registry"
