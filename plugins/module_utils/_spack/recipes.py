# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's own repository of recipes holds, as one digest: a part of the fingerprint."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

#: What Git and Python put beside recipes decides nothing.
_BESIDE = re.compile(r"/(?:\.git|__pycache__)/")


#: The file by which Spack knows a repository, and what stands in it: the name under which recipes import each other.
MARK = "repo.yaml"
_NAMESPACE = re.compile(
    r"(?:^|[\s{,])namespace[ \t]{0,9}:[ \t]{0,9}['\"]?([A-Za-z_][A-Za-z0-9_]{0,63})['\"]?[ \t]{0,9}(?:[\s,}#]|$)"
)
#: Where repositories are looked for in what was fetched or copied. Spack wants those of today in spack_repo.
_PLACES = re.compile(r"(?:(?:[^/]+/)?spack_repo/[^/]+/)?" + re.escape(MARK))


def repositories(marks: Iterable[tuple[str, str]], directory: str) -> dict[str, str]:
    """Directories of the repositories below a directory by their names, from files ``repo.yaml``: path and text.

    Raises PetalError where there is none, or one that Spack could not use.
    """
    found: dict[str, str] = {}
    for path, text in sorted(marks):
        if not _PLACES.fullmatch(posixpath.relpath(path, directory)):
            continue
        name = _NAMESPACE.search(text[:10_000])
        if name is None:
            raise PetalError(f"{path} names no namespace. Expected repo: {{namespace: NAME, api: v2.0}}.")
        if name[1] in (*found, "builtin"):
            raise PetalError(f"the namespace {name[1]} of {path} is taken: give the repository another one.")
        found[name[1]] = posixpath.dirname(path)
    if not found:
        raise PetalError(
            f"{directory} has no repository of Spack's recipes: expected {MARK} in it, or in spack_repo/NAME below it."
        )
    return found


def found_in(directories: Iterable[str], texts: Mapping[str, str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The repositories of several directories, in their order; taken: namespaces of others. Raises PetalError."""
    found: dict[str, str] = {}
    for directory in directories:
        marks = [(path, text) for path, text in texts.items() if path.startswith(f"{directory}/")]
        for name, path in repositories(marks, directory).items():
            if name in found or name in taken:
                raise PetalError(
                    f"two repositories of recipes have the namespace {name}: give one of them another one."
                )
            found[name] = path
    return found


def beside(path: str) -> bool:
    """Whether a file decides nothing: Git's and Python's own."""
    return bool(_BESIDE.search(path))


def digest(files: Iterable[Mapping[str, str]], directory: str) -> str:
    """``sha256:`` and 64 hex digits of the files below a directory, each with ``path`` and ``checksum`` (SHA-256).

    Where the directory is does not matter, nor the order in which its files were found.
    """
    counted = [(file["checksum"], file["path"]) for file in files if not beside(file["path"])]
    lines = [f"{checksum}  {posixpath.relpath(path, directory)}" for checksum, path in counted]
    # Capitals make no difference for the order: digests of before were taken so.
    text = "\n".join(sorted(lines, key=str.lower))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
