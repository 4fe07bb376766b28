# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks through a mounted volume. Reads only, follows no symbolic link, and stays on one file system."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit import place
from ansible_collections.petal.hpc.plugins.module_utils._audit.findings import (
    Audit,
    AuditError,
    Find,
    Licences,
    compilers,
    components,
    licences,
)
from ansible_collections.petal.hpc.plugins.module_utils._audit.inside import with_images
from ansible_collections.petal.hpc.plugins.module_utils._audit.secrets import HEAD_BYTES, look_at, secret_in

BOM_LIMIT = 256 * 1024**2
# Of a file whose digest is compared with its package's list, and of such a list.
DIGEST_LIMIT = 16 * 1024**2
RECORD_LIMIT = 64 * 1024**2
# The file system's own.
_PASSED_OVER = ("lost+found",)


def audit(
    mount_dir: str,
    sbom: str,
    accept: Sequence[str] = (),
    stated: Mapping[str, str] | None = None,
    system: Sequence[Mapping[str, Any]] = (),
    images: Sequence[Mapping[str, Any]] = (),
) -> Audit:
    """What is sensitive on a volume, and what the licences of its software allow.

    :param mount_dir: where it is mounted. sbom: its bill of materials. Raises AuditError.
    :param accept: shell patterns of paths below the mount directory that are no secrets whatever is in them.
    :param stated: licences by package, of those of which the bill of materials says nothing that is known.
    :param system: packages of the host that it was built with, each with name and version.
    :param images: of the manifest, each with what was found inside of it. What is in their files shows there alone.
    """
    found = Auditor(mount_dir, accept).run(_licences(Path(sbom), stated or {}))
    return with_images(replace(found, compilers=compilers(system)), images, accept)


def _licences(sbom: Path, stated: Mapping[str, str]) -> Licences:
    try:
        text = _bounded(sbom, BOM_LIMIT)
        return licences(components(json.loads(text), stated))
    except OSError as error:
        raise AuditError(f"the bill of materials {sbom} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise AuditError(f"the bill of materials {sbom} is not JSON ({error})") from error
    except AuditError as error:
        raise AuditError(f"{sbom}: {error}") from error


def _bounded(path: Path, limit: int) -> bytes:
    """The content of a file that is not reached through a link at its end. Raises OSError and AuditError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise AuditError(f"{path} is no file")
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise AuditError(f"{path} is larger than {limit} bytes")
    return data


class Auditor:
    """One walk over a volume. Raises AuditError when it is no directory."""

    def __init__(self, mount_dir: str, accept: Sequence[str] = ()) -> None:
        self._root = Path(mount_dir)
        self._accept = accept
        if not self._root.is_dir():
            raise AuditError(f"{mount_dir} is no directory: mount the volume there first")
        self._device = self._root.stat().st_dev
        self._sensitive: list[Find] = []
        self._test_data: list[Find] = []
        self._accepted: list[Find] = []
        self._unreadable: list[Find] = []
        self._files = self._read = 0
        self._wheels: dict[Path, dict[str, str]] = {}
        self._manifests: dict[Path, Any] = {}

    def run(self, found: Licences) -> Audit:
        """Walk; the order of the disk does not show in the result."""
        for entry in self._walk():
            self._files += 1
            self._look(entry)
        kinds = (self._sensitive, self._test_data, self._accepted, self._unreadable)
        sensitive, test_data, accepted, unreadable = (tuple(sorted(one, key=lambda find: find.path)) for one in kinds)
        return Audit(sensitive, test_data, accepted, unreadable, found, self._files, self._read)

    def _walk(self) -> Iterator[os.DirEntry[str]]:
        """Everything that is no directory and no link."""
        waiting = [str(self._root)]
        while waiting:
            directory = waiting.pop()
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if self._is_ours(entry):
                                waiting.append(entry.path)
                        elif entry.is_file(follow_symlinks=False):
                            yield entry
            except OSError as error:
                self._unreadable.append(Find(self._name(directory), f"directory ({error.strerror})"))

    def _is_ours(self, entry: os.DirEntry[str]) -> bool:
        # Directories are few: asking each keeps the walk from what is mounted below.
        return entry.name not in _PASSED_OVER and entry.stat(follow_symlinks=False).st_dev == self._device

    def _look(self, entry: os.DirEntry[str]) -> None:
        directory = entry.path.rpartition("/")[0].rpartition("/")[2]
        look = look_at(entry.name, directory)
        if not look.why and not look.limit:
            return
        try:
            size = entry.stat(follow_symlinks=False).st_size
            why = look.why if size else ""
            if size and not why:
                why = secret_in(entry.name, directory, self._start(entry.path, min(look.limit, max(size, HEAD_BYTES))))
        except OSError as error:
            self._unreadable.append(Find(self._name(entry.path), f"file ({error.strerror})"))
            return
        if why:
            self._note(Path(entry.path), why)

    def _start(self, path: str, limit: int) -> bytes:
        self._read += 1
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(handle, limit)
        finally:
            os.close(handle)

    def _note(self, path: Path, why: str) -> None:
        find = Find(self._name(str(path)), why)
        if any(fnmatchcase(find.path, pattern) for pattern in self._accept):
            self._accepted.append(find)
        else:
            (self._test_data if self._is_test_data(path) else self._sensitive).append(find)

    def _name(self, path: str) -> str:
        # A name that is no text, or that would break a line, is still one line of text.
        relative = os.path.relpath(path, self._root)
        text = relative.encode("utf-8", "backslashreplace").decode()
        return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)

    def _is_test_data(self, path: Path) -> bool:
        parts = path.relative_to(self._root).parts
        if not place.is_test_path(parts):
            return False
        wheels = place.site_packages(parts)
        if wheels:
            return self._is_of_wheel(self._root.joinpath(*parts[:wheels]), path)
        prefix = next((one for one in path.parents if self._manifest(one) is not None), None)
        if prefix is not None:
            expected = place.spack_digest(self._manifest(prefix), str(path.relative_to(prefix)))
            return expected != "" and expected == self._digest(path, "sha1")
        return place.is_of_python(parts) or place.is_of_spack(parts)

    def _is_of_wheel(self, root: Path, path: Path) -> bool:
        if root not in self._wheels:
            found: dict[str, str] = {}
            for record in sorted(root.glob("*.dist-info/RECORD")):
                found.update(place.wheel_digests(self._list(record).decode("utf-8", "replace")))
            self._wheels[root] = found
        expected = self._wheels[root].get(path.relative_to(root).as_posix(), "")
        return expected != "" and expected == self._digest(path, "sha256")

    def _manifest(self, prefix: Path) -> Any:
        if prefix not in self._manifests:
            known: Any = None
            if prefix != self._root and self._root in prefix.parents:
                try:
                    known = json.loads(self._list(prefix / ".spack" / "install_manifest.json") or b"null")
                except (ValueError, RecursionError):
                    known = None
            self._manifests[prefix] = known
        return self._manifests[prefix]

    def _list(self, path: Path) -> bytes:
        """A package's list of its files; empty where none can be used: then nothing is taken for its own."""
        try:
            return _bounded(path, RECORD_LIMIT)
        except (OSError, AuditError):
            return b""

    def _digest(self, path: Path, algorithm: str) -> str:
        try:
            # What Spack took to list its files; nobody's signature hangs on it.
            return hashlib.new(algorithm, _bounded(path, DIGEST_LIMIT), usedforsecurity=False).hexdigest()
        except (OSError, AuditError):
            return ""
