# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.action import build_lock


class ActionModule(build_lock.ActionModule):
    """The same for the module petal.hpc.aws_build_lock, which renews its lock by itself, as a task with async."""

    renews_itself = True
