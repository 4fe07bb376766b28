# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils.direct import execute
from ansible_collections.petal.hpc.plugins.plugin_utils.snapshot_info import module_for


class ActionModule(ActionBase):
    """Door of plugin_utils/snapshot_info.py: what runs on the host is the module that the arguments need."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        try:
            name, arguments = module_for(self._task.args)
        except PetalError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        return execute(self, name, arguments, task_vars or {})
