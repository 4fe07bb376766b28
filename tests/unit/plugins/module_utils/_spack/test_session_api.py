# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The session of an installation."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._spack import session_api
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import runner


def test_a_runner_that_was_asked_to_end_has_the_time_that_it_gives_to_others() -> None:
    """Or it would be killed before it has written how it ended."""
    assert session_api.TERM_PATIENCE > 2 * runner.PATIENCE + runner.LINGER_ENDED
