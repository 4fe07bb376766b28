# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Spack is checked out, read and not run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import is_commit
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import git_head, is_checkout

#: How Spack says which one it is.
RELEASE = re.compile(r'^(?:__version__|spack_version) = "([^"]*)"$', re.MULTILINE)


def look(root: Path, packages: Path) -> dict[str, Any]:
    """The commits of the checkouts of Spack and its packages, as far as they are there, and Spack's release."""
    heads = {name: git_head(path) for name, path in (("spack", root), ("packages", packages)) if is_checkout(path)}
    try:
        text = (root / "lib" / "spack" / "spack" / "__init__.py").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    release = RELEASE.search(text)
    return {
        "commits": {name: head for name, head in heads.items() if is_commit(head)},
        "release": release.group(1) if release else "",
    }
