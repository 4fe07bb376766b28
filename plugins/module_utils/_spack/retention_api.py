# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the host's own cache as small as it may be.

Its files are those of the user who runs Spack: no link is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._spack.retention import (
    File,
    Manifest,
    Shrinking,
    blobs_of,
    shrinking,
)

#: Bytes of a manifest; one that is larger is none of Spack's.
LARGEST = 1024**2


def shrink(cache: Path, limit: int) -> Shrinking:
    """Remove what was used longest ago, until the cache has no more than ``limit`` bytes, or all was used lately."""
    with below.directory(cache) as root:
        manifests, blobs = [], {}
        for path, at, name, found in _walk(root):
            file = File(found.st_size, found.st_mtime)
            if path.startswith("blobs/"):
                blobs[name] = (path, file)
            elif name.endswith(".manifest.json"):
                with contextlib.suppress(OSError, PetalError), below.reading(at, name) as stream:
                    text = stream.read(LARGEST).decode("utf-8", "replace")
                    manifests.append(Manifest(path, file, blobs_of(text)))
        wanted = shrinking(manifests, blobs, limit, time.time())
        for path in wanted.paths:
            with contextlib.suppress(FileNotFoundError, PetalError), below.above(cache, path) as (at, name):
                os.unlink(name, dir_fd=at)
    return wanted


def keep_small(host: Host, cache: str, limit: int) -> list[str]:
    """Keep a cache as small as it may be, and give what there is to say of it. What cannot be is no failure of a build.

    :param limit: bytes; 0 for any number.
    """
    if limit <= 0:
        return []
    try:
        with host.lock(Path(f"{cache}.lock"), f"clearing {cache}"):
            said = told(cache, limit, shrink(Path(cache), limit))
    except (OSError, PetalError) as error:
        said = f"The host's own cache {cache} was not looked at for what may go: {error}"
    return [said] if said else []


def told(cache: str, limit: int, found: Shrinking) -> str:
    """What there is to say of it; empty where it has no more than it may have."""
    if found.size <= limit:
        return ""
    return (
        f"The host's own cache {cache} has {human(found.size)}, more than the {human(limit)} that it may have: "
        "what was used in the last two days stays. Allow it more (software_volume_own_cache_limit), or clear it: "
        f"ansible-playbook petal.hpc.cache -e action=clear -e cache={cache} -e max_age=0h"
    )


def _walk(root: int) -> Iterator[tuple[str, int, str, os.stat_result]]:
    """The plain files of a directory: path, the directory that each is in, its name and what is known of it."""
    for where, _directories, names, at in os.fwalk(".", dir_fd=root):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.stat(name, dir_fd=at, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    yield os.path.normpath(f"{where}/{name}"), at, name, found
