# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages inside a container image, from what their managers note of them. An image's maker may have written that.

Each is an entry in the form of a manifest's ``packages``: ``name``, ``version``, ``manager``, ``origin``, ``purl``, and
``license`` where it is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.petal.hpc.plugins.module_utils._audit.pypi import package_licence
from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import is_known
from ansible_collections.petal.hpc.plugins.module_utils._components.model import (
    System,
    SystemPackage,
    of_system,
    parse_os_release,
    purl,
)
from ansible_collections.petal.hpc.plugins.module_utils._containers.licences import NOT_FREE, expression

#: By what packages of an image are told from those that were built or fetched for the volume.
IMAGE = "image"
DEB, RPM, APK, PYPI, CONDA = "deb", "rpm", "apk", "pypi", "conda"
#: More than any image has. What comes after is counted, and not listed.
PACKAGES_LIMIT = 50_000
#: For ``rpm --query --all``: one package in a line, and what else it says of itself that matters here.
RPM_FORMAT = "%{NAME}\\t%{EPOCH}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\t%{LICENSE}\\t[%{PROVIDES} ]\\n"

_TEXT_LIMIT = 300
_LICENCE_LIMIT = 1000
# Of names and versions of all managers; a slash is in none of them.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_~:^!-]{0,299}")
_PYTHON_PROVIDES = re.compile(r"python3?(?:\.[0-9]{1,2})?dist\(([A-Za-z0-9._-]{1,200})")
_SEPARATORS = re.compile(r"[-_.]+")
_NOT_FREE_SECTIONS = ("non-free", "non-free-firmware", "restricted", "multiverse")


@dataclass(frozen=True)
class Package:
    """One package as its manager knows it. source, source_version: of what it was built, where that is not its own."""

    manager: str
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    source_version: str = ""
    license: str = ""
    channel: str = ""
    build: str = ""

    def address(self, system: System) -> str:
        """Its package URL."""
        if self.manager == PYPI:
            return purl(PYPI, "", plain(self.name), self.version)
        if self.manager == CONDA:
            more = {"build": self.build, "channel": self.channel, "subdir": self.architecture}
            return purl(CONDA, "", self.name, self.version, **more)
        source = self.source if self.source_version in ("", self.version) else f"{self.source}@{self.source_version}"
        if self.manager == APK:
            release = f"{system.id}-{system.release}" if system.release else system.id
            upstream = source if source != self.name else ""
            return purl(
                APK, system.id, self.name, self.version, arch=self.architecture, distro=release, upstream=upstream
            )
        known = SystemPackage(self.manager, self.name, self.version, self.architecture, source or self.name)
        return of_system(known, system, "", self.license).purl

    def entry(self, system: System) -> dict[str, str]:
        """Its entry; what is not known is left out."""
        found = {
            "name": self.name,
            "version": self.version,
            "manager": self.manager,
            "license": self.license[:_LICENCE_LIMIT],
            "origin": IMAGE,
            "purl": self.address(system),
        }
        return {key: value for key, value in found.items() if value}


@dataclass
class Read:
    """What a text listed. odd: how many entries have no usable name or version. files: what packages say is theirs, as
    far as it matters. pythons: names of Python packages that the operating system's provide.
    """

    packages: list[Package] = field(default_factory=list)
    odd: int = 0
    files: set[str] = field(default_factory=set)
    pythons: set[str] = field(default_factory=set)

    def take(self, package: Package) -> None:
        if _WORD.fullmatch(package.name) and _WORD.fullmatch(package.version):
            self.packages.append(package)
        else:
            self.odd += 1


def plain(name: str) -> str:
    """A Python package's name as PEP 503 has it."""
    return _SEPARATORS.sub("-", name).lower()


def system(text: str) -> System:
    """An image's ``os-release``, without what could not stand in an address."""
    found = parse_os_release(text)
    return System(_word(found.id) or "linux", _word(found.release), _word(found.codename))


# --- operating systems ----------------------------------------------------------------------------------------------


def dpkg(text: str) -> Read:
    """``/var/lib/dpkg/status``, or a file of ``status.d``, in which nobody notes that a package is installed."""
    found = Read()
    for fields in _stanzas(text):
        status = fields.get("status", "install ok installed").split()
        if status[-1:] != ["installed"]:
            continue
        source, _space, rest = fields.get("source", "").partition(" ")
        section = fields.get("section", "")
        found.take(
            Package(
                manager=DEB,
                name=fields.get("package", ""),
                version=fields.get("version", ""),
                architecture=_word(fields.get("architecture", "")),
                source=_word(source),
                source_version=_word(rest.strip("() ")),
                license=NOT_FREE if section.partition("/")[0] in _NOT_FREE_SECTIONS else "",
            )
        )
    return found


