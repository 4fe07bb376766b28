# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.plugin_utils.direct import DirectAction


class ActionModule(DirectAction):
    """Runs the module petal.hpc.apptainer, on the controller itself without the way to a host."""
