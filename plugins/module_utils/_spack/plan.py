# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do about a Spack environment: its files, its digest, how much at once, and what the result is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.agreement import can_be, names_compiler, short
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import Edge, parse
from ansible_collections.petal.hpc.plugins.module_utils._spack import lockfile
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    CACHE,
    EXTERNAL,
    INSTALLED,
    RUNTIME,
    SOURCE,
    EnvironmentRequest,
    Node,
    Package,
    Place,
    Probe,
    SpackError,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import DONE, Progress

# A new format of state.json, or other rules of concretizing: environments made before are solved again.
SCHEMA = 1

GIB = 1024**3
# Large C++ files take about this much.
MEMORY_PER_JOB = 2 * GIB
# Builds wait: for configure scripts, downloads, links. Measured with real packages on 2 cores.
JOBS_AT_LEAST = 8
JOBS_PER_CORE = 2

# Spack 1.2 brought groups, filters of mirrors, and the installer with one job server.
NEW_INSTALLER = (1, 2)
CONCURRENT_PACKAGES = (1, 1)
HAS_GROUPS = (1, 2)

# A setting for one command: no module is written as a package is installed.
NO_MODULES = "modules:default:enable::[]"

# What is named is built; what it needs may come from a cache.
FROM_SOURCE = ("--use-buildcache", "package:never,dependencies:auto")

# The group of a compiler that is built before the rest.
COMPILER_GROUP = "compiler"

# Prefixes of the operating system's own packages.
SYSTEM = ("/", "/usr")

GCC_COMMANDS = {"c": "gcc", "cxx": "g++", "fortran": "gfortran"}
# As gcc's variant has them.
GCC_LANGUAGES = {"c": "c", "cxx": "c++", "fortran": "fortran"}


