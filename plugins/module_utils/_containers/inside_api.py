# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a volume says of what is inside of an image: its packages, and what the audit finds among its files."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit import place
from ansible_collections.petal.hpc.plugins.module_utils._audit.api import DIGEST_LIMIT, Auditor
from ansible_collections.petal.hpc.plugins.module_utils._audit.findings import Licences
from ansible_collections.petal.hpc.plugins.module_utils._audit.inside import of_image
from ansible_collections.petal.hpc.plugins.module_utils._containers import owners
from ansible_collections.petal.hpc.plugins.module_utils._containers.packages_api import (
    APK,
    DPKG_INFO,
    ENTRY_LIMIT,
    LIST_LIMIT,
    contents,
    rpm_query,
)
from ansible_collections.petal.hpc.plugins.module_utils._containers.rootfs_api import Rootfs, RootfsError


def inspected(rootfs: Path) -> dict[str, Any]:
    """Entries of an image in a manifest: ``packages``, ``problems``, ``audit``, and ``os``, the name of its system.

    :param rootfs: its unpacked files, which nobody changes meanwhile. Raises PetalError where that is no directory.
    """
    found = contents(rootfs)
    return {
        "packages": found.packages,
        "problems": found.problems,
        "audit": audited(rootfs),
        "os": f"{found.system.id} {found.system.release}".strip(),
    }


def audited(rootfs: Path) -> dict[str, Any]:
    """What volume_audit's rules find among the files of an unpacked image, as ``_audit.inside.with_images`` reads it.

    Raises PetalError where that is no directory.
    """
    return of_image(_Auditor(rootfs).run(Licences()))


class _Auditor(Auditor):
    """A walk over an image. What its packages have brought is told by their managers' lists too."""

    def __init__(self, rootfs: Path) -> None:
        super().__init__(str(rootfs))
        self._image = Rootfs(rootfs)
        self._known: dict[str, str] | None = None

    def _is_test_data(self, path: Path) -> bool:
        parts = path.relative_to(self._root).parts
        package = owners.made_by(parts)
        if package:
            return bool(self._content(package, ENTRY_LIMIT))
        if not (place.is_test_path(parts) or owners.is_documentation(parts)):
            return False
        return owners.is_of_go(parts) or self._is_of_package(parts) or super()._is_test_data(path)

    def _list(self, path: Path) -> bytes:
        # What is on the way to it may be a link of the image's.
        return self._content(str(path.relative_to(self._root)), ENTRY_LIMIT)

    def _content(self, path: str, limit: int) -> bytes:
        """Empty where there is none that can be used: then nothing is taken for a package's own."""
        try:
            return self._image.read(path, limit) or b""
        except RootfsError:
            return b""

    def _is_of_package(self, parts: tuple[str, ...]) -> bool:
        if self._known is None:
            self._known = self._digests()
        known = {self._known[name] for name in owners.names(parts) if name in self._known}
        if not known:
            return False
        data = self._content("/".join(parts), DIGEST_LIMIT)
        # Those that the managers have taken; nobody's signature hangs on them.
        return any(
            hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() == wanted
            for algorithm, _colon, wanted in (one.partition(":") for one in known)
        )

    def _digests(self) -> dict[str, str]:
        """Of all packages, once there is a find that may be one's own."""
        found: dict[str, str] = {}
        for name in self._names(DPKG_INFO):
            if name.endswith(".md5sums"):
                found.update(owners.dpkg(self._decoded(f"{DPKG_INFO}/{name}", ENTRY_LIMIT)))
        for path in APK:
            found.update(owners.apk(self._decoded(path, LIST_LIMIT)))
        # That rpm's packages cannot be read is said where they are listed.
        with contextlib.suppress(RootfsError):
            found.update(owners.rpm(rpm_query(self._image, owners.RPM_FORMAT) or ""))
        for directory, _directories, files in self._image.walk(lambda _why: None):
            if directory.rpartition("/")[2] == "conda-meta":
                prefix = directory.rpartition("/")[0]
                for name in files:
                    found.update(owners.conda(self._content(f"{directory}/{name}", ENTRY_LIMIT), prefix))
        return found

    def _names(self, path: str) -> list[str]:
        try:
            return self._image.names(path)
        except RootfsError:
            return []

    def _decoded(self, path: str, limit: int) -> str:
        return self._content(path, limit).decode("utf-8", "replace")
