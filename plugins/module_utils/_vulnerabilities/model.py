# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages of a bill of materials OSV's records name (https://ossf.github.io/osv-schema/).

What is compared: PyPI by PEP 440 (with `packaging`, which is on the controller only, so that no module may reach this),
packages of operating systems as their managers order them, ranges of type SEMVER by SemVer, and lists of versions as
they are. What has ranges of another kind alone (Git) is not compared, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Optional
from urllib.parse import unquote

from ansible_collections.petal.hpc.plugins.module_utils._components.bom import NO_BILL, has, listed
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._vulnerabilities import versions

PYPI = "PyPI"
#: Programs in C and C++, by the names of their projects: what comes nearest to the names of Spack's packages.
OSS_FUZZ = "OSS-Fuzz"

#: Types of package URLs, and what OSV calls their ecosystems. Those of an operating system have its release behind.
ECOSYSTEMS = {
    "pypi": PYPI,
    "npm": "npm",
    "golang": "Go",
    "cargo": "crates.io",
    "cran": "CRAN",
    "gem": "RubyGems",
    "maven": "Maven",
    "nuget": "NuGet",
    "hackage": "Hackage",
}
_SYSTEMS = {
    "debian": ("Debian:{}",),
    "ubuntu": ("Ubuntu:{}:LTS",),
    "rocky": ("Rocky Linux:{}",),
    "almalinux": ("AlmaLinux:{}",),
    "rhel": ("Red Hat:enterprise_linux:{}::baseos", "Red Hat:enterprise_linux:{}::appstream"),
    "opensuse-leap": ("openSUSE:Leap {}",),
    "alpine": ("Alpine:v{}",),
    "wolfi": ("Wolfi",),
    "chainguard": ("Chainguard",),
}
#: Of how many numbers the release is that OSV has; of all others of one.
_NUMBERS = {"ubuntu": 2, "alpine": 2, "opensuse-leap": 2}
_CODENAMES = {
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "bionic": "18.04",
    "focal": "20.04",
    "jammy": "22.04",
    "noble": "24.04",
    "resolute": "26.04",
}
#: What orders versions, by the first word of an ecosystem.
_ORDERS = {
    **dict.fromkeys(("Debian", "Ubuntu"), versions.deb),
    **dict.fromkeys(("Rocky Linux", "AlmaLinux", "Red Hat", "openSUSE"), versions.rpm),
    **dict.fromkeys(("Alpine", "Wolfi", "Chainguard"), versions.apk),
}

_PURL = re.compile(r"pkg:(?P<kind>[a-z0-9.+-]+)/(?P<path>[^@?#]+)(?:@(?P<version>[^?#]+))?(?:\?(?P<query>[^#]*))?")
_SEMVER = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
_LEADING_V = re.compile(r"^v(?=\d)")

Key = Any
Order = Callable[[str], Optional[Key]]


class VulnerabilitiesError(PetalError):
    """A bill of materials or a record cannot be read."""


@dataclass(frozen=True)
class Package:
    """A package of a bill of materials, as OSV calls it. names: of one package there may be several.

    source_version: of what it was built, where records speak of that, and it is another one.
    """

    name: str
    version: str
    names: tuple[tuple[str, str], ...]
    source_version: str = ""


@dataclass(frozen=True)
class Finding:
    """One vulnerability of one package. fixed: the versions that have it no more, of each branch concerned."""

    id: str
    aliases: tuple[str, ...]
    severity: str
    package: str
    version: str
    fixed: tuple[str, ...]
    summary: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "aliases": list(self.aliases), "fixed": list(self.fixed)}


@dataclass
class Findings:
    """All that was found. records: how many were read. not_compared: packages that a record names and whose versions
    could not be compared with it, as in ``zlib 1.3 (OSV-2021-777)``.
    """

    found: list[Finding] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    records: int = 0


# --- packages -------------------------------------------------------------------------------------------------------


def packages(bom: Any) -> list[Package]:
    """The packages of a bill of materials in CycloneDX JSON. Raises VulnerabilitiesError where it is none."""
    found = listed(bom)
    if found is None:
        raise VulnerabilitiesError(NO_BILL)
    return [_package(item) for item in found]


