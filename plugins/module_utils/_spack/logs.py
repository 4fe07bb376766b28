# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are logs of a build, and which of them are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

#: How far below a directory logs are looked for, and how many are returned of one: those that changed last.
DEPTH = 6
MOST = 100
#: Files and directories that are looked at of one place, whatever they are: others may have filled it.
LOOKED_AT = 200_000


@dataclass(frozen=True)
class Log:
    """A log. modified: seconds since 1970."""

    path: str
    size: int
    modified: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        when = datetime.fromtimestamp(self.modified, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"path": self.path, "size": self.size, "modified": when}


def is_log(name: str) -> bool:
    """Whether a file of that name is a log: of an installation, or Spack's own of one package.

    What Spack writes beside it of the environment may have what is nobody's business.
    """
    return name.endswith(".log") or (name.startswith("spack-build-") and name.endswith("out.txt"))


def chosen(found: Iterable[Log]) -> list[Log]:
    """The logs of one place, the last changed first."""
    return sorted(found, key=lambda log: (-log.modified, log.path))[:MOST]
