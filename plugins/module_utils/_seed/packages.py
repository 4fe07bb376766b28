# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a package repository of Spack has, and what of a spec it has not: names, versions and variants.

An index has one line for each package, and a first line that says of which release of the repository it is::

    zlib 1.3.2 1.3.1 1.3 1.2.13 | +optimize +pic +shared
    openmpi main 5.0.10 !4.0.6 | +cuda cuda_arch
    mpi virtual openmpi mpich cray-mpich

Behind a name that several packages provide stand these, first those that Spack prefers. Versions stand newest first as
Spack orders them, those that the repository calls deprecated behind ``!``; variants that are on or off behind ``+``.
Every package has ``build_system``, so that it is left out.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import did_you_mean
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS, LEGACY_COMPILERS, Spec, Variant
from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import GitRef, Version, Versions

_HEADER = re.compile(r"# Spack's package repository (\S+), commit ([0-9a-f]{40})")
#: The namespace that the index is of.
_NAMESPACE = "builtin"
#: Variants that Spack itself gives to every package. Source: spack.variant.RESERVED_NAMES of Spack 1.2.
SPACKS_OWN = frozenset(("branch", "build_system", "commit", "dev_path", "namespace", "patches", "ref", "tag"))
#: What Spack puts before names from other worlds.
_PREFIXES = ("py-", "r-", "perl-", "rust-", "lib")
#: Difference in length beyond which no other name is near.
_FAR = 3
_VIRTUAL = "virtual"
#: Most of the newest versions that a message names.
_NEWEST = 3
#: Most of the packages that a message names of those which provide the same.
_PREFERRED = 2
#: Most of the variants that a message names.
_VARIANTS = 12


class PackageIndexError(PetalError):
    """A text is no index of packages."""


def is_of(first_line: str, ref: str | None) -> bool:
    """Whether an index, by its first line, is of a reference of the package repository."""
    header = _HEADER.fullmatch(first_line.rstrip("\n"))
    return header is not None and ref in header.groups()


def _is_virtual(line: str) -> bool:
    return f"{line} ".partition(" ")[2].startswith(f"{_VIRTUAL} ")


@dataclass(frozen=True)
class Package:
    """A package as the index has it. switches: variants that are on or off; choices: those that take a value.

    providers: of a virtual one, first those that Spack prefers; empty where the index does not say.
    """

    name: str
    versions: tuple[str, ...] = ()
    deprecated: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()
    choices: frozenset[str] = frozenset()
    virtual: bool = False
    providers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: str) -> Package:
        """A package from its line."""
        name, _space, rest = line.partition(" ")
        if _is_virtual(line):
            return cls(name, virtual=True, providers=tuple(rest.split()[1:]))
        versions, _bar, variants = rest.partition("|")
        given = versions.split()
        return cls(
            name,
            tuple(version.lstrip("!") for version in given),
            frozenset(version[1:] for version in given if version[0] == "!"),
            frozenset(variant[1:] for variant in variants.split() if variant[0] == "+"),
            frozenset(variant for variant in variants.split() if variant[0] != "+"),
        )

    def __str__(self) -> str:
        if self.virtual:
            return " ".join([self.name, _VIRTUAL, *self.providers])
        versions = ["!" * (version in self.deprecated) + version for version in self.versions]
        variants = [("+" * (name in self.switches)) + name for name in sorted(self.switches | self.choices)]
        return " ".join([self.name, *versions, *(["|", *variants] if variants or not versions else [])])