def _package(item: Mapping[str, Any]) -> Package:
    name, version = str(item.get("name", "")), str(item.get("version", ""))
    names: list[tuple[str, str]] = []
    source_version = ""
    match = _PURL.fullmatch(str(item.get("purl", "")))
    if match:
        query = dict(pair.partition("=")[::2] for pair in (match["query"] or "").split("&"))
        version = unquote(match["version"] or "") or version
        version = f"{query['epoch']}:{version}" if query.get("epoch") else version
        source_version = unquote(query.get("upstream", "")).partition("@")[2]
        names += _of_purl(match, query)
    if has(item, "petal:manager", "spack"):
        # Of Spack's own names there is no ecosystem; those of Python packages say what they are.
        names.append((PYPI, plain(name[3:])) if name.startswith("py-") else (OSS_FUZZ, name))
    return Package(name, version, tuple(dict.fromkeys(names)), source_version)


def _of_purl(match: re.Match[str], query: Mapping[str, str]) -> list[tuple[str, str]]:
    parts = [unquote(part) for part in match["path"].split("/")]
    kind = match["kind"]
    if kind in ("deb", "rpm", "apk"):
        return _of_system(parts, query)
    ecosystem = ECOSYSTEMS.get(kind)
    if ecosystem is None:
        return []
    joined = (":" if kind == "maven" else "/").join(parts)
    return [(ecosystem, plain(joined) if ecosystem == PYPI else joined)]


def _of_system(parts: list[str], query: Mapping[str, str]) -> list[tuple[str, str]]:
    release = unquote(query.get("distro", ""))
    numbers = release.rpartition("-")[2].split(".")[: _NUMBERS.get(parts[0], 1)]
    release = _CODENAMES.get(release, ".".join(numbers))
    # Records of Debian's and Alpine's are of source packages; an RPM's source is a file name.
    source = unquote(query.get("upstream", "")).partition("@")[0]
    name = source if source and not source.endswith(".rpm") else parts[-1]
    return [(system.format(release), name) for system in _SYSTEMS.get(parts[0], ())]


