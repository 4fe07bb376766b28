# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages an unpacked image has. Somebody else has made it: nothing of it is run, and nothing leads out of it.

Of rpm's databases the host's own ``rpm`` reads a copy, as their forms are rpm's alone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._components.model import System
from ansible_collections.petal.hpc.plugins.module_utils._containers import packages as model
from ansible_collections.petal.hpc.plugins.module_utils._containers.licences import COPYRIGHT_LIMIT, of_copyright
from ansible_collections.petal.hpc.plugins.module_utils._containers.packages import Package, Read
from ansible_collections.petal.hpc.plugins.module_utils._containers.rootfs_api import Rootfs, RootfsError

DPKG, DPKG_INFO, DISTROLESS = "var/lib/dpkg/status", "var/lib/dpkg/info", "var/lib/dpkg/status.d"
APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
#: Where rpm has its database: today's place, that of SUSE and Fedora, and where both began.
RPM = ("usr/lib/sysimage/rpm", "var/lib/rpm")
_RPM_FILES = ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Index.db", "Packages", "Name")
_RPM_DATA = ("rpmdb.sqlite", "Packages.db", "Packages")
OS_RELEASE = ("etc/os-release", "usr/lib/os-release")

_MIB = 1024**2
#: Of a manager's whole list, of a file of one package, and of one of rpm's databases.
LIST_LIMIT, ENTRY_LIMIT, DATABASE_LIMIT = 64 * _MIB, 16 * _MIB, 512 * _MIB
_RPM_SECONDS = 300
#: Of one kind of files that cannot be read; the others are counted.
_PROBLEMS_LIMIT = 5


@dataclass
class Contents:
    """What was found. packages: entries in the form of a manifest's. problems: a sentence for what could not be read.

    system: the operating system's name, release and code name, as far as the image says them.
    """

    packages: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    system: System = field(default_factory=lambda: System("linux", ""))


def contents(rootfs: Path) -> Contents:
    """The packages of an unpacked image. Raises RootfsError where it is no directory, and for nothing in it."""
    return _Reader(Rootfs(rootfs)).contents()


def rpm_query(root: Rootfs, query: str) -> str | None:
    """What the host's ``rpm`` says of all packages of an image, in a format of its own; None where it has no database.

    It reads a copy, as a user who owns nothing else. Raises RootfsError where there is no ``rpm``, or it cannot.
    """
    place = next((place for place in RPM if set(_RPM_DATA) & set(root.names(place))), None)
    if place is None:
        return None
    tool = shutil.which("rpm")
    if tool is None:
        raise RootfsError(
            f"/{place} was not read, as this host has no rpm: install the package rpm on the build host and build again"
        )
    with tempfile.TemporaryDirectory(prefix="petal-rpm-") as directory:
        for name in _RPM_FILES:
            data = root.read(f"{place}/{name}", DATABASE_LIMIT)
            if data is not None:
                Path(directory, name).write_bytes(data)
        return _asked(tool, place, directory, query)


