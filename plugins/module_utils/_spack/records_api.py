# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a volume keeps of the installation of an environment: what was chosen, and how it was built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._layout.api import lay_out


def keep(directory: str, environment: Mapping[str, Any]) -> bool:
    """Copy the lock and the log of an environment, as the module returns it; True where something has changed.

    No log is there where nothing was left to install: that of before stays.
    """
    plan = {}
    for source, name in (("lock", "spack.lock"), ("log", f"logs/spack-{environment['name']}.log")):
        try:
            text = Path(environment[source]).read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            continue
        plan[name] = {"content": text}
    return bool(lay_out(Path(directory), plan)["changed"])
