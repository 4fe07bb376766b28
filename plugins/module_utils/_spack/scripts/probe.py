# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python``: what the configuration says of a set of specs, and what the solver may leave out.

    spack python probe.py ARGUMENTS.json OUTPUT.json

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

LANGUAGES = ("c", "cxx", "fortran")
# Spack's bit for dependencies of tests, which are not installed.
TEST_ONLY = 8


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


class Host:
    """Spack's packages and its packages.yaml, in the words of the search below."""

    def __init__(self, target: str = "") -> None:
        self.repository: Any = module("repo").PATH
        self.configured: dict[str, Any] = dict(module("config").CONFIG.get("packages") or {})
        self.spec: Any = module("spec").Spec
        named = {name: entry for name, entry in self.configured.items() if name != "all"}
        self.externals = {name for name, entry in named.items() if entry.get("externals")}
        unbuildable = {name for name, entry in named.items() if entry.get("buildable", True) is False}
        self.only_external = unbuildable & self.externals
        self.switched_off = unbuildable - self.externals
        self.libcs = set(self.provider_names("libc"))
        self.here = self.spec(f"platform=linux target={target or self._target() or os.uname().machine}")

    def _target(self) -> str:
        """The target that ``packages:all:require`` asks for; empty where it does not."""
        found = [spec.architecture.target for spec in self.constraints("all") if spec.architecture is not None]
        return next((str(target) for target in found if target), "")

    def provider_names(self, virtual: str) -> list[str]:
        return list(dict.fromkeys(spec.name for spec in self.repository.providers_for(virtual)))

    def is_virtual(self, name: str) -> bool:
        return bool(self.repository.is_virtual(name))

    def runtimes(self) -> list[str]:
        return list(self.repository.packages_with_tags("runtime"))

    def constraints(self, name: str) -> Iterator[Any]:
        """The specs by which packages.yaml constrains a package."""
        entry = self.configured.get(name, {})
        for key in ("require", "prefer"):
            value = entry.get(key) or []
            for item in [value] if isinstance(value, str) else value:
                texts = [item] if isinstance(item, str) else [item.get("spec"), *item.get("any_of", [])]
                texts += [] if isinstance(item, str) else item.get("one_of", [])
                yield from (self.spec(text) for text in texts if text)
        variants = entry.get("variants") or ()
        if variants:
            yield self.spec(variants if isinstance(variants, str) else " ".join(variants))

    def preferred(self, virtual: str) -> list[str]:
        """Providers in the order of ``packages:all:providers``."""
        texts = (self.configured.get("all") or {}).get("providers", {}).get(virtual, [])
        return [self.spec(text).name for text in texts]


def values_of(variant: Any) -> set[str]:
    """The values of a variant in a spec, as text."""
    return {str(value) for value in variant.values}


def defaults_of(package: Any) -> dict[str, set[str]]:
    """The default values of each variant of a package class."""
    found: dict[str, set[str]] = {}
    for definitions in package.variants.values():
        for name, variant in definitions.items():
            default = variant.default
            if isinstance(default, (tuple, list, set, frozenset)):
                values = {str(value) for value in default}
            else:
                values = set(str(default).split(",")) if variant.multi else {str(default)}
            found.setdefault(name, set()).update(values)
    return found


