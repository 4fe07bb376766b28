# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a Spack environment: what is wanted, what the solver chose, what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import canonical

# Where a package comes from.
INSTALLED = "installed"
CACHE = "cache"
SOURCE = "source"
EXTERNAL = "external"
#: On the volume that this one was made from.
BASE = "base"

#: Kinds of dependencies that a package needs after it was built (Spack's deptypes).
RUNTIME = frozenset({"link", "run"})


#: What only builds others, and is kept for users who build on top of a volume: Spack takes none but the one of its
#: recipes, and each package that is compiled wants it. One for each target.
WRAPPER = "compiler-wrapper"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
STACK_NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}")


class SpackError(PetalError):
    """Something about a Spack environment went wrong.

    environment: the record as far as it goes, for the structure that a task returns.
    """

    def __init__(self, message: str, environment: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.environment: dict[str, Any] = dict(environment or {})


@dataclass(frozen=True)
class Stack:
    """Specs that are solved for themselves, beside those of the environment.

    compiler, target: None are those of the environment. mpi: the one of all its packages, and a package of it; None is
    whatever the configuration prefers.
    """

    name: str
    specs: tuple[str, ...]
    compiler: str | None = None
    mpi: str | None = None
    target: str | None = None

    @classmethod
    def checked(cls, given: Mapping[str, Any], where: str, compiler: str | None) -> Stack:
        """From a module's option. Raises SpackError, which says where.

        :param compiler: that of the environment.
        """
        name = str(given["name"])
        if not STACK_NAME.fullmatch(name):
            raise SpackError(
                f"{where}.name: {name!r} is not allowed: expected at most 30 lower-case letters, digits, '_' and '-', "
                "a letter first"
            )
        specs = tuple(
            dict.fromkeys(_spec(text, f"{where}.packages[{n}]") for n, text in enumerate(given["packages"] or ()))
        )
        own = _spec(given["compiler"], f"{where}.compiler") if given.get("compiler") else None
        mpi = _spec(given["mpi"], f"{where}.mpi") if given.get("mpi") else None
        if not specs and mpi is None:
            raise SpackError(f"{where}: there is nothing to install: name packages, or mpi")
        return cls(name, specs, None if own == compiler else own, mpi, given.get("target") or None)


def _spec(text: str, where: str) -> str:
    try:
        return canonical(text)
    except PetalError as error:
        raise SpackError(f"{where}: {error}") from error


@dataclass(frozen=True)
class EnvironmentRequest:
    """What an environment shall be.

    specs: in the order of the seed, with those of from_source: the ones that are never taken from a cache. compiler:
    what builds the rest; None is whatever the configuration prefers. target: None is the configuration's. stacks: the
    order decides which build of a package is the first.
    """

    name: str
    specs: tuple[str, ...]
    compiler: str | None = None
    target: str | None = None
    from_source: tuple[str, ...] = ()
    deprecated: bool = True
    stacks: tuple[Stack, ...] = ()

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> EnvironmentRequest:
        """From what ``dataclasses.asdict`` and JSON made of it."""
        return cls(
            name=value["name"],
            specs=tuple(value["specs"]),
            compiler=value["compiler"],
            target=value["target"],
            from_source=tuple(value["from_source"]),
            deprecated=value["deprecated"],
            # An earlier release knew none.
            stacks=tuple(Stack(**{**entry, "specs": tuple(entry["specs"])}) for entry in value.get("stacks", ())),
        )

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> EnvironmentRequest:
        """From a module's options. Raises PetalError where a spec cannot be read, or the name cannot be a directory."""
        name = given["name"]
        if not NAME.fullmatch(name):
            raise SpackError(
                f"name {name!r} is not allowed: expected letters, digits, '.', '_' and '-', a letter or digit first"
            )
        specs, from_source = (
            tuple(canonical(text) for text in given[key] or ()) for key in ("specs", "build_from_source")
        )
        compiler = canonical(given["compiler"]) if given["compiler"] else None
        # What is to be built is wanted, whether or not it stands among the others too.
        every = tuple(dict.fromkeys((*specs, *from_source)))
        stacks = tuple(
            Stack.checked(entry, f"stacks[{n}]", compiler) for n, entry in enumerate(given.get("stacks") or ())
        )
        names = [stack.name for stack in stacks]
        for n, stack in enumerate(stacks):
            if stack.name in names[:n]:
                raise SpackError(f"stacks[{n}].name: another stack is called {stack.name}")
        return cls(name, every, compiler, given["target"] or None, from_source, given["deprecated"], stacks)


@dataclass(frozen=True)
class Node:
    """One concrete package of a spack.lock.

    dependencies: kinds by hash. root: the spec of the environment that it stands for, None for a dependency. variants:
    as in a spec, a word for each, ``+mpi api=v18``. stacks: those that ask for it; empty text for the specs of none.
    """

    name: str
    version: str
    hash: str
    external: str | None = None
    root: str | None = None
    dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    variants: str = ""
    stacks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Place:
    """Where a package is, as Spack's store says.

    cached: a binary mirror lists it, and it may be taken from there. deprecated: its recipe says so of the version.
    explicit: somebody asked for it, it is not only a dependency. license: what its recipe says, an SPDX expression as a
    rule; empty where it says nothing.
    """

    prefix: str
    installed: bool
    cached: bool = False
    deprecated: bool = False
    explicit: bool = False
    license: str = ""


@dataclass(frozen=True)
class Package:
    """One package of a finished or planned environment.

    seconds: what its installation took, None if not known. license: as in its Place. dependencies: hashes of what it
    needs to run, externals too; build_dependencies: of what only its build needs. variants: as of its Node. started,
    ended: when it was installed, in seconds since 1970, None if not known. stacks: as of its Node.
    """

    name: str
    version: str
    hash: str
    prefix: str
    origin: str
    seconds: float | None
    spec: str
    explicit: bool
    license: str = ""
    dependencies: tuple[str, ...] = ()
    variants: str = ""
    build_dependencies: tuple[str, ...] = ()
    started: float | None = None
    ended: float | None = None
    stacks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Failure:
    """One package that did not build. phase: of its build; log: path, empty if there is none; tail: its telling end;
    host: the node that built it, empty for the host of the volume.
    """

    package: str
    version: str
    hash: str
    phase: str
    log: str
    tail: str
    host: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def label(self) -> str:
        return f"{self.package}@{self.version}" if self.version else self.package


def _of_specs(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a probe says of specs and their compiler, of those of no stack and of a stack's."""
    return {
        "external": bool(value.get("external", True)),
        "older": bool(value.get("older", False)),
        "languages": tuple(value.get("languages", ())),
        "compiled": tuple(value.get("compiled", ())),
        "needs": {text: tuple(languages) for text, languages in value.get("needs", {}).items()},
    }


@dataclass(frozen=True)
class StackProbe:
    """The same of a stack: what of the fields of Probe is its own.

    no_mpi: what it names as its MPI is none.
    """

    external: bool = True
    older: bool = False
    languages: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    no_mpi: bool = False
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> StackProbe:
        return cls(**_of_specs(value), no_mpi=bool(value.get("no_mpi", False)))


@dataclass(frozen=True)
class Probe:
    """What ``scripts/probe.py`` found out from Spack.

    version: Spack's. closed: packages that the solver may leave out. external: whether the compiler is one of the
    host. older: it is to be built, and is older than the one of the host that builds it. languages: what the compiler
    compiles, of c, cxx, fortran. compiled: the specs that need one. needs: the languages that each spec needs in any
    case. built: externals of compilers that were built apart, as JSON. root: where Spack is. repositories: where its
    packages are. stacks: in their order. repeatable: whether nothing but the configuration and the recipes decides, no
    package that is there and no cache.
    """

    version: tuple[int, ...]
    closed: tuple[str, ...] = ()
    external: bool = True
    older: bool = False
    languages: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    built: tuple[str, ...] = ()
    root: str = ""
    repositories: tuple[str, ...] = ()
    stacks: tuple[StackProbe, ...] = ()
    repeatable: bool = False

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Probe:
        return cls(
            version=version_tuple(str(value["version"])),
            closed=tuple(value.get("closed", ())),
            **_of_specs(value),
            root=str(value.get("root", "")),
            repositories=tuple(value.get("repositories", ())),
            stacks=tuple(StackProbe.from_dict(entry) for entry in value.get("stacks", ())),
            repeatable=bool(value.get("repeatable", False)),
        )


def installed(packages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a manifest lists of an environment's packages, given as Package.to_dict has them: all but externals."""
    return [
        {
            "name": package["name"],
            "version": package["version"],
            "manager": "spack",
            "hash": package["hash"],
            "origin": package["origin"],
            "prefix": package["prefix"],
            "license": package.get("license", ""),
            "dependencies": package.get("dependencies", []),
            "variants": package.get("variants", ""),
        }
        for package in packages
        if package["origin"] != EXTERNAL
    ]


def version_tuple(text: str) -> tuple[int, ...]:
    """The leading numbers of a version.

    >>> version_tuple("1.2.0.dev0")
    (1, 2, 0)
    """
    numbers: list[int] = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def progress(done: int, total: int, items: Sequence[str]) -> dict[str, Any]:
    """How far it is, as the progress callback reads it."""
    return {"done": done, "total": total, "item": ", ".join(items)}
