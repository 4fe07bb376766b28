# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys of a seed about software must mean together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar, modulefiles, platforms, spec, vendors
from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import Draft, Finding
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path
from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import GitRef

#: Versions of Spack packages that stand for whatever is newest. Source: Spack, "infinity versions".
MOVING_VERSIONS = frozenset({"develop", "main", "master", "head", "trunk", "stable", "nightly"})
#: Lists of specs that are installed, and what else puts something on the volume.
_INSTALLED = ("spack_packages", "build_from_source", "in_ami")
_OTHERS = ("stacks", "containers", "python_environments", "modules")


def something_to_install(seed: Draft) -> Iterator[Finding]:
    software = seed.get("software")
    if seed.lacks("software") or (
        software is not None
        and not any(seed.get("software", key) for key in (*_INSTALLED, *_OTHERS))
        and not any(seed.report.is_wrong(("software", key)) for key in (*_INSTALLED, "stacks"))
    ):
        yield Finding(("software",), "there is nothing to install: the volume will be empty")


def image_is_of_aws(seed: Draft) -> Iterator[Finding]:
    """Packages in the nodes' image need nodes that have one."""
    if seed.get("software", "in_ami") and seed.provider == "local":
        message = "an image is one of AWS, and nodes of the provider local mount a volume"
        yield Finding(("software", "in_ami"), message, hint="name these packages in spack_packages")


def one_place_for_a_package(seed: Draft) -> Iterator[Finding]:
    """What is in the image is not built again, in whatever version: one package is in one place."""
    there = {spec.parse(text).name: text for _path, text in seed.entries("software", "in_ami")}
    lists = [entry for entries in spec_lists(seed, "spack_packages", "build_from_source") for entry in entries]
    for path, text in lists:
        name = spec.parse(text).name
        if name in there:
            hint = "leave it out here, or in in_ami: its module is on the volume either way"
            yield Finding(path, f"{name} is in the image (software.in_ami: {there[name]})", text, hint=hint)
    stacks = [((*path, "mpi"), stack["mpi"]) for path, stack in seed.entries("software", "stacks") if stack.get("mpi")]
    for path, text in [*compilers(seed), *stacks]:
        name = spec.parse(text).name
        if name in there and spec.canonical(text) != spec.canonical(there[name]):
            hint = "write the same spec in both places"
            yield Finding(path, f"the image has {name} as {there[name]} (software.in_ami)", text, hint=hint)


def image_has_what_it_names(seed: Draft) -> Iterator[Finding]:
    """What is somewhere else by the settings of Spack, or never built, is not in the image, whoever names it there."""
    where = ("software", "spack", "config", "packages")
    settings = seed.get(*where) or {}
    for _path, text in seed.entries("software", "in_ami"):
        name = spec.parse(text).name
        given = settings.get(name) or {}
        # Of gcc, what builds the image is known beside what is in it; in somebody else's image nothing is built.
        elsewhere = ["externals"] if given.get("externals") and name != "gcc" else []
        unbuilt = ["buildable"] if given.get("buildable") is False and not seed.get("compute", "custom_ami") else []
        for key in (*elsewhere, *unbuilt):
            message = f"{name} is in the image (software.in_ami: {text}), and by this it is not"
            yield Finding((*where, name, key), message, hint="leave it out here, or in in_ami")


def compiler_of_all_is_in_the_image(seed: Draft) -> Iterator[Finding]:
    """One on the volume would build what is in the image too: both would have it, and neither the other's."""
    there = [spec.parse(text).name for _path, text in seed.entries("software", "in_ami")]
    if not there or seed.get("compute", "custom_ami"):
        return
    asked = seed.get("software", "compiler")
    mine = (spec.parse(asked).name,) if asked else () if set(there) & set(spec.COMPILERS) else spec.COMPILERS
    for entries in [seed.entries("software", key) for key in ("spack_packages", "build_from_source")]:
        for path, text in entries:
            if spec.parse(text).name in mine and spec.parse(text).name not in there:
                message = "the compiler of all builds the packages of the image (software.in_ami), and is not there"
                yield Finding(path, message, text, hint="name it in software.in_ami instead")


def own_image_is_named(seed: Draft) -> Iterator[Finding]:
    """Of a cluster whose nodes have the software in their image."""
    if not seed.get("software", "use_custom_ami"):
        return
    where = ("software", "use_custom_ami")
    if seed.provider == "local":
        message = "an image is one of AWS, and nodes of the provider local mount a volume"
        yield Finding(where, message, hint="leave it out")
    elif not seed.get("compute", "custom_ami") and not seed.report.is_wrong(("compute", "custom_ami")):
        hint = (
            "leave this out until there is one: ansible-playbook petal.hpc.build_ami -e save_to_seed=true writes both"
        )
        yield Finding(where, "compute.custom_ami names no image that has the software", hint=hint)


