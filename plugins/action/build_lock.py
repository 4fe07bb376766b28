# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.petal.hpc.plugins.plugin_utils.build_lock import act
from ansible_collections.petal.hpc.plugins.plugin_utils.direct import execute


class ActionModule(ActionBase):
    """Door of plugin_utils/build_lock.py, which runs the module of the same name, as often as it takes."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True
    renews_itself = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)

        def run(arguments: Mapping[str, Any], *, waits: bool = False) -> dict[str, Any]:
            return execute(self, str(self._task.resolved_action), arguments, task_vars or {}, waits=waits)

        # Values that went through templating carry Ansible's own types: make them plain, once, here.
        arguments = json.loads(json.dumps(self._task.args))
        return act(run, Display().display, arguments, check=self._task.check_mode, renews_itself=self.renews_itself)
