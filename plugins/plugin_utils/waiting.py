# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions whose module looks once, and which look again until there is nothing to wait for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.petal.hpc.plugins.plugin_utils.watching import Patience, wait


class WaitingAction(ActionBase):
    """One of them. The module has wait_timeout and poll_interval, in seconds, and an option that says to wait."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    #: The name of that option.
    option = "wait"
    #: Seconds to wait, and between two looks, where the task says none; as the module documents them.
    usual = (3600, 15)

    def goes_on(self, result: Mapping[str, Any]) -> bool:
        """Whether there is something to wait for."""
        raise NotImplementedError

    def ask(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Look once."""
        return dict(self._execute_module(task_vars=task_vars))

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = self._task.args
        timeout, interval = (
            float(given.get(name, usual)) for name, usual in zip(("wait_timeout", "poll_interval"), self.usual)
        )
        patience = Patience(self._task.name or self._task.action, timeout, interval)
        try:
            if not boolean(given.get(self.option, False), strict=False):
                return self.ask(task_vars)
            return wait(lambda: self.ask(task_vars), self.goes_on, self._display.display, patience)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
