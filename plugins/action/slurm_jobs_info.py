# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.plugin_utils.waiting import WaitingAction


class ActionModule(WaitingAction):
    """Runs the module petal.hpc.slurm_jobs_info, once or until no job is left."""

    usual = (86400, 5)
    _first: tuple[str, ...] = ()

    def ask(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result = super().ask(task_vars)
        jobs = [str(job) for job in result.get("jobs") or []]
        self._first = self._first or tuple(jobs)
        ended = len(self._first) - len(set(self._first) & set(jobs))
        item = f"job {jobs[0]}" if jobs else ""
        return {**result, "progress": {"done": ended, "total": len(self._first), "item": item}}

    def goes_on(self, result: Mapping[str, Any]) -> bool:
        return bool(result.get("jobs"))
