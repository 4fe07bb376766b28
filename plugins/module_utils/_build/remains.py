# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failed build leaves in a store, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remains:
    """What became of the volume of a build that failed.

    volume, store: its name, and where it is. stuck: why it could not be taken away. taken_over: why it is no longer this
    run's, whoever builds there now. kept: whether it was. full: whether it was removed because its disk is full.
    """

    volume: str
    store: str
    stuck: str = ""
    taken_over: str = ""
    kept: bool = False
    full: bool = False

    def say(self) -> str:
        """What is left, and how to go on."""
        where = f"volume {self.volume} in {self.store}"
        if self.stuck:
            return f"Still there: {where}: {self.stuck}"
        if self.taken_over:
            return f"What is there was left alone, for it is no longer this run that builds: {self.taken_over}"
        if self.kept:
            return f"Kept: {where}; the same command goes on with it."
        if self.full:
            return "The volume was removed, keep_on_failure or not: what it had lost cannot be told."
        return "Nothing is left behind; -e keep_on_failure=true keeps the volume, and the next run goes on with it."
