# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._image.record import check_image_id
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_edit import save_image


class ActionModule(ActionBase):
    """Door of plugin_utils/seed_edit.py: arguments in, result out."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = {name: {"type": "str", "required": True} for name in ("path", "image_id")}
        _checked, arguments = self.validate_argument_spec(argument_spec=given)
        path, image_id = (str(arguments[name]) for name in given)
        try:
            return save_image(path, self._loader.get_basedir(), check_image_id(image_id), bool(self._task.check_mode))
        except PetalError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
