# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a volume needs beside its packages: Spack and its recipes, Lmod and its Lua, Python's interpreters.

Each is an entry of the manifest's ``components``, in the form of its ``packages``. What is the operating system's own
is not on the volume, but what is there runs by it: its origin is ``system``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import without_credentials

VOLUME = "volume"
SYSTEM = "system"
APPLICATION = "application"
LIBRARY = "library"

#: The Lua modules without which Lmod does not start.
LUA_MODULES = ("posix", "lfs", "term")
#: Prints where Lua finds the modules that are named, one in each line; an empty line for one that it does not.
LUA_SEARCH = (
    "for _, name in ipairs(arg) do "
    "print((package.searchpath(name, package.path) or package.searchpath(name, package.cpath) or '')) end"
)
#: For ``dpkg-query``; a source package is what Debian's security tracker speaks of.
DEB_FORMAT = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\n"
RPM_FORMAT = "%{NAME}\\t%{EPOCH}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\n"

# Of Lmod, Lua, its modules and CPython, as their own licence files have it.
_MIT, _PYTHON, _SPACK = "MIT", "PSF-2.0", "Apache-2.0 OR MIT"
_REPOSITORY = ("version", "commit", "url", "root")
_NO_EPOCH = re.compile(r"^(?:\(none\)|0):")


class ComponentsError(PetalError):
    """It cannot be found out what a volume needs."""


@dataclass(frozen=True)
class Component:
    """One entry of a manifest's ``components``.

    manager: what brought it, such as ``deb``, ``git``, ``spack``. hash: of Spack's packages, or a digest. origin:
    ``volume``, ``system``, or where Spack had it from. path: where it is. url: of the repository, without credentials.
    dependencies: hashes of what a package of Spack's needs to run, package URLs of what another one does.
    """

    name: str
    version: str
    manager: str
    license: str = ""
    kind: str = APPLICATION
    origin: str = VOLUME
    path: str = ""
    hash: str = ""
    purl: str = ""
    url: str = ""
    commit: str = ""
    dependencies: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; what is not known is left out."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class System:
    """The operating system by its ``os-release``: identifier, release and code name."""

    id: str
    release: str
    codename: str = ""


@dataclass(frozen=True)
class SystemPackage:
    """A package of the operating system. source: of which source package it is one."""

    manager: str
    name: str
    version: str
    architecture: str
    source: str


def purl(kind: str, namespace: str, name: str, version: str, **qualifiers: str) -> str:
    """A package URL (https://github.com/package-url/purl-spec).

    >>> purl("deb", "debian", "lua5.3", "5.3.6-2", arch="amd64")
    'pkg:deb/debian/lua5.3@5.3.6-2?arch=amd64'
    """
    path = "/".join(quote(part, safe="") for part in (*namespace.split("/"), name) if part)
    known = sorted((key, value) for key, value in qualifiers.items() if value)
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in known)
    return f"pkg:{kind}/{path}@{quote(version, safe='')}{'?' if query else ''}{query}"


def parse_usage(text: str, mount_dir: str) -> dict[str, int]:
    """What ``du --null`` says, as bytes by paths below the mount directory, which is ``.``, without what takes none."""
    found = {}
    for line in text.split("\0"):
        size, separator, path = line.partition("\t")
        if separator and int(size):
            found["." if path == mount_dir else path[len(mount_dir.rstrip("/")) + 1 :]] = int(size)
    return dict(sorted(found.items()))


# --- the operating system -------------------------------------------------------------------------------------------


def parse_os_release(text: str) -> System:
    """Read ``/etc/os-release``; without an ID a system is ``linux``, as its manual page has it."""
    found = dict(re.findall(r"^([A-Z_]+)=[\"']?([^\"'\n]*)", text, re.MULTILINE))
    return System(
        found.get("ID", "").lower() or "linux", found.get("VERSION_ID", ""), found.get("VERSION_CODENAME", "")
    )


def parse_dpkg_owner(text: str) -> str:
    """The package of ``dpkg-query --search PATH``, ``lua5.3: /usr/bin/lua5.3``; empty where there is none."""
    for line in text.splitlines():
        owners, separator, _path = line.partition(": ")
        if separator and not owners.startswith("diversion "):
            return owners.split(",")[0].strip()
    return ""


def parse_deb(text: str) -> SystemPackage | None:
    """A line of DEB_FORMAT."""
    return _package("deb", text)


def parse_rpm(text: str) -> SystemPackage | None:
    """A line of RPM_FORMAT; an epoch that is none is left out, as rpm does."""
    return _package("rpm", text)


def _package(manager: str, text: str) -> SystemPackage | None:
    fields = text.splitlines()[0].split("\t") if text.strip() else []
    # rpm says in a sentence that no package has a file.
    if len(fields) != 4:
        return None
    name, version, architecture, source = fields
    return SystemPackage(manager, name, _NO_EPOCH.sub("", version), architecture, source)


