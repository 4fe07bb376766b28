# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EBS snapshots of the own account as bases of a volume. AWS keeps no more of what is on them than their tags."""

from __future__ import annotations

from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._base import choice
from ansible_collections.petal.hpc.plugins.module_utils._base.choice import Candidate, Choice, Sought, of_tags
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import CLEANUP
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.signing_api import judged
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


def choose(module: Any, host: Host, policy: Policy, asked: str, sought: Sought) -> Choice:
    """What a volume begins with. Raises PetalError where one that was named is not there, does not fit or is not
    trusted, and AwsError.

    :param module: with amazon.aws's common options. policy: what the site trusts.
    """
    snapshots = EbsSnapshots(module)

    def candidates() -> list[Candidate]:
        named = () if asked == choice.AUTO else (asked,)
        found = newest_first(snapshots.scan(Criteria(snapshot_ids=named))[0])
        # What nobody has finished may be removed at any moment.
        return [of_tags(one) for one in found if CLEANUP not in one.tags]

    def doubt(snapshot: Snapshot) -> str:
        verdict, _keys = judged(host, snapshot, policy)
        return "" if verdict.trusted else verdict.reason

    return choice.choose(asked, sought, f"the own account in {snapshots.region}", candidates, doubt)
