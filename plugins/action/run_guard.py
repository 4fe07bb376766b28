# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import run_guard


class ActionModule(ActionBase):
    """Door of plugin_utils/run_guard.py: arguments in, result out."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=run_guard.ARGUMENTS)
        try:
            extra, template = load_extra_vars(self._loader), self._templar.template
            return {"changed": False, **run_guard.look(arguments, extra, task_vars or {}, template)}
        except PetalError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
