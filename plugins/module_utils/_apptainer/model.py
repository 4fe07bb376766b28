# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An Apptainer that needs nothing of the node: which packages of Debian it comes from, and what of them goes where.

Debian's Apptainer has no setuid program, and finds all that belongs to it from where it is itself. With its own loader
and libraries it runs on any Linux.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._components.model import purl
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import without_credentials

#: Raised whenever the same packages give other files.
RECIPE = 1
#: What is noted of an installation, beside it.
RECORD = "petal.json"
#: The archive as it was at a time, from the service that Debian keeps for that, whose lists are out of date on purpose.
_FORMER = re.compile(r"/\d{8}T\d{6}Z(/|$)")
_SUITE = re.compile(r"[a-z][a-z0-9.+-]*(/[a-z]+)?")
#: Without an @: what an archive wants to know of who asks stands in apt's own auth.conf.
_ADDRESS = re.compile(r"(https?|file|mirror\+file):/[A-Za-z0-9._~:/?&=%+,-]{1,1000}")
_PATH = re.compile(r"/[A-Za-z0-9._/+@,:=-]*")
#: Debian Policy Manual, "Version".
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ApptainerError(PetalError):
    """Apptainer cannot be put onto the volume."""


@dataclass(frozen=True)
class Machine:
    """How Debian calls an architecture, where it keeps its libraries, and its loader's name."""

    deb: str
    triplet: str
    loader: str

    @property
    def libraries(self) -> str:
        return f"lib/{self.triplet}"

    @property
    def programs(self) -> str:
        """Where Apptainer has what it starts itself."""
        return f"{self.libraries}/apptainer/bin"

    @property
    def relocated(self) -> tuple[str, ...]:
        """The programs, which are told by which loader and with which libraries they run."""
        return ("bin/apptainer", f"{self.programs}/squashfuse_ll", f"{self.programs}/starter")


