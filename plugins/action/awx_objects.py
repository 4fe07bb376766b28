# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import awx_objects


class ActionModule(ActionBase):
    """Door of plugin_utils/awx_objects.py: arguments in, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=awx_objects.ARGUMENTS)
        collection, connection = arguments["collection"], arguments["connection"]
        try:
            awx_objects.demand(collection)
            options = awx_objects.look_up_options(connection)

            def call(module: str, given: Any) -> Any:
                return self._execute_module(f"{collection}.{module}", {**given, **connection}, task_vars=task_vars)

            def ask(endpoint: str, query: Any) -> Any:
                look_up = lookup_loader.get(f"{collection}.controller_api", loader=self._loader, templar=self._templar)
                wanted = {"query_params": dict(query), "return_all": True, "max_objects": awx_objects.MANY}
                return look_up.run([endpoint], task_vars, return_objects=True, **wanted, **options)

            return awx_objects.make(arguments["configuration"], call, ask, self._task.check_mode)
        except PetalError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