def _handed_over(directory: str) -> dict[str, Any]:
    """What subprocess needs to run as nobody, to whom the directory goes; nothing where that is not possible."""
    try:
        nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    except KeyError:
        nobody = None
    if nobody is None:
        return {}
    for path in (directory, *(str(one) for one in Path(directory).iterdir())):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _asked(tool: str, place: str, directory: str, query: str) -> str:
    command = [tool, "--dbpath", directory, "--nosignature", "--nodigest", "--query", "--all", "--queryformat", query]
    surroundings = {"PATH": os.environ.get("PATH", os.defpath), "HOME": directory, "LC_ALL": "C.UTF-8"}
    try:
        asked = subprocess.run(  # noqa: S603 - no shell, and no word of the image is in it
            command,
            env=surroundings,
            capture_output=True,
            timeout=_RPM_SECONDS,
            check=False,
            cwd=directory,
            **_handed_over(directory),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RootfsError(f"/{place} was not read: {tool} did not end well ({type(error).__name__})") from error
    output = str(asked.stdout, "utf-8", "replace")
    if asked.returncode or not output.strip():
        said = model.one_line(asked.stderr.decode("utf-8", "replace")[-300:])
        why = said or "it has no support for a database of this form"
        raise RootfsError(f"/{place} could not be read by this host's {tool}: {why}")
    return output


class _Reader:
    """Reads one image."""

    def __init__(self, root: Rootfs) -> None:
        self._root = root
        self._problems: dict[str, list[str]] = {}
        self._found: list[Package] = []
        self._files: set[str] = set()
        self._pythons: set[str] = set()
        self._licences: dict[bytes, str] = {}

    def contents(self) -> Contents:
        system = self._try("the name of its system", self._system) or System("linux", "")
        for what, read in (
            ("packages of dpkg", self._dpkg),
            ("packages of apk", self._apk),
            ("packages of rpm", self._rpm),
            ("packages of Python and conda", self._walk),
        ):
            self._try(what, read)
        packages = model.listed(self._found, system)
        every = len({(one.manager, one.name, one.version, one.architecture) for one in self._found})
        if every > len(packages):
            self._note("packages", f"{every - len(packages)} beyond the first {len(packages)} are not listed")
        return Contents(packages, list(self._told()), system)

    # Problems

    def _try(self, what: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except RootfsError as error:
            self._note(what, str(error))
        return None

    def _note(self, what: str, why: str) -> None:
        self._problems.setdefault(what, []).append(why)

    def _told(self) -> list[str]:
        found = []
        for what, reasons in self._problems.items():
            found += [f"{what}: {why}" for why in reasons[:_PROBLEMS_LIMIT]]
            if len(reasons) > _PROBLEMS_LIMIT:
                found.append(f"{what}: and {len(reasons) - _PROBLEMS_LIMIT} more of this kind")
        return found

    def _take(self, what: str, read: Read) -> None:
        self._found += read.packages
        self._files |= read.files
        self._pythons |= read.pythons
        if read.odd:
            self._note(what, f"{read.odd} entries have no name or version that could be one")

    # Operating systems

    def _text(self, path: str, limit: int) -> str | None:
        data = self._root.read(path, limit)
        return None if data is None else data.decode("utf-8", "replace")

    def _system(self) -> System:
        texts = (self._text(path, _MIB) for path in OS_RELEASE)
        return model.system(next((text for text in texts if text), ""))

    def _dpkg(self) -> None:
        what = "packages of dpkg"
        text = self._text(DPKG, LIST_LIMIT)
        if text:
            self._take(what, self._licensed(model.dpkg(text)))
        for name in self._root.names(DISTROLESS):
            # Beside each stands a list of its files' digests.
            if not name.endswith(".md5sums"):
                part = self._text(f"{DISTROLESS}/{name}", ENTRY_LIMIT)
                self._take(what, self._licensed(model.dpkg(part or "")))
        for name in self._root.names(DPKG_INFO) if text else ():
            if name.endswith(".list"):
                data = self._root.read(f"{DPKG_INFO}/{name}", ENTRY_LIMIT) or b""
                if b"-info" in data:
                    self._files |= model.dpkg_files(data.decode("utf-8", "replace"))

    def _licensed(self, read: Read) -> Read:
        return replace(read, packages=[self._with_licence(one) for one in read.packages])

    def _with_licence(self, package: Package) -> Package:
        if package.license:
            return package
        try:
            data = self._root.read(f"usr/share/doc/{package.name}/copyright", COPYRIGHT_LIMIT) or b""
        except RootfsError as error:
            self._note("licences of dpkg's packages", str(error))
            return package
        # Packages of one source have the same file, each its own copy.
        if data not in self._licences:
            self._licences[data] = of_copyright(data.decode("utf-8", "replace"))
        return replace(package, license=self._licences[data])

    def _apk(self) -> None:
        for path in APK:
            text = self._text(path, LIST_LIMIT)
            if text:
                self._take("packages of apk", model.apk(text))
                return

    def _rpm(self) -> None:
        output = rpm_query(self._root, model.RPM_FORMAT)
        if output is not None:
            self._take("packages of rpm", model.rpm(output))

    # Languages

    def _walk(self) -> None:
        what = "packages of Python and conda"
        owned: dict[str, Package] = {}
        pythons: dict[str, Package] = {}
        for directory, directories, files in self._root.walk(lambda why: self._note(what, why)):
            if directory.rpartition("/")[2] == "conda-meta":
                self._conda(directory, files, owned)
            for name in (*directories, *files):
                place = f"{directory}/{name}" if directory else name
                text = self._metadata(place, name in directories)
                if text is not None:
                    self._python(place, text, pythons)
        for place, package in pythons.items():
            beside = owned.get(place) or owned.get(f"{place}/METADATA") or owned.get(f"{place}/PKG-INFO")
            self._found.append(model.with_licence_of(package, beside) if beside else package)

    def _metadata(self, place: str, is_directory: bool) -> str | None:
        try:
            if place.endswith(".dist-info") and is_directory:
                return self._text(f"{place}/METADATA", ENTRY_LIMIT)
            if place.endswith(".egg-info"):
                return self._text(f"{place}/PKG-INFO" if is_directory else place, ENTRY_LIMIT)
            if place.endswith("/EGG-INFO") and is_directory:
                return self._text(f"{place}/PKG-INFO", ENTRY_LIMIT)
        except RootfsError as error:
            self._note("packages of Python", str(error))
        return None

    def _python(self, place: str, text: str, pythons: dict[str, Package]) -> None:
        package = model.python(text)
        if package is None:
            self._note("packages of Python", f"/{model.one_line(place)} has no name or version that could be one")
        elif not self._is_of_system(place, package):
            pythons[place] = package

    def _is_of_system(self, place: str, package: Package) -> bool:
        """Whether it is a part of a package of the operating system, which is listed already."""
        if {place, f"{place}/METADATA", f"{place}/PKG-INFO"} & self._files:
            return True
        # rpm's packages say by name what they provide, and are below /usr/lib; what pip installs is in /usr/local.
        parts = place.split("/")
        return parts[:1] == ["usr"] and parts[1] in ("lib", "lib64") and model.plain(package.name) in self._pythons

    def _conda(self, directory: str, files: list[str], owned: dict[str, Package]) -> None:
        prefix = directory.rpartition("/")[0]
        for name in files:
            if not name.endswith(".json"):
                continue
            try:
                package, paths = model.conda(self._root.read(f"{directory}/{name}", ENTRY_LIMIT) or b"")
            except RootfsError as error:
                self._note("packages of conda", str(error))
                continue
            if package is None:
                self._note("packages of conda", f"/{model.one_line(f'{directory}/{name}')} is no record of a package")
                continue
            self._found.append(package)
            owned.update({f"{prefix}/{path}" if prefix else path: package for path in paths})
