# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare EBS snapshots of the own account by their tags, which are all that AWS keeps of what is on them."""

from __future__ import annotations

from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._comparison.choice import Asked, difference, pair
from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import Difference
from ansible_collections.petal.hpc.plugins.module_utils._comparison.reading import of_ebs
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots


def compared(module: Any, asked: Asked) -> Difference:
    """What is different on the new side, as far as tags say it. Raises PetalError.

    :param module: with amazon.aws's common options.
    """
    snapshots = EbsSnapshots(module)
    old, new = pair(asked, newest_first(snapshots.scan(Criteria())[0]), f"the own account in {snapshots.region}")
    return difference(asked, of_ebs(old), of_ebs(new) if new else None)
