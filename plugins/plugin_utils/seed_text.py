# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed that was given as a text is kept as a file in the user's cache on the controller, for commands to name it.

The directory has the newest alone. It is petal's own: what such a seed names is looked for where the text's would be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._host.user_cache_api import (
    keep_newest,
    replace_file,
    user_cache,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.given import TEXT, is_text

#: As many texts are kept.
KEPT = 200


def directory() -> Path:
    """Where texts are kept: in the user's cache directory."""
    return user_cache() / "petal" / "seeds"


def is_kept(file: str) -> bool:
    """Whether a file is a text that was kept, and no file of the user's."""
    with contextlib.suppress(RuntimeError, ValueError, OSError):
        return os.path.realpath(Path(file).parent) == os.path.realpath(directory())
    return False


def keep(text: str, name: str) -> str:
    """Keep a text, by what it is called and what it holds; its file, or nothing where it cannot be kept.

    name: of the seed's cluster, which has no slashes.
    """
    content = text.encode()
    try:
        kept = directory() / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.yaml"
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What has been changed there is written anew: in one step, and for nobody else, as it may hold an address.
        replace_file(kept, content, 0o600)
    except (OSError, RuntimeError):
        return ""
    with contextlib.suppress(OSError):  # another run has cleared up as well
        keep_newest(sorted(kept.parent.glob("[!.]*.yaml"), key=lambda one: one.lstat().st_mtime), KEPT)
    return str(kept)


def refuse(given: str, file: str, wanted: str) -> None:
    """Raises SeedError where something is to be written into a seed that is no file of the user's.

    wanted: what, as in "the image".
    """
    if is_text(given) or is_kept(file):
        message = f"{wanted} cannot be written into a text: it is no file of yours"
        hint = "give the seed's file, -e seed=FILE, or leave save_to_seed out"
        raise SeedError([Problem("", message, hint=hint)], TEXT if is_text(given) else file)
