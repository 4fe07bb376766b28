# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.petal.hpc.plugins.plugin_utils.watching import Shown, Teller, watch


class ActionModule(ActionBase):
    """Runs the module petal.hpc.spack_environment, once or until its installation has ended."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        in_background = bool(self._task.async_val) and not self._connection.has_native_async

        def ask() -> dict[str, Any]:
            return dict(self._execute_module(task_vars=task_vars, wrap_async=in_background))

        def goes_on(result: Any) -> bool:
            return stays and not (result.get("environment") or {"finished": True})["finished"]

        shown = Shown.by_callback and bool(self._task.until)
        wanted = boolean(self._task.args.get("until_finished", False), strict=False)
        stays = wanted and not (shown or self._task.async_val or self._task.check_mode)
        try:
            return watch(ask, goes_on, self._display.display, Teller(self._task.name or "", time.monotonic()))
        finally:
            if not in_background:
                self._remove_tmp_path(self._connection._shell.tmpdir)