def spec_lists(seed: Draft, *keys: str) -> Iterator[list[tuple[Path, str]]]:
    """The lists of specs, each entry with its path: those of such keys, and the packages of each stack."""
    for key in keys:
        yield list(seed.entries("software", key))
    for path, stack in seed.entries("software", "stacks"):
        entries = enumerate(stack.get("packages", ()))
        yield [((*path, "packages", index), text) for index, text in entries if text is not None]


def installed_specs(seed: Draft) -> Iterator[tuple[Path, str]]:
    """All specs that are installed, those of MPI too."""
    for entries in spec_lists(seed, *_INSTALLED):
        yield from entries
    for path, stack in seed.entries("software", "stacks"):
        if stack.get("mpi"):
            yield (*path, "mpi"), stack["mpi"]


def compilers(seed: Draft) -> Iterator[tuple[Path, str]]:
    """The compiler of all, and those of stacks."""
    places = [(("software",), seed.get("software") or {}), *seed.entries("software", "stacks")]
    for path, entry in places:
        if entry.get("compiler"):
            yield (*path, "compiler"), entry["compiler"]


def packages_once(seed: Draft) -> Iterator[Finding]:
    for entries in spec_lists(seed, *_INSTALLED):
        seen: dict[str, Path] = {}
        for path, text in entries:
            if seen.setdefault(spec.canonical(text), path) != path:
                yield Finding(path, "the same spec stands in the list twice", text)


def hashes_are_fleeting(seed: Draft) -> Iterator[Finding]:
    for path, text in installed_specs(seed):
        if spec.parse(text).hash:
            yield Finding(path, "Spack finds a /hash only where that very package is installed", text)


def specs_fit_the_system(seed: Draft) -> Iterator[Finding]:
    """``platform=``, ``os=`` and ``target=`` of a spec, or of a dependency in it, are those of the seed."""
    for path, text in [*installed_specs(seed), *compilers(seed)]:
        for node in spec.parse(text).traverse():
            for word, mine in _contradictions(node, seed):
                given = getattr(node, word)
                message = f"{node.name} asks for {word}={given}, the volume is for {word}={mine}"
                hint = "leave it out: the seed says it for all packages"
                yield Finding(path, message, text, expected=f"{word}={mine}", hint=hint)


def _contradictions(node: spec.Spec, seed: Draft) -> Iterator[tuple[str, str]]:
    """The words of a spec that the seed contradicts, and what would be right."""
    if node.platform not in ("", "*", "linux"):
        yield "platform", "linux"
    os = platforms.spack_os(seed.os)
    if seed.os in platforms.OPERATING_SYSTEMS and node.os and not {"*", os} & set(node.os.split(",")):
        yield "os", os
    if seed.architecture in platforms.ARCHITECTURES and not platforms.target_fits(node.target, seed.architecture):
        yield "target", str(seed.get("software", "spack", "target") or platforms.DEFAULT_TARGETS[seed.architecture])


def target_fits_the_architecture(seed: Draft) -> Iterator[Finding]:
    architecture = seed.architecture
    if architecture not in platforms.ARCHITECTURES:
        return
    targets: list[tuple[Path, Any]] = [(("software", "spack", "target"), seed.get("software", "spack", "target"))]
    targets += [((*path, "target"), stack.get("target")) for path, stack in seed.entries("software", "stacks")]
    for path, target in targets:
        if target and not platforms.target_fits(target, architecture):
            expected = f"a target of {architecture} such as {platforms.DEFAULT_TARGETS[architecture]}"
            yield Finding(path, f"no {architecture} processor can run it", target, expected)


def switches_before_compilers(seed: Draft) -> Iterator[Finding]:
    """What stands behind ``%compiler`` is the compiler's since Spack 1.0; before, it was the package's."""
    for path, text in installed_specs(seed):
        meant = spec.parse(text).with_compilers_last()
        if str(meant) != spec.canonical(text):
            yield Finding(
                path,
                "what stands behind a compiler is asked of the compiler, not of the package (since Spack 1.0)",
                text,
                hint=f"if it is meant for the package, write: {meant}",
            )


def vendors_keep_theirs(seed: Draft) -> Iterator[Finding]:
    """What is a vendor's is named at the place that brings it onto the volume, or lets it build."""
    texts = [*installed_specs(seed), *compilers(seed)]
    named = [(path, spec.LEGACY_COMPILERS.get(one.name, one.name)) for path, one in _every_node(texts)]
    settings = seed.get("software", "spack", "config", "packages") or {}
    path: Path = ("software", "spack", "config", "packages")
    named += [((*path, name), name) for name, entry in settings.items() if entry and entry.get("externals")]
    told: set[str] = set()
    for where, name in named:
        vendor = vendors.vendor_of(name)
        if vendor and name not in told:
            told.add(name)
            yield Finding(
                where,
                f"{name} is {vendor}'s, who does not let it be handed on: a volume with it, or that it builds, cannot "
                "be made public, and a shared build cache does not get it",
            )


