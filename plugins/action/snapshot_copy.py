# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.plugin_utils.waiting import WaitingAction


class ActionModule(WaitingAction):
    """Runs the module petal.hpc.snapshot_copy, once or, in check mode, until no copy is pending."""

    option = "watch"
    usual = (14400, 15)

    def goes_on(self, result: Mapping[str, Any]) -> bool:
        return any(copy["state"] == "pending" for copy in result.get("copies") or [])
