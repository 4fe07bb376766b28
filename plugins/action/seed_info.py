# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info


class ActionModule(ActionBase):
    """Door of plugin_utils/seed_info.py: arguments in, result out."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=seed_info.ARGUMENTS)
        extra = load_extra_vars(self._loader)
        try:
            arguments = seed_info.with_inputs(arguments, task_vars or {}, self._templar.template, extra)
            sources = (task_vars or {}).get("ansible_inventory_sources")
            inventories = seed_info.named_inventories(sources, constants.DEFAULT_HOST_LIST, extra)
            info = seed_info.describe(arguments, self._loader.get_basedir(), extra, inventories)
        except SeedError as error:
            problems = [problem.to_dict() for problem in error.problems]
            return {"failed": True, "changed": False, "msg": str(error), "problems": problems}
        return {"changed": False, **info}