#: As seeds name them, and as uname(1) does.
_ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
#: By what uname(1) says.
MACHINES = {
    "x86_64": Machine("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": Machine("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}


@dataclass(frozen=True)
class Package:
    """A package of Debian. licence: an SPDX expression, as its file ``copyright`` has it. libraries: those it is for.

    tool: whether it is only for the way onto the volume, and nothing of it stays there.
    """

    name: str
    licence: str
    libraries: tuple[str, ...] = ()
    tool: bool = False


_C_LIBRARY = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libresolv.so.2", "librt.so.1")
APPTAINER = "apptainer"
PACKAGES = {
    package.name: package
    for package in (
        Package(APPTAINER, "BSD-3-Clause-LBNL AND BSD-3-Clause AND Apache-2.0 AND ISC"),
        Package("libc6", "LGPL-2.1-or-later", _C_LIBRARY),
        # The C library loads it where a thread ends.
        Package("libgcc-s1", "GPL-3.0-or-later WITH GCC-exception-3.1", ("libgcc_s.so.1",)),
        Package("libfuse3-4", "LGPL-2.1-only", ("libfuse3.so.4",)),
        Package("liblz4-1", "BSD-2-Clause", ("liblz4.so.1",)),
        Package("liblzma5", "0BSD", ("liblzma.so.5",)),
        Package("liblzo2-2", "GPL-2.0-or-later", ("liblzo2.so.2",)),
        Package("libseccomp2", "LGPL-2.1-only", ("libseccomp.so.2",)),
        Package("libsqlite3-0", "blessing", ("libsqlite3.so.0",)),
        Package("libstdc++6", "GPL-3.0-or-later WITH GCC-exception-3.1", ("libstdc++.so.6",), tool=True),
        Package("libxxhash0", "BSD-2-Clause", ("libxxhash.so.0",)),
        Package("libzstd1", "BSD-3-Clause OR GPL-2.0-only", ("libzstd.so.1",)),
        Package("patchelf", "GPL-3.0-or-later", tool=True),
        Package("squashfuse", "BSD-2-Clause"),
        Package("zlib1g", "Zlib", ("libz.so.1",)),
    )
}

#: Users have no rights but their own, so that what protects a setuid Apptainer from them is not there. Root gets no
#: capabilities in a container: they fail where it lacks CAP_SYS_RESOURCE itself, and nobody needs them.
CONFIGURATION = """\
# Written by petal.hpc.apptainer. Whatever is not here is as Apptainer has it.
allow setuid = no
root default capabilities = no

# A container sees the user's files where they are. What is bound has to be there, and a node in UTC may have no
# /etc/localtime.
mount proc = yes
mount sys = yes
mount dev = yes
mount devpts = yes
mount home = yes
mount tmp = yes
mount hostfs = no
mount slave = yes
bind path = /etc/hosts
user bind control = yes

# Places for what is bound and not in the image: by an overlay where the kernel lets users have one, else by binds.
enable overlay = yes
enable underlay = yes
enable fusemount = yes
sessiondir max size = 64

# Encrypted and ext3 images take programs that are not here.
allow container encrypted = no
allow container extfs = no
"""


@dataclass(frozen=True)
class Source:
    """Where package files come from: a directory of them, or an archive of Debian's.

    suite: has Apptainer. base_suite: has the rest. keyring: whose keys sign what the archive has.
    """

    directory: str = ""
    archive: str = ""
    suite: str = "sid"
    base_suite: str = "trixie"
    keyring: str = "/usr/share/keyrings/debian-archive-keyring.gpg"

    def __post_init__(self) -> None:
        """Refuse what would be something else in a list of sources. Raises ApptainerError."""
        for name, value in (("suite", self.suite), ("base_suite", self.base_suite)):
            if not _SUITE.fullmatch(value):
                raise ApptainerError(f"{name} {value!r} is no suite of Debian's: expected a word such as trixie or sid")
        if self.archive and not is_address(self.archive):
            shown = without_credentials(self.archive)
            raise ApptainerError(
                f"archive {shown!r} is no address without a user: expected one such as https://mirror.example.org/debian"
            )
        check_path("keyring", self.keyring)
        if self.directory:
            check_path("directory", self.directory)

    def suite_of(self, package: str) -> str:
        """From which suite a package comes."""
        return self.suite if package == APPTAINER else self.base_suite

    def lines(self, archive: str) -> str:
        """A list of sources for apt."""
        options = f"signed-by={self.keyring}"
        if _FORMER.search(archive):
            options += " check-valid-until=no"
        suites = dict.fromkeys((self.suite, self.base_suite))
        return "".join(f"deb [{options}] {archive} {suite} main\n" for suite in suites)


@dataclass(frozen=True)
class Deb:
    """A package file."""

    name: str
    version: str
    architecture: str
    source: str
    sha256: str

    @property
    def licence(self) -> str:
        return PACKAGES[self.name].licence

    def entry(self) -> dict[str, Any]:
        """As a manifest lists it among its packages."""
        upstream = self.source if self.source != self.name else ""
        return {
            "name": self.name,
            "version": self.version,
            "manager": "deb",
            "hash": f"sha256:{self.sha256}",
            "license": self.licence,
            "kind": "application" if self.name == APPTAINER else "library",
            "purl": purl("deb", "debian", self.name, self.version, arch=self.architecture, upstream=upstream),
        }


def check_path(name: str, path: str) -> str:
    """A path that can stand in programs and in lists of apt's, as it is. Raises ApptainerError.

    :param name: of the option.
    """
    plain = posixpath.normpath(path)
    if not _PATH.fullmatch(plain) or plain in ("/", "//"):
        raise ApptainerError(
            f"{name} {path!r} is not allowed: expected an absolute path of letters, digits and any of . _ / + @ , : = -"
        )
    return plain


def is_address(archive: str) -> bool:
    """Whether this can stand in a list of sources, and in messages."""
    return _ADDRESS.fullmatch(archive) is not None


def machine_of(name: str, wanted: str = "", builds: bool = False) -> Machine:
    """The machine that is wanted, as a seed names its architecture, else the one that uname(1) names so.

    :param builds: whether it is more than package files that is wanted. Raises ApptainerError.
    """
    if name not in MACHINES:
        raise ApptainerError(f"Apptainer is not to be had for {name} processors: expected {' or '.join(MACHINES)}")
    here = MACHINES[name]
    machine = MACHINES[_ARCHITECTURES[wanted]] if wanted else here
    if builds and machine != here:
        raise ApptainerError(
            f"architecture {wanted}: this host has {name} processors. Apptainer is put onto a volume by a host of the "
            "same architecture; state=fetched fetches the packages of either."
        )
    return machine


def check_versions(versions: Mapping[str, Any]) -> dict[str, str]:
    """Versions by packages, as an option has them. Raises ApptainerError."""
    for name, version in versions.items():
        if name not in PACKAGES:
            raise ApptainerError(f"versions: {name!r} is none of the packages {', '.join(sorted(PACKAGES))}")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise ApptainerError(f"versions: {name}: {version!r} is no version: expected text such as '1.4.5-2'")
    return dict(versions)


def check_digests(digests: Sequence[str]) -> frozenset[str]:
    """SHA-256 of package files, with or without ``sha256:``. Raises ApptainerError."""
    plain = [digest.lower().removeprefix("sha256:") for digest in digests]
    for digest in plain:
        if not _SHA256.fullmatch(digest):
            raise ApptainerError(f"sha256: {digest[:80]!r} is none: expected 64 hexadecimal digits")
    return frozenset(plain)


# --- what is in a package -------------------------------------------------------------------------------------------


def parse_control(text: str, sha256: str) -> Deb:
    """The control file of a package (deb-control(5)). Raises ApptainerError where a field is missing."""
    lines = [line.partition(":") for line in text.splitlines() if line[:1].isalpha()]
    fields = {name: value.strip() for name, _colon, value in lines if value.strip()}
    missing = [name for name in ("Package", "Version", "Architecture") if name not in fields]
    if missing:
        raise ApptainerError(f"its control file has no {missing[0]}")
    source = str(fields.get("Source", fields["Package"])).split(" ", maxsplit=1)[0]
    return Deb(fields["Package"], fields["Version"], fields["Architecture"], source, sha256)


def chosen(debs: Mapping[str, Deb], machine: Machine, where: str) -> dict[str, str]:
    """The file of each package, by its name, from all that were found. Raises ApptainerError.

    :param debs: by file. where: for messages.
    """
    found: dict[str, str] = {}
    for file, deb in sorted(debs.items()):
        if deb.name not in PACKAGES or deb.architecture != machine.deb:
            continue
        if deb.name in found:
            raise ApptainerError(
                f"{where} has {deb.name} twice, as {found[deb.name]} and {file}: remove the one that is not wanted"
            )
        found[deb.name] = file
    missing = sorted(set(PACKAGES) - set(found))
    if missing:
        raise ApptainerError(
            f"{where} has no package file for {machine.deb} of: {', '.join(missing)}. "
            "petal.hpc.apptainer with state=fetched puts them there."
        )
    return found


def check_debs(debs: Iterable[Deb], versions: Mapping[str, str], digests: frozenset[str]) -> None:
    """See that packages are those that are wanted. Raises ApptainerError."""
    for deb in debs:
        if deb.version != versions.get(deb.name, deb.version):
            raise ApptainerError(f"{deb.name} is there as {deb.version}, and {versions[deb.name]} was asked for")
        if digests and deb.sha256 not in digests:
            raise ApptainerError(
                f"{deb.name} {deb.version} has the SHA-256 {deb.sha256}, which is none of those that are allowed"
            )


def members(package: Package, machine: Machine, names: Iterable[str]) -> dict[str, str]:
    """What of a package goes where: paths below the installation, and members of the package (without ``./``).

    What has to be there and is not among the names is listed all the same.
    """
    libraries = f"usr/{machine.libraries}"
    wanted = {f"{machine.libraries}/{library}": f"{libraries}/{library}" for library in package.libraries}
    # libgcc-s1 has a link to another package.
    own = f"usr/share/doc/{package.name}/copyright"
    if own in names:
        wanted[f"share/doc/{package.name}/copyright"] = own
    if package.name == "libc6":
        wanted[f"{machine.libraries}/{machine.loader}"] = f"{libraries}/{machine.loader}"
    elif package.name == "squashfuse":
        wanted[f"{machine.programs}/squashfuse_ll"] = "usr/bin/squashfuse_ll"
    elif package.name == "patchelf":
        wanted["bin/patchelf"] = "usr/bin/patchelf"
    elif package.name == APPTAINER:
        wanted["bin/apptainer"] = "usr/bin/apptainer"
        for path in ("bin/starter", "lib/offsetpreload.so"):
            wanted[f"{machine.libraries}/apptainer/{path}"] = f"{libraries}/apptainer/{path}"
        settings = [name for name in names if re.fullmatch(r"etc/apptainer/(seccomp-profiles/)?[a-z0-9._-]+", name)]
        wanted |= {name: name for name in settings if name != "etc/apptainer/apptainer.conf"}
    return wanted


def led_to(member: str, links: Mapping[str, str]) -> str:
    """The member that a link leads to, within its directory. Raises ApptainerError where it leads out of it."""
    for _step in range(4):
        if member not in links:
            return member
        target = links[member]
        if "/" in target or target in ("", ".", ".."):
            break
        member = posixpath.join(posixpath.dirname(member), target)
    raise ApptainerError(f"{member} is a link to {links.get(member, 'a link')}, which is not a file beside it")


# --- what is noted --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """What is noted of an installation: from which packages, for which place, and the SHA-256 of each file."""

    prefix: str
    machine: str
    suites: tuple[str, ...]
    packages: tuple[Deb, ...]
    files: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "recipe": RECIPE,
            **asdict(self),
            "suites": list(self.suites),
            "packages": [asdict(deb) for deb in self.packages],
            "files": dict(sorted(self.files.items())),
        }


def read_record(found: Any) -> Record | None:
    """The record in JSON that was read; None where this release would not write it so."""
    try:
        if found["recipe"] != RECIPE:
            return None
        packages = tuple(Deb(**item) for item in found["packages"])
        record = Record(found["prefix"], found["machine"], tuple(found["suites"]), packages, dict(found["files"]))
        return record if all(deb.name in PACKAGES for deb in packages) else None
    except (KeyError, TypeError, ValueError):
        return None


def differs(record: Record | None, prefix: str, machine: Machine, source: Source, versions: Mapping[str, str]) -> str:
    """Why an installation is made anew, as a clause; empty where it need not be, as far as is known without packages.

    Where packages come from an archive, the versions that are there will do unless others are asked for.
    """
    if record is None:
        return "it is not there"
    if (record.prefix, record.machine) != (prefix, machine.deb):
        return "it is for another place or processor"
    if not source.directory and record.suites != (source.suite, source.base_suite):
        return "it is from other suites"
    other = [deb.name for deb in record.packages if versions.get(deb.name, deb.version) != deb.version]
    return f"another version of {other[0]} is asked for" if other else ""


def relocation(patchelf: Sequence[str], prefix: str, machine: Machine, program: str) -> list[str]:
    """The command that tells a program by which loader and libraries it runs once it is at its place.

    DT_RPATH and not DT_RUNPATH: it counts for the libraries of libraries, and before a user's LD_LIBRARY_PATH.
    """
    libraries = f"{prefix}/{machine.libraries}"
    loader = f"{libraries}/{machine.loader}"
    return [*patchelf, "--set-interpreter", loader, "--force-rpath", "--set-rpath", libraries, program]


def foreign_libraries(listing: str, prefix: str) -> list[str]:
    """What the loader's ``--list`` says of libraries that are not the installation's own: ``NAME (of HOST PATH)``."""
    found = []
    for line in listing.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        path = rest.partition(" (")[0].strip()
        if arrow and not path.startswith(f"{prefix}/"):
            found.append(f"{name} ({path})")
    return found
