# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Spack that a seed brings (``software.spack.config``): which may be set, and how they join a site's own.

Spack's own schema looks at the values when it reads them. Here is decided what a build leaves to a seed at all: not
where things are, not what is trusted, and nothing that another key says.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path, Report, Shape, Unquoted, did_you_mean

#: The sections, each with the variable of the role spack that it joins.
VARIABLES = {
    "packages": "spack_packages_config",
    "concretizer": "spack_concretizer",
    "config": "spack_config",
    "modules": "spack_modules_config",
}
_TEXT_LIMIT = 1000
#: What begins a template of Ansible's. Spack has none of these.
_TEMPLATES = ("{{", "{%", "{#")

_DIRECTORIES = "the build decides where things are"
_TRUST = "what is fetched is always compared with its checksum, over connections that are checked"
_TARGET = "write software.spack.target"
_OF_RUN = "it decides no bytes: set it for the site, in the variable spack_config"
#: Keys that are decided elsewhere, and where; by section.
_ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "config": {
        "install_tree": "write software.spack.padded_length and the mount_dir of the volume; names are the build's",
        **dict.fromkeys(
            (
                *("build_stage", "stage_name", "test_stage", "source_cache", "misc_cache", "environments_root"),
                *("license_dir", "template_dirs", "extensions", "additional_external_search_paths"),
            ),
            _DIRECTORIES,
        ),
        **dict.fromkeys(("verify_ssl", "ssl_certs", "checksum"), _TRUST),
        **dict.fromkeys(("connect_timeout", "url_fetch_method", "ccache", "debug"), _OF_RUN),
        "build_jobs": "it decides no bytes: set the variable spack_jobs",
    },
    "concretizer": {
        "targets": _TARGET,
        "unify": "the build does: one build of each package, and more only where the specs need it",
        "reuse": "the build does: what is solved must not depend on what lies in a cache",
        "os_compatible": (
            "Spack asks it on macOS alone: on Linux a package of another system can be reused where its C library is "
            "not newer. A site allows that in the variable spack_concretizer: {reuse: …}"
        ),
    },
    "packages": {
        "permissions": "everybody may read a volume, and nobody write it",
        "target": _TARGET,
        "compiler": "write software.compiler",
    },
    "modules": {
        **dict.fromkeys(("roots", "enable", "arch_folder", "tcl", "use_view"), _DIRECTORIES),
        "core_compilers": "the compiler in use is the core: write software.compiler",
        "template": "the build decides how a module is written",
        "hash_length": "hashes come where two modules would have one name; write projections for others",
        "hide_implicits": "what nobody asked for is hidden",
        **{
            key: f"set it for the site, in the variable spack_modules_{key}"
            for key in ("hierarchy", "core_specs", "include", "exclude")
        },
    },
}
#: What is left to a seed. Source of the names: the schemas of Spack 1.2.
_PACKAGE = (
    *("require", "prefer", "conflict", "version", "variants", "buildable", "externals", "package_attributes"),
    "providers",
)
_OPEN: Mapping[str, tuple[str, ...]] = {
    "config": ("shared_linking", "flags", "build_language", "deprecated"),
    "concretizer": ("compiler_mixing", "duplicates"),
    "modules": ("default", "prefix_inspections"),
}
_BELOW_DEFAULT = ("lmod",)


@dataclass(frozen=True)
class Settings(Shape):
    """The sections that a seed may bring. The clean copy is plain data."""

    def wanted(self) -> str:
        return "settings of Spack: a mapping with " + ", ".join(VARIABLES)

    def check(self, value: Any, path: Path, report: Report) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            self.reject(value, path, report)
            return None
        before = len(report.problems)
        for section, settings in value.items():
            if section not in VARIABLES:
                _unknown(section, (*path, str(section)), report)
            elif not isinstance(settings, Mapping):
                report.add(
                    (*path, section), "no mapping stands here", settings, f"settings as in {section}.yaml of Spack"
                )
            else:
                _plain(settings, (*path, section), report)
                for place, message, hint in _refusals(section, settings):
                    report.add((*path, section, *place), message, hint=hint)
        if len(report.problems) > before:
            return None
        return {section: copy.deepcopy(settings) for section, settings in value.items() if settings}


