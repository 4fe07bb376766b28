# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.plugin_utils.waiting import WaitingAction

TOO_OFTEN = 429


class ActionModule(WaitingAction):
    """Runs the module petal.hpc.pcluster_cluster_info, once or until AWS is at rest."""

    def ask(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result = super().ask(task_vars)
        # AWS that was asked too often is asked again.
        busy = result.get("code") == TOO_OFTEN and self._task.args.get(self.option)
        return {"changed": False, "ended": False} if busy else result

    def goes_on(self, result: Mapping[str, Any]) -> bool:
        return not result.get("ended", True)