def _every_node(texts: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, spec.Spec]]:
    for path, text in texts:
        for node in spec.parse(text).traverse():
            yield path, node


def compiler_is_one(seed: Draft) -> Iterator[Finding]:
    for path, text in compilers(seed):
        name = spec.parse(text).name
        if name in spec.LEGACY_COMPILERS:
            hint = f"write {spec.LEGACY_COMPILERS[name]}: Spack 1.x names compilers by their packages"
            yield Finding(path, f"{name} is no package of Spack 1.x", text, hint=hint)
        elif name not in spec.COMPILERS:
            yield Finding(path, f"{name} is no compiler", text, "one of " + ", ".join(spec.COMPILERS))


def names_once(seed: Draft) -> Iterator[Finding]:
    """Names that must be unique in their list."""
    lists = (("compute", "queues"), ("shared_storage",), ("software", "stacks"), ("users",))
    for path in lists:
        seen: set[str] = set()
        for entry_path, entry in seed.entries(*path):
            name = entry.get("name")
            if name in seen:
                yield Finding((*entry_path, "name"), "another entry has this name", name)
            seen |= {name} if name else set()


def environments_once(seed: Draft) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    defaults: set[str] = set()
    for path, entry in seed.entries("software", "python_environments"):
        name = entry.get("name")
        if not name or seed.report.is_wrong((*path, "version")) or seed.report.is_wrong((*path, "python")):
            continue
        version = environment_version(entry)
        if (name, version) in seen:
            hint = "give them different versions"
            yield Finding(path, f"another environment is {name}/{version}", hint=hint)
        if entry.get("default"):
            if name in defaults:
                yield Finding((*path, "default"), f"another version of {name} is the default already")
            defaults.add(name)
        seen.add((name, version))


def environment_version(entry: Mapping[str, Any]) -> str:
    """Version of a Python environment: as given, else its Python's, else ``default``."""
    return str(entry.get("version") or entry.get("python") or "default")


def recipes_are_somewhere(seed: Draft) -> Iterator[Finding]:
    """Each repository is one thing, and all are different."""
    seen: list[Any] = []
    for path, entry in seed.entries("software", "spack", "repos"):
        if any(seed.report.is_wrong((*path, key)) for key in ("path", "git", "ref")):
            continue
        if ("path" in entry) == ("git" in entry):
            yield Finding(
                path, "it is one of both: a path beside the seed, or a Git repository", expected="path or git"
            )
        elif "git" in entry and "ref" not in entry:
            hint = "name a commit, or a tag or branch, which the fingerprint takes for the commit at which it stands"
            yield Finding((*path, "ref"), "it is missing", hint=hint)
        elif "path" in entry and "ref" in entry:
            yield Finding(
                (*path, "ref"), "what lies beside the seed is taken as it is", entry["ref"], hint="leave it out"
            )
        elif entry in seen:
            yield Finding(path, "the same repository is there twice")
        seen.append(entry)


def modulefiles_have_names_of_their_own(seed: Draft) -> Iterator[Finding]:
    """All these stand in one directory, and ``module load NAME`` would take either."""
    others = {
        entry.get("name"): "a Python environment" for _path, entry in seed.entries("software", "python_environments")
    }
    seen: dict[str, str] = {}
    for path, text in seed.entries("software", "modules"):
        found = modulefiles.named(text)
        if found is None:
            continue
        if found.module in seen:
            yield Finding(path, f"{seen[found.module]} is the module {found.module} too", text)
        elif found.name in others:
            message = f"{others[found.name]} has the name {found.name}: their modules collide"
            yield Finding(path, message, text, hint="give one of them another name")
        seen.setdefault(found.module, text)


def modulefiles_hide_packages(seed: Draft) -> Iterator[Finding]:
    installed = {spec.parse(text).name for _path, text in installed_specs(seed)}
    for path, text in seed.entries("software", "modules"):
        found = modulefiles.named(text)
        if found and found.name in installed:
            message = f"a Spack package has the name {found.name}: module load {found.name} may take either"
            yield Finding(path, message, text)