def jobs(cores: int, memory: int, wanted: int = 0) -> int:
    """How many jobs at once: compilers of one package and packages beside each other share them.

    :param cores: that this process may use.
    :param memory: bytes that the host has.
    :param wanted: what the user asks for; 0 for as many as the host carries.
    """
    if wanted > 0:
        return wanted
    return max(1, min(memory // MEMORY_PER_JOB, max(JOBS_AT_LEAST, JOBS_PER_CORE * cores)))


def concurrency(number: int, version: tuple[int, ...], parallel: bool = True) -> list[str]:
    """The options of ``spack install`` for so many jobs, of one package at a time where not ``parallel``.

    One job server for all packages came with 1.2. In 1.1 each of several packages has jobs of its own; before that
    there is one package at a time.
    """
    if not parallel and version >= CONCURRENT_PACKAGES:
        return ["-p1", f"-j{number}"]
    if version >= NEW_INSTALLER or version < CONCURRENT_PACKAGES:
        return [f"-j{number}"]
    each = min(2, number)
    return [f"-p{max(1, number // each)}", f"-j{each}"]


def digest(wanted: EnvironmentRequest, sources: Mapping[str, str]) -> str:
    """``sha256:…`` of all that decides what the solver chooses.

    :param sources: digests of Spack, its packages and its configuration, by path.
    """
    value = {
        "schema": SCHEMA,
        "specs": sorted(wanted.specs),
        "compiler": wanted.compiler,
        "target": wanted.target,
        "from_source": sorted(wanted.from_source),
        "deprecated": wanted.deprecated,
        "sources": dict(sources),
    }
    if wanted.stacks:
        value["stacks"] = [{**asdict(stack), "specs": sorted(stack.specs)} for stack in wanted.stacks]
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


# --- files ----------------------------------------------------------------------------------------------------------


def split_compiler(wanted: EnvironmentRequest) -> tuple[list[str], list[str]]:
    """The specs that stand for the compiler, and the others; the compiler itself where no spec does."""
    if wanted.compiler is None:
        return [], list(wanted.specs)
    compiler = parse(wanted.compiler)
    mine = [text for text in wanted.specs if can_be(parse(text), compiler)]
    return mine or [wanted.compiler], [text for text in wanted.specs if text not in mine]


def own_compilers(text: str) -> list[str]:
    """The compilers that a spec asks for itself, for its package (``%llvm@17``, ``%c=gcc@12``) or one below it."""
    found: dict[str, None] = {}
    waiting = [parse(text)]
    while waiting:
        for edge in waiting.pop().dependencies:
            waiting.append(edge.spec)
            if names_compiler(edge):
                found[short(edge.spec)] = None
    return list(found)


def with_compiler(text: str, compiler: str) -> str:
    """A spec that is built with a compiler: ``hdf5 %gcc@13 ^openmpi``. Behind ``^`` it would mean the dependency."""
    spec = parse(text)
    edge = Edge(parse(short(parse(compiler))), direct=True)
    return str(replace(spec, dependencies=(edge, *spec.dependencies)))


def compiler_name(name: str) -> str:
    """The name of the environment that has the compiler of another one."""
    return f"{name}-compiler"


def compiler_apart(wanted: EnvironmentRequest, probe: Probe) -> EnvironmentRequest | None:
    """The environment that has to be installed before this one can be solved: that of a compiler to be built, where
    one environment cannot have both.
    """
    if wanted.compiler is None or probe.external:
        return None
    if _is_new(probe, HAS_GROUPS) and not probe.older:
        return None
    name = parse(wanted.compiler).name
    if name != "gcc":
        raise SpackError(
            f"{wanted.compiler} would have to be built before the rest, which this release of Spack does for gcc only. "
            "Use Spack 1.2 or later, or make the compiler known to Spack as one of the host."
        )
    specs, _others = split_compiler(wanted)
    return replace(wanted, name=compiler_name(wanted.name), specs=tuple(specs), compiler=None, stacks=())


def with_compiler_built(
    wanted: EnvironmentRequest, probe: Probe, compiler: Package
) -> tuple[EnvironmentRequest, Probe]:
    """The same with a compiler that was built apart, which is like one of the host from then on."""
    _specs, others = split_compiler(wanted)
    languages = tuple(language for language in GCC_COMMANDS if language in probe.languages)
    external = {
        "spec": f"{compiler.name}@{compiler.version} languages='{','.join(map(GCC_LANGUAGES.__getitem__, languages))}'",
        "prefix": compiler.prefix,
        "extra_attributes": {
            "compilers": {language: f"{compiler.prefix}/bin/{GCC_COMMANDS[language]}" for language in languages}
        },
    }
    built = replace(wanted, specs=tuple(others), compiler=f"{compiler.name}@{compiler.version}")
    return built, replace(probe, external=True, built=(json.dumps(external),), languages=languages)


def environment(wanted: EnvironmentRequest, probe: Probe, unify: bool | str = True) -> dict[str, Any]:
    """What the spack.yaml of an environment without stacks has below ``spack``.

    One solution for all specs (unify): one version of each package, as users of modules expect, unless the specs need
    several. A compiler that has to be built makes a group of its own, which the rest needs.
    """
    found: dict[str, Any] = {
        "view": False,
        "concretizer": {"unify": unify},
        "config": {"deprecated": wanted.deprecated},
    }
    packages: dict[str, Any] = {}
    if wanted.target:
        packages["all"] = {"require": [f"target={wanted.target}"]}
    if wanted.compiler is None:
        found["specs"] = list(wanted.specs)
    elif probe.external:
        found["specs"] = list(wanted.specs)
        packages.update(_compiler_rules(wanted, probe))
        if probe.built:
            packages["gcc"] = {"externals": [json.loads(text) for text in probe.built]}
    else:
        found["specs"] = _groups(wanted, probe)
    if packages:
        found["packages"] = packages
    return found


def _is_new(probe: Probe, version: tuple[int, ...]) -> bool:
    return probe.version >= version


def _compiler_rules(wanted: EnvironmentRequest, probe: Probe) -> dict[str, Any]:
    """The host's compiler for all languages that it has, and beside it those that specs ask for themselves."""
    mine = str(wanted.compiler)
    others = [text for spec in wanted.specs for text in own_compilers(spec) if not can_be(parse(text), parse(mine))]
    choices = [short(parse(mine)), *dict.fromkeys(others)]
    rule: list[Any] = choices if len(choices) == 1 else [{"any_of": choices}]
    # The colon replaces what the configuration of the host says of this language.
    return {f"{language}:": {"require": rule} for language in probe.languages}


def _groups(wanted: EnvironmentRequest, probe: Probe) -> list[dict[str, Any]]:
    """A compiler that has to be built, and what it builds.

    Its own libraries have another compiler, and are part of the second solution too: there it can be required of the
    roots only, and is preferred for the rest.
    """
    mine = short(parse(str(wanted.compiler)))
    compilers, others = split_compiler(wanted)
    first = {"group": COMPILER_GROUP, "specs": compilers}
    if not others:
        return [first]
    specs = [
        with_compiler(text, mine) if text in probe.compiled and not own_compilers(text) else text for text in others
    ]
    # The colon replaces what the configuration of the host says of this language.
    rules = {f"{language}:": {"prefer": [mine]} for language in probe.languages}
    return [first, {"group": "software", "needs": [COMPILER_GROUP], "specs": specs, "override": {"packages": rules}}]


def closed_packages(probe: Probe) -> str:
    """packages.yaml of the scope that tells the solver what it may leave out, as JSON."""
    return json.dumps({"packages": {name: {"buildable": False} for name in probe.closed}}, indent=1) + "\n"


def mirrors(entries: Mapping[str, Any]) -> str:
    """mirrors.yaml of a scope that replaces all mirrors, as JSON."""
    return json.dumps({"mirrors:": dict(entries)}, indent=1) + "\n"


# --- results --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Brought:
    """What an earlier installation of a package was: its origin, the seconds it took, and when (as in its Item)."""

    origin: str
    seconds: float | None
    started: float | None = None
    ended: float | None = None


def brought(found: Progress, nodes: Mapping[str, Node]) -> dict[str, Brought]:
    """What an installation has brought so far, by hash."""
    return {
        key: Brought(item.origin, item.seconds, item.started, item.ended)
        for key, item in found.by_hash(nodes).items()
        if item.state == DONE and nodes[key].external is None
    }


def packages(
    nodes: Mapping[str, Node], places: Mapping[str, Place], history: Mapping[str, Brought], besides: Iterable[str] = ()
) -> list[Package]:
    """The packages of an environment, dependencies first.

    Those that only build others which are there already, or come from a cache, are left out: they are not installed.
    The origin of what is there is how it came, where that is known.

    :param besides: hashes of what is to be there, though it only builds others.
    """
    installed = {key for key, place in places.items() if place.installed}
    cached = {key for key, place in places.items() if place.cached}
    coming = lockfile.needed(nodes, installed, cached, besides)
    return [
        _package(node, places[node.hash], history.get(node.hash))
        for node in lockfile.ordered(nodes)
        if node.external is not None or node.hash in installed or node.hash in coming
    ]


def _package(node: Node, place: Place, before: Brought | None) -> Package:
    if node.external is not None:
        origin = EXTERNAL
    elif place.installed:
        origin = before.origin if before else INSTALLED
    else:
        origin = CACHE if place.cached else SOURCE
    return Package(
        name=node.name,
        version=node.version,
        hash=node.hash,
        # Nobody has to ask where an external is.
        prefix=place.prefix or node.external or "",
        origin=origin,
        seconds=before.seconds if before and place.installed else None,
        started=before.started if before and place.installed else None,
        ended=before.ended if before and place.installed else None,
        spec=node.root or node.label,
        explicit=node.root is not None,
        license=place.license,
        dependencies=tuple(sorted(key for key, kinds in node.dependencies.items() if kinds & RUNTIME)),
        variants=node.variants,
        build_dependencies=tuple(sorted(key for key, kinds in node.dependencies.items() if not kinds & RUNTIME)),
        stacks=node.stacks,
    )


def tools(nodes: Mapping[str, Node], places: Mapping[str, Place], history: Mapping[str, Brought]) -> list[Package]:
    """What was installed to build others and is not in the store, dependencies first."""
    gone = [node for node in lockfile.ordered(nodes) if node.hash in history and node.external is None]
    return [
        replace(_package(node, places[node.hash], None), **asdict(history[node.hash]))
        for node in gone
        if not places[node.hash].installed
    ]


def of_system(nodes: Mapping[str, Node]) -> list[str]:
    """What was asked for and is the operating system's own, as ``cmake@3.25.1``."""
    return sorted(node.label for node in nodes.values() if node.root is not None and node.external in SYSTEM)


def listing(packages_: Sequence[Package]) -> str:
    """Packages as lines, for a difference."""
    return "".join(f"{item.name}@{item.version} /{item.hash[:7]}\n" for item in packages_ if item.origin != EXTERNAL)


def source_order(nodes: Mapping[str, Node], from_source: Sequence[str], missing: Iterable[str]) -> list[str]:
    """Packages to build from source one after another, dependencies first, as ``name/hash``.

    For a Spack whose mirrors have no filters. Only names are compared: what a spec says beyond its name is met by the
    solver's choice for it, of which there is one.
    """
    names = {parse(text).name for text in from_source}
    wanted = set(missing)
    return [
        f"{node.name}/{node.hash}"
        for node in lockfile.ordered(nodes)
        if node.name in names and node.hash in wanted and node.external is None
    ]
