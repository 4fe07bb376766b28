# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compile what modules are sent with once in a run of the tests, not again in every task.

Each task's module comes as a zip file of sources, which Python compiles each time: a third of what a task costs. Where
PETAL_COMPILED names a directory, what zipimport has compiled is kept there under the digest of its source, so that
nothing stale is ever taken. Python imports this by its name wherever this directory is on PYTHONPATH.

Nor does Python look for garbage as often as it does by itself, which takes another tenth: what runs here ends soon.
"""

# It is imported by every Python that starts, and pathlib takes long.
# ruff: noqa: PTH105, PTH123

from __future__ import annotations

import gc
import marshal
import os
import sys
import zipimport
from typing import Any

KEPT = os.environ.get("PETAL_COMPILED", "")


def kept(source: bytes, filename: str, mode: str, dont_inherit: bool) -> Any:
    """What ``compile`` gives for a source, from the directory where it is there."""
    # Sooner than hashlib, which asks OpenSSL.
    import _imp
    import _sha256  # type: ignore[import-not-found]

    place = f"{KEPT}/{sys.implementation.cache_tag}-{_sha256.sha256(source).hexdigest()}"
    try:
        with open(place, "rb") as stream:
            code = marshal.loads(stream.read())
    except (OSError, EOFError, ValueError, TypeError):
        code = compile(source, filename, mode, dont_inherit=dont_inherit)
        _keep(code, place)
    else:
        # It was compiled under the name of another zip file.
        _imp._fix_co_filename(code, filename)  # type: ignore[attr-defined]
    return code


def _keep(code: Any, place: str) -> None:
    draft = f"{place}.{os.getpid()}"
    try:
        with open(draft, "wb") as stream:
            stream.write(marshal.dumps(code))
        os.replace(draft, place)
    except OSError:
        # Another user, or a host that has no such directory: it is compiled each time, as without this.
        pass


if KEPT:
    gc.set_threshold(100_000, 20, 50)
    # zipimport finds its own global before the builtin one.
    zipimport.compile = kept  # type: ignore[attr-defined]
