# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.petal.hpc.plugins.plugin_utils.direct import DirectAction, leaves_no_file


class ActionModule(DirectAction):
    """Runs the module petal.hpc.spack_buildcache_keys, on the controller itself without the way to a host.

    A key that is given is on no disk, and Ansible has modules and what they are given in a file where it cannot pipe.
    """

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        key = self._task.args.get("signing_key")
        if isinstance(key, Mapping) and key.get("content") and not leaves_no_file(self, task_vars or {}):
            raise AnsibleActionFail(
                "The signing key was not handed over, for Ansible would write it to a file on the host: that needs "
                "pipelining (ansible_pipelining), which ANSIBLE_KEEP_REMOTE_FILES, async, the become method su and "
                "some connections turn off. Do without those"
            )
        return super().run(tmp, task_vars)
