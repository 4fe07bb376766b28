# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's own repository of recipes holds, as one digest: a part of the fingerprint."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping

#: What Git and Python put beside recipes decides nothing.
_BESIDE = re.compile(r"/(?:\.git|__pycache__)/")


def digest(files: Iterable[Mapping[str, str]], directory: str) -> str:
    """``sha256:`` and 64 hex digits of the files below a directory, each with ``path`` and ``checksum`` (SHA-256).

    Where the directory is does not matter, nor the order in which its files were found.
    """
    counted = [(file["checksum"], file["path"]) for file in files if not _BESIDE.search(file["path"])]
    lines = [f"{checksum}  {posixpath.relpath(path, directory)}" for checksum, path in counted]
    # Capitals make no difference for the order: digests of before were taken so.
    text = "\n".join(sorted(lines, key=str.lower))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
