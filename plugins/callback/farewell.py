# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: farewell
type: notification
short_description: What stays of a build whose run is cancelled, and its lock for the next one
version_added: "0.1.0"
description:
  - Where a run is told to end (SIGINT or SIGTERM) in the middle of a build, says in one line what stays of it and how
    to go on, and gives the build's lock up, so that the next run goes on within seconds instead of waiting until the
    lock is no longer renewed. That takes six seconds at most.
  - For jobs of AWX, each of which runs in a container that the next one cannot look into, and whose output is AWX's.
    P(petal.hpc.progress#callback) says the same on a terminal.
  - A run that is killed without a word (SIGKILL) leaves its lock as it is; it ends after five minutes.
author:
  - petal.hpc contributors (@petal-hpc)
requirements:
  - Enabled in the configuration (C(callbacks_enabled=petal.hpc.farewell)), as in the C(ansible.cfg) of C(awx/project).
"""

from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.petal.hpc.plugins.plugin_utils.running import leave_at_signals


class CallbackModule(CallbackBase):
    """Door of plugin_utils/running.py: signals in, a line out."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "petal.hpc.farewell"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """From here on there may be something to say."""
        leave_at_signals(self._display.display)
        super().v2_playbook_on_start(playbook)
