# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's cache directory on the controller, and how files come into it and go."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path


def user_cache() -> Path:
    """Where caches of the user are. A path that is not absolute is ignored (XDG Base Directory Specification, 0.8).

    Raises RuntimeError where nobody knows the home of the user.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    return Path(named) if named.startswith("/") else Path("~/.cache").expanduser()


def replace_file(path: Path, data: bytes, mode: int) -> None:
    """Write a file in one step, so that nobody reads half of it. Raises OSError, and leaves then what was there.

    mode: its permissions.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        draft.chmod(mode)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def keep_newest(files: Sequence[Path], kept: int) -> None:
    """Remove all but the last ones. files: from the oldest to the newest. Raises OSError."""
    for old in files[:-kept]:
        old.unlink(missing_ok=True)