def apk(text: str) -> Read:
    """``/lib/apk/db/installed``: a letter, a colon and a value in a line, an empty line between packages."""
    found = Read()
    for block in _blocks(text):
        fields: dict[str, str] = {}
        directory = ""
        for line in block:
            key, value = line[:1], line[2:]
            if key == "F":
                directory = value
            elif key == "R" and _is_python(f"{directory}/{value}"):
                found.files.add(f"{directory}/{value}")
            elif key not in fields:
                fields[key] = value
        found.take(
            Package(
                manager=APK,
                name=fields.get("P", ""),
                version=fields.get("V", ""),
                architecture=_word(fields.get("A", "")),
                source=_word(fields.get("o", "")),
                license=expression(one_line(fields.get("L", ""), _LICENCE_LIMIT)),
            )
        )
    return found


def rpm(text: str) -> Read:
    """What ``rpm --query --all`` prints by RPM_FORMAT."""
    found = Read()
    for line in text.split("\n"):
        fields = line.split("\t")
        # The keys that signatures are told by are packages too, to rpm.
        if len(fields) != 6 or fields[0] == "gpg-pubkey":
            found.odd += 1 if line.strip() and fields[0] != "gpg-pubkey" else 0
            continue
        name, version, architecture, source, licence, provides = fields
        for no_epoch in ("(none):", "0:"):
            version = version[len(no_epoch) :] if version.startswith(no_epoch) else version
        found.take(
            Package(
                manager=RPM,
                name=name,
                version=version,
                architecture=_word(architecture),
                source=_word(source),
                license=expression(one_line(licence, _LICENCE_LIMIT)),
            )
        )
        found.pythons.update(plain(one) for one in _PYTHON_PROVIDES.findall(provides))
    return found


def dpkg_files(text: str) -> set[str]:
    """Of a package's list of files those that describe packages of Python, without the slash in front."""
    return {line[1:] for line in text.split("\n") if line.startswith("/") and _is_python(line)}


def _is_python(path: str) -> bool:
    return path.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info"))


# --- languages ------------------------------------------------------------------------------------------------------


def python(text: str) -> Package | None:
    """``METADATA`` or ``PKG-INFO``; None where it has no usable name or version."""
    headers = text.partition("\n\n")[0]
    fields: dict[str, str] = {}
    classifiers: list[str] = []
    for line in headers.split("\n"):
        key, colon, value = line.partition(":")
        if not colon or line[:1] in " \t":
            continue
        if key == "Classifier":
            classifiers.append(value.strip())
        else:
            fields.setdefault(key, value.strip())
    said = [fields.get(key, "") for key in ("License-Expression", "License")]
    licence = package_licence(one_line(said[0], _LICENCE_LIMIT), classifiers, one_line(said[1], _LICENCE_LIMIT))
    package = Package(PYPI, fields.get("Name", ""), fields.get("Version", ""), license=licence or "")
    return package if _WORD.fullmatch(package.name) and _WORD.fullmatch(package.version) else None


def conda(data: bytes) -> tuple[Package | None, set[str]]:
    """A file of ``conda-meta``, and of the package's files those that describe packages of Python, below its prefix."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None, set()
    if not isinstance(value, Mapping):
        return None, set()
    name, version, build, channel, subdir, licence = (
        str(value.get(key) or "") for key in ("name", "version", "build", "channel", "subdir", "license")
    )
    files = value.get("files")
    owned = {one for one in files if isinstance(one, str) and _is_python(one)} if isinstance(files, list) else set()
    # An address of a channel may have a token in it; its name is what is left.
    channel = _word(channel.rstrip("/").removesuffix(f"/{subdir}").rpartition("/")[2])
    package = Package(
        manager=CONDA,
        name=name,
        version=version,
        architecture=_word(subdir),
        license=expression(one_line(licence, _LICENCE_LIMIT)),
        channel=channel,
        build=_word(build),
    )
    usable = _WORD.fullmatch(name) and _WORD.fullmatch(version)
    return (package if usable else None), owned


def with_licence_of(package: Package, other: Package) -> Package:
    """A package of Python that conda has brought, with what conda knows of its licence where it says nothing."""
    return package if is_known(package.license or None) else replace(package, license=other.license or package.license)


# --- all of them ----------------------------------------------------------------------------------------------------


def listed(packages: Iterable[Package], system: System) -> list[dict[str, str]]:
    """Entries, each once, by manager, name and version."""
    every = {(one.manager, one.name, one.version, one.architecture): one for one in packages}
    return [every[key].entry(system) for key in sorted(every)][:PACKAGES_LIMIT]


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """Fields in small letters, their first lines alone: of no field that is read here others matter."""
    for block in _blocks(text):
        pairs = (line.partition(":") for line in block if line[:1] not in (" ", "\t"))
        yield {key.lower(): value.strip() for key, colon, value in pairs if colon}


def _blocks(text: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def one_line(text: str, limit: int = _TEXT_LIMIT) -> str:
    """A foreign text as one line that can be shown."""
    short = " ".join(text[: limit + 1].split())[:limit]
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in short)


def _word(text: str) -> str:
    """What may stand in an address; empty for what is none."""
    return text if _WORD.fullmatch(text) else ""
