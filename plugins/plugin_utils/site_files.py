# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a seed names beside it, on the controller: a site's own modulefiles.

Whoever wrote the seed need not be whoever builds it: nothing outside of the seed's directory is read, through no link.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._seed import modulefiles
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Report, SourceMap

#: Where modules lie on a volume that Spack has not made.
MODULES = "modules/Core"


@dataclass(frozen=True)
class SiteFiles:
    """modules: names and texts of modulefiles, in the seed's order. digests: by paths in the seed."""

    modules: list[tuple[modulefiles.Name, str]] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def modulefiles(self) -> dict[str, Any]:
        """For the volume: what volume_layout writes there, and what its manifest says of the modules."""
        return {
            "layout": {f"{MODULES}/{name.file}": {"content": text} for name, text in self.modules},
            "modules": [
                {
                    "name": name.module,
                    "kind": "site",
                    "load": [name.module],
                    "check": [],
                    "default": False,
                    "summary": "A modulefile of the site's own",
                }
                for name, _text in self.modules
            ],
        }


def read(seed: Seed, source: SourceMap) -> SiteFiles:
    """All that a seed names. Raises SeedError with everything that is wrong."""
    found = SiteFiles()
    report = Report(source)
    directory = Path(source.file).parent
    for index, path in enumerate(seed.software.modules):
        place = ("software", "modules", index)
        name = modulefiles.named(path)
        try:
            content = _content(directory, path)
            wrong = modulefiles.objection(content, name is not None and name.lua)
        except PetalError as error:
            wrong, content = str(error), b""
        if wrong or name is None:
            report.add(place, wrong, path, hint=f"it is looked for in {directory}")
        else:
            found.modules.append((name, content.decode()))
            found.digests[path] = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if report.problems:
        raise SeedError(report.problems, source.file)
    return found


def _content(directory: Path, path: str) -> bytes:
    """A file below a directory, as far as it may be large. Raises PetalError."""
    try:
        with below.file(directory, path) as stream:
            return stream.read(modulefiles.SIZE_LIMIT + 1)
    except FileNotFoundError as error:
        raise PetalError("there is no such file") from error
    except OSError as error:
        raise PetalError(f"it cannot be read: {os.strerror(error.errno or 0)}") from error