_OTHER_FILES = {
    "mirrors": "sources come from where variables of the role spack say, binaries from software.binary_cache",
    "repos": "write software.spack.repos",
    "bootstrap": "nothing is fetched for Spack itself",
    "compilers": "write packages: {gcc: {externals: […]}}, as Spack 1.x does",
    "view": "modules lead to what is installed",
    "specs": "write software.spack_packages, or software.stacks for groups of them",
}


def _unknown(section: Any, path: Path, report: Report) -> None:
    text = str(section)
    hint = _OTHER_FILES.get(text) or did_you_mean(text, tuple(VARIABLES))
    report.add(path, "a seed brings no such settings", expected="one of " + ", ".join(VARIABLES), hint=hint)


def _refusals(section: str, settings: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Settings that are not a seed's to make: place, message, hint."""
    if section == "packages":
        for package, given in settings.items():
            if not isinstance(given, Mapping):
                yield (package,), "no mapping stands here", "write {variants: …}, {require: …} and so on"
                continue
            yield from _keys(section, given, _PACKAGE, (package,))
            if package == "all" and "require" in given:
                hint = "the target of all packages stands there: write it for each package, or prefer"
                yield ("all", "require"), "this is decided by the build", hint
        return
    yield from _keys(section, settings, _OPEN[section])
    default = settings.get("default") if section == "modules" else None
    if isinstance(default, Mapping):
        yield from _keys(section, default, _BELOW_DEFAULT, ("default",))
        for place in _named(default.get("lmod"), tuple(_ELSEWHERE["modules"])):
            yield ("default", "lmod", *place), "this is decided by the build", _ELSEWHERE["modules"][str(place[-1])]


def _keys(
    section: str, given: Mapping[str, Any], known: tuple[str, ...], place: Path = ()
) -> Iterator[tuple[Path, str, str]]:
    for key in given:
        if key not in known:
            elsewhere = _ELSEWHERE[section].get(key)
            message = "this is decided by the build" if elsewhere else "it is none of the settings that a seed may make"
            near = did_you_mean(key, known) or "a seed may set " + ", ".join(known)
            yield (*place, key), message, elsewhere or near


def _named(value: Any, names: tuple[str, ...], depth: int = 1) -> Iterator[Path]:
    """Where a mapping, or one directly in it, has one of these keys."""
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if key in names:
            yield (key,)
        elif depth:
            yield from ((key, *place) for place in _named(inner, names, depth - 1))


def _plain(value: Any, path: Path, report: Report) -> None:
    """Report what is no data that Spack and everybody between could take for the same."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if _text_flaw(key):
                report.add((*path, str(key)), f"of this key: {_text_flaw(key)}")
            elif key.endswith(":"):
                report.add(
                    (*path, key), "a key that ends in a colon replaces what the build has decided", hint="leave it out"
                )
            else:
                _plain(inner, (*path, key), report)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _plain(inner, (*path, index), report)
    elif isinstance(value, Unquoted):
        report.add(path, f"YAML reads this as {value.reads_as}", value, "a text", "quote it")
    elif isinstance(value, str) and _text_flaw(value):
        report.add(path, _text_flaw(value), value)


def _text_flaw(text: Any) -> str:
    if not isinstance(text, str):
        return "it is no text"
    if len(text) > _TEXT_LIMIT:
        return f"it is longer than {_TEXT_LIMIT} characters"
    if not text.isprintable():
        return "it holds a control character"
    if any(mark in text for mark in _TEMPLATES):
        return "it looks like a template, and a seed is data: nothing would be filled in"
    return ""


def merged(site: Any, seed: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a site with a seed's in front: mappings join, anything else of the seed's takes the place."""
    result = dict(site) if isinstance(site, Mapping) else {}
    for key, value in seed.items():
        result[key] = merged(result.get(key), value) if isinstance(value, Mapping) else value
    return result


def variables(of_seed: Mapping[str, Any], of_site: Mapping[str, Any]) -> dict[str, Any]:
    """What the role spack is given. of_site: its variables, as far as a site has set them."""
    return {name: merged(of_site.get(name), of_seed.get(section) or {}) for section, name in VARIABLES.items()}