class Closure:
    """The packages that a set of specs can come to need; everything else may be closed to the solver.

    A fixed point over the possible values of each package's variants: its defaults, what the specs and the
    configuration say, and what the packages that are kept ask for. A conditional dependency opens once its condition
    can hold; nothing closes again. It decides no version and no variant: that stays with the solver, which finds no
    solution where this was too narrow, and never a wrong one.
    """

    def __init__(self, host: Host, roots: Iterable[Any]) -> None:
        self.host = host
        self.kept: dict[str, Any] = {}
        self.values: dict[str, dict[str, set[str]]] = {}
        self.named: dict[str, list[Any]] = {}
        self.roots: set[str] = set()
        self._waiting: list[tuple[str, Any, list[tuple[str, Any]]]] = []
        for root in roots:
            self.roots.add(root.name)
            self._name(root)
        for name in host.configured:
            for constraint in host.constraints(name) if name != "all" else ():
                self._name(constraint, but=name)

    def _name(self, spec: Any, but: str = "") -> None:
        for node in spec.traverse():
            if node.name and node.name != but:
                self.named.setdefault(node.name, []).append(node)

    def close(self) -> list[str]:
        """The names of the packages at the border: those that a kept one can name and that are not kept themselves."""
        self._start()
        while self._open():
            pass
        host = self.host
        border = set(host.runtimes())
        for language in LANGUAGES:
            border.update(host.provider_names(language))
        for name, package in self.kept.items():
            for dependencies in package.dependencies.values() if name not in host.libcs else ():
                for dependency in dependencies:
                    border.update(host.provider_names(dependency) if host.is_virtual(dependency) else {dependency})
        border -= set(self.kept) | host.externals | host.switched_off | host.libcs
        return sorted(name for name in border if host.repository.exists(name))

    def _start(self) -> None:
        host = self.host
        compilers = {name for language in LANGUAGES for name in host.provider_names(language)} & host.externals
        tools = {"compiler-wrapper", "gmake", *(name for name in host.runtimes() if "gcc" in name)}
        for name in sorted(set(self.named) | tools | compilers):
            if host.is_virtual(name):
                for provider in self.providers(name):
                    self.keep(provider)
            elif host.repository.exists(name):
                self.keep(name)

    def providers(self, virtual: str) -> set[str]:
        """Who may provide a virtual package: those named, else the host's, else the first two preferred, else all."""
        host = self.host
        every = [name for name in host.provider_names(virtual) if name not in host.switched_off]
        named = {name for name in every if name in self.named}
        external = {name for name in every if name in host.externals}
        first = [name for name in host.preferred(virtual) if name in every][:2]
        return named | external or set(first) or set(every)

    def keep(self, name: str) -> None:
        """Keep a package, and wait for the conditions of its dependencies."""
        host = self.host
        if name in self.kept or name in host.switched_off:
            return
        try:
            package = host.repository.get_pkg_class(name)
        except Exception:  # a recipe that does not load is one that the solver cannot choose either
            return
        if not self._runs_here(package):
            return
        self.kept[name] = package
        self._first_values(name, package)
        if name in host.libcs or name in host.only_external:
            return
        for when, dependencies in package.dependencies.items():
            wanted = [(key, item.spec) for key, item in dependencies.items() if item.depflag & ~TEST_ONLY]
            self._waiting.append((name, when, wanted))
        for when, requirements in package.requirements.items():
            for specs, *_rest in requirements:
                self._waiting.append((name, when, [(spec.name or name, spec) for spec in specs]))

    def _runs_here(self, package: Any) -> bool:
        unconditional = package.requirements.get(self.host.spec(), ())
        return all(
            any(
                spec.architecture is None or self.host.here.intersects(_architecture(self.host, spec)) for spec in specs
            )
            for specs, *_rest in unconditional
        )

    def _first_values(self, name: str, package: Any) -> None:
        mine = self.values.setdefault(name, {})
        given: dict[str, set[str]] = {}
        named = self.named.get(name, [])
        for spec in named if name in self.roots else ():
            for key, variant in spec.variants.items():
                given[key] = values_of(variant)
        for key, values in defaults_of(package).items():
            # What a single root says of a switch leaves no room for its default.
            decided = len(named) == 1 and given.get(key, set()) & {"True", "False"}
            mine.setdefault(key, set()).update(given[key] if decided else values | given.get(key, set()))
        for spec in [*named, *self.host.constraints(name)]:
            self._add_values(name, spec)

    def _add_values(self, name: str, spec: Any) -> bool:
        mine, grown = self.values.setdefault(name, {}), False
        for key, variant in spec.variants.items():
            have, new = mine.setdefault(key, set()), values_of(variant)
            if not new <= have:
                have |= new
                grown = True
        return grown

    def _open(self) -> bool:
        """Open every condition that can hold by now; True while something grows."""
        waiting, self._waiting = self._waiting, []
        grown, closed = False, []
        for entry in waiting:
            name, when, dependencies = entry
            if not self._possible(name, when):
                closed.append(entry)
                continue
            grown = True
            for dependency, spec in dependencies:
                self._want(name, dependency, spec)
        self._waiting += closed
        return grown

    def _want(self, name: str, dependency: str, spec: Any) -> None:
        if dependency == name:
            targets = {name}
        elif self.host.is_virtual(dependency):
            targets = self.providers(dependency)
        else:
            targets = {dependency}
        for target in targets:
            self.keep(target)
            if target in self.kept:
                self._add_values(target, spec)
        for node in spec.traverse(root=False):
            if node.name in self.kept:
                self._add_values(node.name, node)

    def _possible(self, name: str, when: Any) -> bool:
        """Whether a condition on a package can hold."""
        if when.architecture is not None and not self.host.here.intersects(_architecture(self.host, when)):
            return False
        if name in self.roots and not all(spec.versions.intersects(when.versions) for spec in self.named[name]):
            return False
        if not self._values_allow(name, when):
            return False
        for edge in when.edges_to_dependencies():
            other = edge.spec.name
            if other in self.kept:
                if not self._values_allow(other, edge.spec):
                    return False
            elif not (other and self.host.is_virtual(other) and self.providers(other) & set(self.kept)):
                return False
        return True

    def _values_allow(self, name: str, spec: Any) -> bool:
        mine = self.values.get(name, {})
        for key, variant in spec.variants.items():
            wanted = values_of(variant)
            if key in mine and "*" not in wanted and not wanted <= mine[key]:
                return False
        return True


def _architecture(host: Host, spec: Any) -> Any:
    """A spec with nothing but the platform and the target of another."""
    architecture = spec.architecture
    words = []
    if architecture is not None and architecture.platform:
        words.append(f"platform={architecture.platform}")
    if architecture is not None and architecture.target:
        words.append(f"target={architecture.target}")
    return host.spec(" ".join(words))


