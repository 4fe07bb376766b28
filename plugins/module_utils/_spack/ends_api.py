# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an installation ended on this host: its memory, its file systems, and one message."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._spack import ends, messages
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Failure
from ansible_collections.petal.hpc.plugins.module_utils._spack.plan import NEW_INSTALLER
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import BUILDING, Progress
from ansible_collections.petal.hpc.plugins.module_utils._spack.session_api import Outcome, Session

# Of the log of an installation: what Spack itself said last.
_LAST_LINES = 200


def memory() -> int:
    """Of this host, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass(frozen=True)
class Ending:
    """What is known beforehand of how an installation can end.

    name: of its environment; store: where packages are installed; others: directories that it writes to beside that,
    with what is written there; jobs: at once; version: of Spack.
    """

    name: str
    store: Path
    others: Mapping[str, str]
    jobs: int
    version: tuple[int, ...]

    def watched(self) -> dict[str, str]:
        """The paths whose file systems an installation writes to, with what it writes there; the store is the first."""
        store = next(path for path in (self.store, *self.store.parents) if path.is_dir())
        return {str(store): "packages", **self.others, tempfile.gettempdir(): "temporary files"}

    def message(
        self, outcome: Outcome, found: Progress, failed: Sequence[Failure], logs: Sequence[str], session: Session
    ) -> str:
        """What to say of an installation that failed.

        :param failed: packages, with the text of their logs.
        """
        at, errors, log = self._circumstances(outcome, found, failed), list(found.errors), session.log
        if not failed:
            errors += session.text().splitlines()[-_LAST_LINES:]
        why = ends.reasons(outcome.status, logs, errors, at)
        if not failed and why:
            return messages.stopped_message(self.name, at.host, _working(found), str(log), why)
        # What ends a job on a node names no package.
        doing = [f"at work was {found.at_work(item)}" for item in found.in_state(BUILDING) if found.site(item)]
        return messages.failed_message(self.name, failed, [*found.errors, *doing], str(log), at.host, why)

    def killed(self, found: Progress, log: Path) -> str:
        """What to say of an installation that was killed again and again."""
        return messages.ended_message(
            self.name, _working(found), str(log), None, ends.memory(self._circumstances(None, found))
        )

    def _circumstances(
        self, outcome: Outcome | None, found: Progress, failed: Sequence[Failure] = ()
    ) -> ends.Circumstances:
        site = found.sites.get(failed[0].hash[:7]) if failed else None
        if site is not None:
            # Nobody watches the disks of a node, and it tells nobody what its kernel ended.
            return ends.Circumstances(site.host, site.memory, site.jobs)
        uses = self.watched()
        rooms = ends.rooms(outcome.lowest, uses, {path: _top(path) for path in uses}) if outcome else ()
        return ends.Circumstances(
            host=os.uname().nodename,
            memory=memory(),
            jobs=self.jobs,
            kills=outcome.oom_kills if outcome else None,
            rooms=rooms,
            spoken=self.version >= NEW_INSTALLER,
        )


def _working(found: Progress) -> list[str]:
    return [item.label for item in found.in_state(BUILDING)]


def _top(path: str) -> str:
    """Where the file system of a path is mounted."""
    return str(next(top for top in (Path(path), *Path(path).parents) if os.path.ismount(top)))