def plain(name: str) -> str:
    """A Python package's name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


# --- records --------------------------------------------------------------------------------------------------------


class Matcher:
    """Compares the packages of one bill of materials with records, one at a time."""

    def __init__(self, installed: Iterable[Package]) -> None:
        self._by_name: dict[tuple[str, str], list[Package]] = {}
        for package in installed:
            for name in package.names:
                self._by_name.setdefault(name, []).append(package)
        self.findings = Findings()

    def take(self, record: Any) -> None:
        """Look at one record. Raises VulnerabilitiesError where it is none."""
        if not isinstance(record, Mapping) or not isinstance(record.get("id"), str):
            raise VulnerabilitiesError("it is no record of OSV's: it has no id")
        affected = record.get("affected", [])
        if not isinstance(affected, list) or not all(isinstance(entry, Mapping) for entry in affected):
            raise VulnerabilitiesError(f"{record['id']}: affected is no list of mappings")
        self.findings.records += 1
        if record.get("withdrawn"):
            return
        hits: dict[tuple[str, str], list[str]] = {}
        missed: set[tuple[str, str]] = set()
        for entry in affected:
            self._entry(record, entry, hits, missed)
        for (name, version), fixed in sorted(hits.items()):
            self.findings.found.append(_finding(record, name, version, fixed))
        for name, version in sorted(missed - set(hits)):
            self.findings.not_compared.append(f"{name} {version} ({record['id']})")

    def _entry(
        self,
        record: Mapping[str, Any],
        entry: Mapping[str, Any],
        hits: dict[tuple[str, str], list[str]],
        missed: set[tuple[str, str]],
    ) -> None:
        named = entry.get("package") or {}
        if not isinstance(named, Mapping):
            raise VulnerabilitiesError(f"{record['id']}: a package of affected is no mapping")
        ecosystem, name = str(named.get("ecosystem", "")), str(named.get("name", ""))
        for package in self._by_name.get((ecosystem, plain(name) if ecosystem == PYPI else name), ()):
            verdict = _judged(entry, package.source_version or package.version, ecosystem)
            key = (package.name, package.version)
            if verdict is None:
                missed.add(key)
            elif verdict.affected:
                hits.setdefault(key, []).extend(verdict.fixed)


@dataclass(frozen=True)
class _Verdict:
    affected: bool
    fixed: tuple[str, ...] = ()


def _judged(entry: Mapping[str, Any], version: str, ecosystem: str) -> _Verdict | None:
    """Whether a version is affected; None where that cannot be told."""
    listed_ones = {_LEADING_V.sub("", str(one)) for one in entry.get("versions") or ()}
    named = _LEADING_V.sub("", version) in listed_ones
    told, fixed, affected = bool(listed_ones), [], named
    for one in entry.get("ranges") or ():
        order = _order(str(one.get("type", "")), ecosystem) if isinstance(one, Mapping) else None
        key = order(version) if order else None
        if order is None or key is None:
            continue
        told = True
        inside, mended = _in_range(one.get("events") or (), key, order)
        affected = affected or inside
        fixed += mended if inside or named else []
    return _Verdict(affected, tuple(fixed)) if told else None


def _order(kind: str, ecosystem: str) -> Order | None:
    if kind == "SEMVER":
        return semver
    if kind != "ECOSYSTEM":
        return None
    return pep440 if ecosystem == PYPI else _ORDERS.get(ecosystem.partition(":")[0])


def _in_range(events: Any, key: Key, order: Order) -> tuple[bool, list[str]]:
    """Whether a version is in a range, by the algorithm of OSV's schema; and the first one after it that is mended."""
    sorted_events: list[tuple[Key, str, str]] = []
    for event in events:
        for what, text in event.items() if isinstance(event, Mapping) else ():
            if what == "introduced" and str(text) == "0":
                sorted_events.append((None, what, "0"))
            elif what in ("introduced", "fixed", "last_affected"):
                at = order(str(text))
                if at is not None:
                    sorted_events.append((at, what, str(text)))
    beginning = [one for one in sorted_events if one[0] is None]
    inside = bool(beginning)
    mended: list[str] = []
    for at, what, text in sorted((one for one in sorted_events if one[0] is not None), key=lambda one: one[0]):
        if what == "introduced" and key >= at:
            inside = True
        elif (what == "fixed" and key >= at) or (what == "last_affected" and key > at):
            inside = False
        elif what == "fixed" and not mended:
            mended = [text]
    return inside, mended


def pep440(text: str) -> Key | None:
    """What orders versions of Python packages; None for what is none."""
    # Here, because ansible-test imports this where there is no packaging.
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None


def semver(text: str) -> Key | None:
    """What orders versions by SemVer 2.0, with parts that are missing as 0; None for what is none."""
    match = _SEMVER.fullmatch(text)
    if match is None:
        return None
    numbers = tuple(int(part or 0) for part in match.groups()[:3])
    # A version before its release comes before it; numbers come before words.
    before = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match[4] or "").split(".") if part]
    return (*numbers, 0 if before else 1, before)


def _finding(record: Mapping[str, Any], name: str, version: str, fixed: list[str]) -> Finding:
    aliases = [str(one) for one in record.get("aliases") or ()]
    return Finding(
        id=record["id"],
        aliases=tuple(aliases),
        severity=_severity(record),
        package=name,
        version=version,
        fixed=tuple(dict.fromkeys(fixed)),
        summary=" ".join(str(record.get("summary") or "").split())[:200],
    )


def _severity(record: Mapping[str, Any]) -> str:
    """The word that the database has for it, else the first vector; empty where nobody says."""
    said = record.get("database_specific")
    if isinstance(said, Mapping) and isinstance(said.get("severity"), str):
        return str(said["severity"]).upper()
    scores = record.get("severity")
    first = scores[0] if isinstance(scores, list) and scores else {}
    return str(first.get("score", "")) if isinstance(first, Mapping) else ""