class Index:
    """All packages of one release of the repository. ref: its tag; commit: what the tag stands for."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        header = _HEADER.fullmatch(lines[0]) if lines else None
        if header is None:
            raise PackageIndexError(
                "this is no index of Spack's packages: its first line does not say of which release"
            )
        self.ref, self.commit = header.groups()
        self._lines = [line for line in lines if line[:1] != "#"]

    def __str__(self) -> str:
        return f"Spack's package repository {self.ref}"

    def find(self, name: str) -> Package | None:
        """A package by its name. Only its own line is read: there are thousands."""
        place = bisect.bisect_left(self._lines, name + " ")
        found = self._lines[place : place + 1]
        return Package.parse(found[0]) if found and found[0].startswith(name + " ") else None

    def nearest(self, name: str) -> str:
        """The name that was probably meant, as a hint; empty where there is none like it."""
        name = name.lower()
        for other in (LEGACY_COMPILERS.get(name, ""), *(prefix + name for prefix in _PREFIXES)):
            if other and self.find(other):
                return f"did you mean {other}?"
        # difflib compares letter by letter: only the few that are about as long and of the same letters.
        letters = set(name)
        names = (line.partition(" ")[0] for line in self._lines)
        likely = [
            other
            for other in names
            if abs(len(other) - len(name)) <= _FAR and len(letters & set(other)) * 3 >= len(letters) * 2
        ]
        return did_you_mean(name, likely)

    def is_virtual(self, name: str) -> bool:
        """Whether a name is one that several packages provide, such as mpi."""
        package = self.find(name)
        return package is not None and package.virtual

    @property
    def virtuals(self) -> list[str]:
        """All such names."""
        return [line.partition(" ")[0] for line in self._lines if _is_virtual(line)]


@dataclass(frozen=True)
class Doubt:
    """What the repository does not have, and what to write instead, where that is known."""

    message: str
    hint: str = ""


def no_package(spec: Spec, index: Index, own: Collection[str] = ()) -> Doubt | None:
    """Of a spec that has to name a package, and names what several provide: what to write.

    own: packages with recipes of somebody's own.
    """
    package = index.find(spec.name) if spec.name not in own else None
    if package is None or not package.virtual:
        return None
    some = " or ".join(package.providers[:_PREFERRED])
    hint = f"write the package that is meant{f', such as {some}' if some else ''}"
    return Doubt(f"{spec.name} is no package but what several provide, and nobody could say which one is there", hint)


def doubts(spec: Spec, index: Index, own: Collection[str] = ()) -> Iterator[Doubt]:
    """What of a spec, and of the dependencies that it names, the index does not have.

    own: packages with recipes of somebody's own, which decide what there is of them.
    """
    for edge in spec.dependencies:
        for virtual in edge.virtuals:
            if not index.is_virtual(virtual):
                hint = did_you_mean(virtual, index.virtuals)
                yield Doubt(f"no package of {index} provides {virtual}", hint)
    if spec.name and spec.namespace in ("", _NAMESPACE) and spec.name not in own:
        package = index.find(spec.name)
        if package is None:
            yield Doubt(f"{index} has no package {spec.name}", index.nearest(spec.name))
        elif not package.virtual:
            yield from _versions(spec.versions, package, str(index))
            for variant in spec.variants:
                yield from _variant(variant, package, str(index))
    for edge in spec.dependencies:
        yield from doubts(edge.spec, index, own)


def _versions(wanted: Versions, package: Package, repository: str) -> Iterator[Doubt]:
    """Nothing for a package without versions: it is only ever an external, or belongs to its compiler."""
    if wanted.is_any or not package.versions or any(isinstance(item, GitRef) for item in wanted.items):
        return
    known = [Version.parse(text) for text in package.versions]
    if not any(wanted.holds(version) for version in known):
        # Externals are of other versions too: Rocky's gcc is 11.4.1.
        unless = ", unless the operating system brings it" if package.name in COMPILERS else ""
        message = f"{repository} has no version {wanted} of {package.name}{unless}"
        yield Doubt(message, _there_are(wanted, known, package))


def _there_are(wanted: Versions, known: Sequence[Version], package: Package) -> str:
    """The versions next to what is wanted, and the newest. Branches, which move, only where there is nothing else."""
    numbered = [version for version in known if not version.is_branch] or known
    usable = [version for version in numbered if version.text not in package.deprecated] or numbered
    newest = ", ".join(version.text for version in usable[:_NEWEST])
    near = ", ".join(version.text for version in wanted.neighbours(usable))
    if len(usable) <= _NEWEST:
        return f"it has {newest}"
    return f"the newest: {newest}" if not near else f"the nearest: {near}; the newest: {newest}"


def _variant(variant: Variant, package: Package, repository: str) -> Iterator[Doubt]:
    """A variant that is handed on to dependencies (``++mpi``) may be one of theirs only."""
    if variant.propagate or variant.name in SPACKS_OWN:
        return
    known = package.switches | package.choices
    if variant.name not in known:
        names = sorted(known)
        some = ", ".join(names[:_VARIANTS]) + (", …" if len(names) > _VARIANTS else "")
        hint = f"{did_you_mean(variant.name, names)} it has {some or 'none'}".lstrip()
        yield Doubt(f"{package.name} has no variant {variant.name} in {repository}", hint)
    elif isinstance(variant.value, bool) and variant.name in package.choices:
        hint = f"write {variant.name}=VALUE"
        yield Doubt(f"the variant {variant.name} of {package.name} takes a value", hint)
    elif variant.value and not isinstance(variant.value, bool) and variant.name in package.switches:
        hint = f"write +{variant.name} or ~{variant.name}"
        yield Doubt(f"the variant {variant.name} of {package.name} is on or off", hint)
