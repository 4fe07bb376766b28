# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys of containers in a seed must mean together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import images, modulefiles, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import Draft, Finding, Rule
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path
from ansible_collections.petal.hpc.plugins.module_utils._seed.software_rules import installed_specs

#: Systems whose package sources have umoci.
_PACKAGED = ("ubuntu", "debian")


def _whole(seed: Draft) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """The containers that can be looked at, each with its version."""
    for path, entry in seed.entries("software", "containers"):
        if entry.get("name") and entry.get("image") and not seed.report.is_wrong((*path, "version")):
            yield path, entry, entry.get("version") or images.version_of(entry["image"])


def modules(seed: Draft) -> Iterator[tuple[Path, str, str]]:
    """Each module that a container brings, NAME/VERSION, with its place and what it is of."""
    for path, entry, version in _whole(seed):
        own = f"{entry['name']}/{version}"
        yield (*path, "name"), own, f"container {own}"
        for name, of_module, _command, _args in images.programs(entry, version):
            if f"{name}/{of_module}" != own:
                yield (*path, "modules"), f"{name}/{of_module}", f"a program of container {own}"


def modules_have_names_of_their_own(seed: Draft) -> Iterator[Finding]:
    """All that is no module of Spack's stands in one directory, and ``module load NAME`` would take either."""
    others = {entry.get("name"): "Python environment" for _at, entry in seed.entries("software", "python_environments")}
    for _at, text in seed.entries("software", "modules"):
        found = modulefiles.named(text)
        if found:
            others[found.name] = "modulefile of the site's own"
    seen: dict[str, str] = {}
    for path, module, what in modules(seed):
        name = module.partition("/")[0]
        if name in others:
            yield Finding(path, f"a {others[name]} has this name: their modules collide", name)
        elif module in seen:
            hint = "give one of them another version, as PROGRAM/VERSION"
            yield Finding(path, f"{seen[module]} is the module {module} already", module, hint=hint)
        seen.setdefault(module, what)


def programs_have_names_of_their_own(seed: Draft) -> Iterator[Finding]:
    """A container's programs lie in one directory, whatever versions their modules bear."""
    for path, entry, version in _whole(seed):
        seen: dict[str, str] = {}
        for name, of_module, _command, _args in images.programs(entry, version):
            module = f"{name}/{of_module}"
            if seen.setdefault(name, module) != module:
                hint = "give one of them another name, or make it a container of its own"
                message = f"{seen[name]} and {module} would be the same program of this container"
                yield Finding((*path, "modules"), message, module, hint=hint)


def modules_hide_packages(seed: Draft) -> Iterator[Finding]:
    installed = {spec.parse(text).name for _path, text in installed_specs(seed)}
    for path, module, _what in modules(seed):
        name = module.partition("/")[0]
        if name in installed:
            message = f"a Spack package has the name {name}: module load {name} may take either"
            yield Finding(path, message, module)


def something_to_run(seed: Draft) -> Iterator[Finding]:
    for path, entry in seed.entries("software", "containers"):
        if entry.get("modules") == [] and not seed.report.is_wrong((*path, "modules")):
            hint = "name the programs that users are to run: modules: [samtools]"
            yield Finding(
                (*path, "modules"), "no program of the image is named, so that nobody could run it", hint=hint
            )


def binds_have_places_of_their_own(seed: Draft) -> Iterator[Finding]:
    for path, entry in seed.entries("software", "containers"):
        seen: set[str] = set()
        for index, text in enumerate(entry.get("binds", ())):
            inside = images.bound(text)[1] if text else ""
            if inside and inside in seen:
                yield Finding((*path, "binds", index), f"something else is at {inside} in the image already", text)
            seen.add(inside)


def build_hosts_have_the_tools(seed: Draft) -> Iterator[Finding]:
    """umoci is a package of Debian and Ubuntu alone. Sources: the distributions' package lists, with EPEL 8 and 9."""
    if seed.get("software", "containers") and seed.os and not seed.os.startswith(_PACKAGED):
        message = (
            f"{seed.os} has no packages of what brings images onto a volume (skopeo, umoci, squashfs-tools): a build "
            "there fails unless the host has these programs already"
        )
        hint = "let cluster.os be one of Ubuntu or Debian, or build with an image that has them (-e ami_id=ami-…)"
        yield Finding(("software", "containers"), message, hint=hint)


RULES: tuple[tuple[str, Rule], ...] = (
    (ERROR, modules_have_names_of_their_own),
    (ERROR, programs_have_names_of_their_own),
    (WARNING, modules_hide_packages),
    (ERROR, something_to_run),
    (ERROR, binds_have_places_of_their_own),
    (WARNING, build_hosts_have_the_tools),
)
