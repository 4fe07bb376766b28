# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which module looks snapshots up: the one that can ask AWS, or the one that needs nothing for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws import needs
from ansible_collections.petal.hpc.plugins.module_utils._registry.options import ARGUMENTS as OF_A_REGISTRY
from ansible_collections.petal.hpc.plugins.plugin_utils.installed import demand_aws

LOCAL = "petal.hpc.local_snapshot_info"
WITH_AWS = "petal.hpc.snapshot_info"
#: What of petal.hpc.snapshot_info's options says nothing to a look-up in directories.
_OF_AWS = {"provider", "trusted_accounts", "shared", "registry_size_gb", *OF_A_REGISTRY, *needs.NAMES}


def module_for(arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The module and its arguments.

    Raises PetalError where the arguments ask for AWS and nothing here can.
    """
    given = dict(arguments)
    why = needs.asked(given)
    if why:
        demand_aws(why)
    # What is no provider at all is refused by the module that knows them.
    if why or given.get("provider", "local") != "local":
        return WITH_AWS, given
    return LOCAL, {name: value for name, value in given.items() if name not in _OF_AWS}