def compiler_facts(host: Host, compiler: Any, named: Iterable[Any] = ()) -> tuple[bool, list[str]]:
    """Whether a compiler is one of the host, and the languages that it compiles. named: specs that stand for it too."""
    for entry in host.configured.get(compiler.name, {}).get("externals", []):
        if host.spec(entry["spec"]).satisfies(host.spec(f"{compiler.name}@{compiler.versions}")):
            paths = (entry.get("extra_attributes") or {}).get("compilers") or {}
            return True, [language for language in LANGUAGES if language in paths]
    if not host.repository.exists(compiler.name):
        return False, []
    package = host.repository.get_pkg_class(compiler.name)
    values = defaults_of(package)
    for spec in (*named, compiler):
        values.update({key: values_of(variant) for key, variant in spec.variants.items()})
    provided = {
        str(spec.name)
        for when, specs in package.provided.items()
        for spec in specs
        if all(values_of(variant) <= values.get(key, set()) for key, variant in when.variants.items())
    }
    return False, [language for language in LANGUAGES if language in provided]


def is_older(host: Host, compiler: Any) -> bool:
    """Whether a GCC is older than every one of the host.

    Its own libraries are then linked to a runtime that Spack does not let it use, so that nothing can depend on it.
    """
    if compiler.name != "gcc":
        return False
    entries = host.configured.get("gcc", {}).get("externals", [])
    versions = [str(host.spec(entry["spec"]).versions).lstrip("=") for entry in entries]
    wanted = host.spec(f"gcc@{compiler.versions}")
    return bool(versions) and not any(host.spec(f"gcc@{version}:").intersects(wanted) for version in versions)


def compiled(host: Host, spec: Any) -> bool:
    """Whether a package is made from sources in a language that needs a compiler."""
    if not host.repository.exists(spec.name) or spec.name in host.only_external:
        return False
    package = host.repository.get_pkg_class(spec.name)
    return any(set(dependencies) & set(LANGUAGES) for dependencies in package.dependencies.values())


def repeatable() -> bool:
    """Whether the solver takes nothing into account that others may have installed or put into a cache meanwhile."""
    configuration = module("config").CONFIG
    reuse = configuration.get("concretizer:reuse", True)
    sources = reuse.get("from", []) if isinstance(reuse, dict) else [] if reuse is False else [{"type": "any"}]
    local = all(source.get("type") == "local" for source in sources)
    return local and not configuration.get("upstreams") and not module("store").STORE.db.query()


def languages_of(host: Host, spec: Any) -> list[str]:
    """The languages that a package is written in whatever its version and its variants are."""
    if not compiled(host, spec):
        return []
    always = host.repository.get_pkg_class(spec.name).dependencies.get(host.spec(), {})
    return [language for language in LANGUAGES if language in always]


def about(given: dict[str, Any], target: str, found: dict[str, Any]) -> Closure | None:
    """Note in ``found`` what there is to say of ``specs`` and their ``compiler``; gives the search for what they can
    come to need, None where that is left to the solver.
    """
    host = Host(target)
    roots = [host.spec(text) for text in given["specs"]]
    found["compiled"] = [text for text, root in zip(given["specs"], roots) if root.name and compiled(host, root)]
    if given.get("compiler"):
        compiler = host.spec(given["compiler"])
        named = [root for root in roots if root.name == compiler.name and root.versions.intersects(compiler.versions)]
        found["needs"] = {
            text: languages_of(host, root)
            for text, root in zip(given["specs"], roots)
            if root.name and root not in named
        }
        roots.append(compiler)
        found["external"], found["languages"] = compiler_facts(host, compiler, named)
        found["older"] = not found["external"] and is_older(host, compiler)
    if given.get("mpi"):
        found["no_mpi"] = host.spec(given["mpi"]).name not in host.provider_names("mpi")
    # Legacy names of packages and specs by hash are left to the solver.
    return Closure(host, roots) if all(root.name for root in roots) else None


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Answer for ``specs``, ``compiler`` and ``target`` (or null), ``stacks`` of these and ``mpi``, and ``prune``."""
    version = str(importlib.import_module("spack").spack_version)
    repository = module("repo").PATH
    found: dict[str, Any] = {"version": version, "external": True, "languages": [], "stacks": []}
    found["root"] = str(module("paths").prefix)
    found["repositories"] = [str(one.root) for one in repository.repos]
    found["repeatable"] = repeatable()
    target = arguments.get("target") or ""
    searches = [about(arguments, target, found)]
    for stack in arguments.get("stacks", ()):
        facts: dict[str, Any] = {}
        # What no spec of a stack's own says is that of the environment.
        given = {**stack, "compiler": stack.get("compiler") or arguments.get("compiler")}
        searches.append(about(given, stack.get("target") or target, facts))
        found["stacks"].append(facts)
    if arguments.get("prune"):
        found["closed"] = close(searches)
    return found


def close(searches: list[Closure | None]) -> list[str]:
    """What none of the searches keeps and one of them can name; nothing where one is left to the solver."""
    closed: set[str] = set()
    kept: set[str] = set()
    for search in searches:
        if search is None:
            return []
        closed.update(search.close())
        kept.update(search.kept)
    return sorted(closed - kept)


if __name__ == "__main__":
    answer = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
