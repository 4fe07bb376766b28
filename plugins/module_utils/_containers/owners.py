# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests of the files that packages of an image have brought, by the lists of their managers.

A digest is ``ALGORITHM:HEX``; a path has no slash in front.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Mapping, Sequence

#: For ``rpm --query --all``.
RPM_FORMAT = "[%{FILEDIGESTS}\\t%{FILENAMES}\\n]"

# Of hexadecimal digests, by their length.
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_HEX = re.compile(r"[0-9a-f]{32,128}")
# A key that its package makes for itself, and for nobody else, when it is installed; and the list of that package.
_MADE = {"etc/ssl/private/ssl-cert-snakeoil.key": "var/lib/dpkg/info/ssl-cert.list"}


def dpkg(text: str) -> dict[str, str]:
    """A file of ``info/*.md5sums``, ``DIGEST  PATH`` in a line."""
    pairs = (line.partition("  ") for line in text.split("\n"))
    return {path: digest for path, digest in ((path, _digest(word)) for word, _blanks, path in pairs) if digest}


def apk(text: str) -> dict[str, str]:
    """``/lib/apk/db/installed``: directories as ``F:``, files as ``R:``, SHA-1 as ``Z:Q1…`` behind each."""
    found: dict[str, str] = {}
    directory = name = ""
    for line in text.split("\n"):
        key, value = line[:2], line[2:]
        if key == "F:":
            directory = value
        elif key == "R:":
            name = f"{directory}/{value}" if directory else value
        elif key == "Z:" and value.startswith("Q1") and name:
            with contextlib.suppress(binascii.Error, ValueError):
                found[name] = _digest(base64.b64decode(value[2:], validate=True).hex())
    return {path: digest for path, digest in found.items() if digest}


def rpm(text: str) -> dict[str, str]:
    """What ``rpm`` prints by RPM_FORMAT."""
    pairs = (line.partition("\t") for line in text.split("\n"))
    return {path[1:]: _digest(word) for word, _tab, path in pairs if path.startswith("/") and _digest(word)}


def conda(data: bytes, prefix: str) -> dict[str, str]:
    """A file of ``conda-meta``. prefix: the directory that this stands in."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    paths = value.get("paths_data") if isinstance(value, Mapping) else None
    listed = paths.get("paths") if isinstance(paths, Mapping) else None
    return {
        f"{prefix}/{one['_path']}" if prefix else str(one["_path"]): f"sha256:{one['sha256']}"
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping) and one.get("_path") and _HEX.fullmatch(str(one.get("sha256")))
    }


def names(parts: Sequence[str]) -> list[str]:
    """The names that a package may know a file by: where /lib is a link to /usr/lib, it may have either."""
    path = "/".join(parts)
    return [path, path[4:] if path.startswith("usr/") else f"usr/{path}"]


def is_documentation(parts: Sequence[str]) -> bool:
    """Whether a path is one of a system's documentation, where examples are."""
    return tuple(parts[:3]) in (("usr", "share", "doc"), ("usr", "share", "man"), ("usr", "share", "info"))


def is_of_go(parts: Sequence[str]) -> bool:
    """Whether a path is one of Go's own tests, which come in no package: ``…/go/src/…/testdata/…``."""
    return "testdata" in parts and ("go", "src") in zip(parts, parts[1:])


def made_by(parts: Sequence[str]) -> str:
    """The list of the package that makes such a key when it is installed, a file of the image; empty for any other."""
    return _MADE.get("/".join(parts), "")


def _digest(word: str) -> str:
    algorithm = _ALGORITHMS.get(len(word)) if _HEX.fullmatch(word) else None
    return f"{algorithm}:{word}" if algorithm else ""
