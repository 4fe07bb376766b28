# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look for the sources of all that is to be built, before the first of it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._spack import sources
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.environment_state_api import EnvironmentState
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import SpackError
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import sources as script

#: Seconds for all of them together; what is not answered by then counts as unknown.
PATIENCE = 60


def look(spack: Spack, state: EnvironmentState, environment: Path, warn: Callable[[str], None]) -> str:
    """Why an installation would fail for want of sources; empty where nothing says that it would.

    What was found once is not looked for again. That nobody can look is a warning: the build will tell.
    """
    wanted = state.unseen()
    if not wanted:
        return ""
    try:
        answer = spack.inside(script, {"environment": str(environment), "hashes": wanted, "seconds": PATIENCE})
    except SpackError as error:
        warn(f"Nobody could look for the sources beforehand: {error}")
        return ""
    for_users = state.pass_over(sources.label(one) for one in answer["missing"])
    if for_users:
        warn(sources.for_users_message(sorted(for_users), os.uname().nodename))
    missing = [one for one in answer["missing"] if sources.label(one) not in for_users]
    if missing:
        return sources.missing_message({**answer, "missing": missing}, os.uname().nodename)
    if answer["unknown"]:
        warn(sources.unknown_message(answer["unknown"]))
    state.note_seen(wanted)
    return ""