def of_system(package: SystemPackage, system: System, path: str, licence: str, kind: str = APPLICATION) -> Component:
    """What a package of the operating system provides."""
    version, epoch = package.version, ""
    if package.manager == "rpm":
        first, separator, rest = version.partition(":")
        version, epoch = (rest, first) if separator else (version, "")
        distribution = f"{system.id}-{system.release}"
    else:
        distribution = system.codename or f"{system.id}-{system.release}"
    address = purl(
        package.manager,
        system.id,
        package.name,
        version,
        arch=package.architecture,
        distro=distribution,
        epoch=epoch,
        upstream=package.source if package.source != package.name else "",
    )
    return Component(package.name, package.version, package.manager, licence, kind, SYSTEM, path, purl=address)


# --- Lmod and Lua ---------------------------------------------------------------------------------------------------


def interpreter(text: str) -> str:
    """The program that runs a script, from its first line; of ``#!/usr/bin/env lua`` the name alone, else a path.

    >>> interpreter("#!/usr/bin/lua5.3\\n-- -*- lua -*-")
    '/usr/bin/lua5.3'
    """
    words = text.splitlines()[0].removeprefix("#!").split() if text.startswith("#!") else []
    if words[:1] and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-")]
    return words[0] if words else ""


def lmod(version: str, path: str, digest: str = "", on_volume: bool = True) -> Component:
    """A Lmod built from its source, onto the volume as a rule. digest: of the archive, where a site names it."""
    address, origin = purl("github", "tacc", "lmod", version), VOLUME if on_volume else SYSTEM
    return Component("lmod", version, "source", _MIT, origin=origin, path=path, hash=digest, purl=address)


def lua(version: str, path: str) -> Component:
    """A Lua that no package has."""
    return Component("lua", version, "none", _MIT, origin=SYSTEM, path=path, purl=purl("generic", "", "lua", version))


def parse_lua_version(text: str) -> str:
    """The version in what ``lua -v`` prints, ``Lua 5.3.6  Copyright …``; empty where there is none."""
    found = re.match(r"Lua(?:JIT)? (\d[\w.-]*)", text)
    return found[1] if found else ""


def lua_package(package: SystemPackage, system: System, path: str, library: bool = False) -> Component:
    """Lua, Lmod or one of its Lua modules, as the operating system has it."""
    return of_system(package, system, path, _MIT, LIBRARY if library else APPLICATION)


def spack_packages(packages: Sequence[Mapping[str, Any]]) -> list[Component]:
    """What Spack has installed for Lmod, from what petal.hpc.spack_environment returns."""
    return [
        Component(
            name=str(item["name"]),
            version=str(item["version"]),
            manager="spack",
            license=str(item.get("license") or ""),
            kind=LIBRARY,
            origin=str(item["origin"]),
            path=str(item["prefix"]),
            hash=str(item["hash"]),
            dependencies=tuple(item.get("dependencies") or ()),
        )
        for item in packages
        if item["origin"] != "external"
    ]


# --- Python ---------------------------------------------------------------------------------------------------------


def python_package(package: SystemPackage, system: System, path: str) -> Component:
    """The operating system's Python."""
    return of_system(package, system, path, _PYTHON)


def python(version: str, path: str, on_volume: bool) -> Component:
    """An interpreter that no package has: one of uv's on the volume, or one that somebody put onto the host."""
    manager, origin = ("uv", VOLUME) if on_volume else ("none", SYSTEM)
    address = purl("generic", "", "python", version)
    return Component("python", version, manager, _PYTHON, origin=origin, path=path, purl=address)


# --- Spack ----------------------------------------------------------------------------------------------------------


def spack(given: Mapping[str, Any]) -> list[Component]:
    """Spack and the repository of its packages, as the role spack describes them.

    given: ``version``, ``commit``, ``url``, ``root``, and the same with ``packages_`` in front. Without a
    commit there is none.
    """
    if not given.get("commit"):
        return []
    return [_repository("spack", APPLICATION, given), _repository("spack-packages", LIBRARY, given, "packages_")]


def carried(text: str, path: str) -> list[Component]:
    """The packages that the solver needs, as _spack/scripts/carry.py notes them."""
    return [
        Component(
            name=str(item["name"]),
            version=str(item["version"]),
            manager="pypi",
            license=str(item["license"]),
            kind=LIBRARY,
            path=path,
            purl=purl("pypi", "", str(item["name"]), str(item["version"])),
        )
        for item in json.loads(text)["packages"]
    ]


def _repository(name: str, kind: str, given: Mapping[str, Any], prefix: str = "") -> Component:
    version, commit, url, path = (str(given.get(f"{prefix}{key}") or "") for key in _REPOSITORY)
    url = without_credentials(url)
    parts = urlsplit(url)
    # A commit names its content wherever it came from, but only what is on GitHub is a package of GitHub's.
    if parts.hostname == "github.com":
        owner, _slash, repository = parts.path.strip("/").removesuffix(".git").partition("/")
        address = purl("github", owner.lower(), repository.lower(), commit)
    else:
        address = purl("generic", "", name, version or commit, vcs_url=f"git+{url}@{commit}")
    shown = version or commit
    return Component(name, shown, "git", _SPACK, kind, path=path, purl=address, url=url, commit=commit)