def specs_are_pinned(seed: Draft) -> Iterator[Finding]:
    """A branch of a package's source, or a directory, holds something else tomorrow."""
    for path, text in [*compilers(seed), *installed_specs(seed)]:
        nodes = list(_nodes(spec.parse(text)))
        for node, moving in ((node, _moving(node)) for node in nodes):
            if moving:
                yield Finding(
                    path,
                    f"{moving} moves: what it stands for can change while the fingerprint stays",
                    text,
                    hint=f"name a release, or a commit: {node.name or 'NAME'}@git.COMMIT=VERSION, all 40 digits of it",
                )
        for variant in (variant for node in nodes for variant in node.variants if variant.name == "dev_path"):
            yield Finding(
                path,
                f"{variant} builds what lies in a directory of the build host, which no fingerprint knows",
                text,
                hint="commit it and name the commit: NAME@git.COMMIT=VERSION",
            )


def _nodes(node: spec.Spec) -> Iterator[spec.Spec]:
    yield node
    for edge in node.dependencies:
        yield from _nodes(edge.spec)


def _moving(node: spec.Spec) -> str:
    """The part of a spec's version that names a branch; empty where there is none, or where commit= pins it."""
    if any(
        v.name == "commit" and not isinstance(v.value, bool) and grammar.is_commit(v.value[0]) for v in node.variants
    ):
        return ""
    for item in node.versions.items:
        if isinstance(item, GitRef):
            ref = item.ref[len("git.") :] if item.ref.startswith("git.") else item.ref
            if not grammar.is_commit(ref.lower()):
                return f"@{item.ref}"
        elif str(item).lstrip("=").lower() in MOVING_VERSIONS:
            return f"@{item}"
    return ""


def requirements_are_pinned(seed: Draft) -> Iterator[Finding]:
    for path, entry in seed.entries("software", "python_environments"):
        if entry.get("as_of") or seed.report.is_wrong((*path, "as_of")):
            continue
        moving = [text for text in entry.get("packages", ()) if text and not grammar.requirement_is_pinned(text)]
        if moving:
            shown = ", ".join(moving[:8]) + (f" and {len(moving) - 8} more" if len(moving) > 8 else "")
            yield Finding(
                (*path, "packages"),
                f"{shown}: a new release changes what is installed while the fingerprint stays",
                hint="add as_of: YYYY-MM-DD, which holds what they depend on too, or name exact versions (==)",
            )


def builds_something(seed: Draft) -> Iterator[Finding]:
    """What build names can be there, and what leads to sources is named: it runs code of its own as it is built."""
    for path, entry in seed.entries("software", "python_environments"):
        named = {grammar.python_name(name): index for index, name in enumerate(entry.get("build", ())) if name}
        if named and not entry.get("packages"):
            yield Finding((*path, "build"), "nothing is installed here that could be built", hint="name it in packages")
        for index, text in enumerate(entry.get("packages", ())):
            name, url = (grammar.requirement_source(text) if text else None) or ("", "")
            if url and grammar.leads_to_wheel(url) and name in named:
                message = "packages has the address of its wheel, which is installed as it is"
                yield Finding((*path, "build", named[name]), message, entry["build"][named[name]])
            elif url and not grammar.leads_to_wheel(url) and name not in named:
                yield Finding(
                    (*path, "packages", index),
                    "this is built from source, which runs code of the package: only wheels are taken unless asked for",
                    text,
                    hint=f"add build: [{', '.join([*named, name])}], or the address of a wheel",
                )


def as_of_is_past(seed: Draft) -> Iterator[Finding]:
    """What is published later today, or was not yet, would move the environment. Days are those of UTC."""
    for path, entry in seed.entries("software", "python_environments"):
        day = entry.get("as_of")
        if day and day > seed.today.isoformat():
            yield Finding((*path, "as_of"), "this day is in the future", day, f"at most {seed.today}")


def as_of_is_over(seed: Draft) -> Iterator[Finding]:
    for path, entry in seed.entries("software", "python_environments"):
        if entry.get("as_of") == seed.today.isoformat():
            yield Finding(
                (*path, "as_of"), "this day is not over: what is published until then still counts", entry["as_of"]
            )


def spack_is_of_today(seed: Draft) -> Iterator[Finding]:
    """Specs are read, and compilers handled, as Spack does since 1.0: to a Spack before it other things would come."""
    ref = seed.get("software", "spack", "version")
    if ref and re.match(r"(releases/|releases-)?v?0\.", ref):
        hint = "Spack 0.x reads specs and compilers in another way than the seed does"
        yield Finding(
            ("software", "spack", "version"), "Spack before 1.0 builds no volumes", ref, "v1.0.0 or later", hint
        )


def refs_are_pinned(seed: Draft) -> Iterator[Finding]:
    refs: list[tuple[Path, Any]] = [
        (("software", "spack", key), seed.get("software", "spack", key)) for key in ("version", "packages")
    ]
    refs += [((*path, "ref"), entry.get("ref")) for path, entry in seed.entries("software", "spack", "repos")]
    for path, ref in refs:
        if ref and not grammar.is_pinned(ref):
            yield Finding(path, "this looks like a branch: it moves, and so will the fingerprint", ref)
