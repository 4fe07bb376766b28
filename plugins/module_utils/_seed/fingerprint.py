# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fingerprint: one digest of everything in a seed that decides the bytes on its volume, and nothing else.

It is the same on every machine, Python and release. Whoever changes what stands here must raise VERSION, or
volumes with other software would be found under it; a test keeps known digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import digest
from ansible_collections.petal.hpc.plugins.module_utils._seed import (
    grammar,
    hybrid,
    images,
    inputs,
    modulefiles,
    platforms,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.inputs import Inputs
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Container, Repository, Seed, Spack

#: Version of the fingerprint itself; part of what is digested.
VERSION = 2


def fingerprint(seed: Seed, resolved_refs: Mapping[str, str] | None = None, site: Inputs | None = None) -> str:
    """``sha256:`` and 64 hexadecimal digits. resolved_refs, site: see content()."""
    return digest(content(seed, resolved_refs, site))


def content(seed: Seed, resolved_refs: Mapping[str, str] | None = None, site: Inputs | None = None) -> dict[str, Any]:
    """What is digested, as plain data. What nobody asks for is not in it, so that a new key changes no old seed.

    resolved_refs: commits at which the branches ``spack`` and ``packages`` stand, and digests of images, by their
    references. Releases, commits and digests are the same for ever: for them it is not asked, so that a machine
    without network finds the same fingerprint.
    site: what the variables of a site decide; its defaults where there is none.
    """
    software = seed.software
    site = site or inputs.resolve({}, seed)
    given = seed.to_dict()["software"]["python_environments"]
    environments = [_environment({**entry, "build": sorted(entry["build"])}, "as_of", "build") for entry in given]
    return {
        "fingerprint": VERSION,
        "os": seed.cluster.os,
        "architecture": seed.cluster.architecture,
        "mount_dir": seed.software_volume.mount_dir,
        "spack": _spack(seed, resolved_refs or {}, site),
        "python_environments": sorted(environments, key=_by_name),
        **_asked(python=site.of("python_environments") if environments else {}),
        "lmod": {
            "version": software.lmod.version,
            "method": site.lmod_method,
            **_asked(source=site.lmod_source, settings=site.of("lmod")),
        },
        **_asked(containers=_containers(seed, resolved_refs or {}, site), modules=_modules(seed, site)),
    }


def unresolved(seed: Seed, resolved_refs: Mapping[str, str] | None = None, site: Inputs | None = None) -> list[str]:
    """What has to be looked up before there is a fingerprint: branches, a site's own recipes, files, images."""
    site = site or inputs.resolve({}, seed)
    known = resolved_refs or {}
    images_of_it = moving_images(seed)
    branches = [ref for name, ref in moving(seed, site).items() if name not in images_of_it and not known.get(name)]
    recipes = site.recipes if _spack(seed, {}, site) is not None else {}
    files = [name for name, digest_of_it in [*recipes.items(), *site.files.items()] if digest_of_it is None]
    return branches + files + [image for image in images_of_it if not known.get(image)]


def moving(seed: Seed, site: Inputs | None = None) -> dict[str, str]:
    """What somebody has to be asked for, who can answer something else tomorrow: how the seed names it, by its key.

    Keys are those of resolved_refs: spack, packages, the sources of recipes, the references of images.
    """
    tags = {image: image for image in moving_images(seed)}
    if _spack(seed, {}, site or inputs.resolve({}, seed)) is None:
        return tags
    refs = {"spack": seed.software.spack.version, "packages": seed.software.spack.packages}
    branches = {name: ref for name, ref in refs.items() if ref and not grammar.is_pinned(ref)}
    return {**branches, **{one.source: one.source for one in moving_repositories(seed)}, **tags}


def _spack(seed: Seed, resolved_refs: Mapping[str, str], site: Inputs) -> dict[str, Any] | None:
    """What Spack puts on the volume; None where it is not used, whatever its settings are."""
    software = seed.software
    specs = software.spack_packages or software.build_from_source or software.stacks or software.in_ami
    if not specs and site.lmod_method != "spack":
        return None
    return {
        **_spack_itself(seed, resolved_refs),
        "specs": sorted(software.spack_packages),
        **_asked(
            build_from_source=sorted(software.build_from_source),
            in_ami=sorted(software.in_ami),
            image=_image(seed, resolved_refs, site),
            stacks=_stacks(seed),
            recipes=dict(site.recipes),
            settings=site.of("spack"),
            config=dict(software.spack.config),
            repositories=_repositories(seed, resolved_refs, site),
        ),
    }


def _image(seed: Seed, resolved_refs: Mapping[str, str], site: Inputs) -> str:
    """The image whose packages the volume uses: by what its part of a hybrid seed is, or by its id if it is foreign."""
    if not hybrid.is_one(seed):
        return ""
    return hybrid.foreign_image(seed) or fingerprint(hybrid.image_part(seed), resolved_refs, site)


def _stacks(seed: Seed) -> list[dict[str, Any]]:
    """In their order: the first that has a package names its module plainly."""
    return [
        {
            "name": one.name,
            **_asked(packages=sorted(one.packages), compiler=one.compiler, mpi=one.mpi, target=one.target),
        }
        for one in seed.software.stacks
    ]


def moving_repositories(seed: Seed) -> list[Repository]:
    """The Git repositories of recipes of which somebody has to ask at which commit they stand.

    Even a tag: nobody knows how those of a site are kept.
    """
    return [one for one in seed.software.spack.repos if one.git and not grammar.is_commit(one.ref or "")]


def _repositories(seed: Seed, resolved_refs: Mapping[str, str], site: Inputs) -> list[dict[str, str | None]]:
    """A site's own recipes by what they hold, in their order: the first that has a package gives it."""
    return [
        {"commit": resolved_refs.get(one.source, one.ref)} if one.git else {"content": site.files.get(one.path or "")}
        for one in seed.software.spack.repos
    ]


def _spack_itself(seed: Seed, resolved_refs: Mapping[str, str]) -> dict[str, Any]:
    software = seed.software
    return {
        "version": _pinned(software.spack.version, resolved_refs.get("spack")),
        "packages": _pinned(software.spack.packages, resolved_refs.get("packages")),
        "target": software.spack.target,
        "padded_length": software.spack.padded_length,
        "compiler": software.compiler,
    }


def _environment(entry: Mapping[str, Any], *more: str) -> dict[str, Any]:
    return {
        "name": entry["name"],
        "version": entry["version"],
        "default": entry["default"],
        "python": entry["python"],
        "packages": sorted({grammar.canonical_requirement(package) for package in entry["packages"]}),
        **_asked(**{key: entry[key] for key in more}),
    }


def _containers(seed: Seed, resolved_refs: Mapping[str, str], site: Inputs) -> list[dict[str, Any]]:
    """Images by what they hold, wherever they come from; None where nobody has looked."""
    found = [
        {
            "name": one.name,
            "version": one.version,
            "digest": image_digest(one.image, resolved_refs, site.files),
            "modules": {
                program.name: {"command": program.command, **_asked(args=list(program.args))} for program in one.modules
            },
            **_asked(env=dict(one.env), gpu=one.gpu, binds=sorted(one.binds)),
        }
        for one in seed.software.containers
    ]
    settings = site.of("containers")
    return sorted(({**entry, **_asked(settings=settings)} for entry in found), key=_by_name)


def image_digest(image: str, resolved_refs: Mapping[str, str], files: Mapping[str, str | None]) -> str | None:
    """The digest of an image that a seed names: its own, or what a tag was resolved to, or that of the archive."""
    meant = images.parse(image)
    return files.get(meant.path) if meant.kind == images.FILE else meant.digest or resolved_refs.get(image)


def moving_images(seed: Seed) -> list[str]:
    """The references of which somebody has to ask a registry what they stand for, each once."""
    named = dict.fromkeys(one.image for one in seed.software.containers)
    return [image for image in named if images.parse(image).tag]


def _modules(seed: Seed, site: Inputs) -> dict[str, str | None]:
    """A site's own modulefiles count by where they come to lie and by what they hold."""
    named = {path: modulefiles.named(path) for path in seed.software.modules}
    return {name.file: site.files.get(path) for path, name in named.items() if name}


def _by_name(entry: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry["name"]), str(entry.get("version"))


def _asked(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value}


def _pinned(ref: str | None, commit: str | None) -> str | None:
    return ref if ref is None or commit is None or grammar.is_pinned(ref) else commit


# -- version 1: what releases up to 0.1 built is found again -----------------------------------------------------


def content_1(seed: Seed, resolved_refs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What version 1 digested. It stands for ever."""
    software = seed.software
    spack = None
    if software.spack_packages or software.build_from_source:
        spack = {
            **_spack_itself(seed, resolved_refs or {}),
            "specs": sorted(software.spack_packages),
            "build_from_source": sorted(software.build_from_source),
            "in_ami": sorted(software.in_ami),
        }
    environments = [_environment(entry) for entry in seed.to_dict()["software"]["python_environments"]]
    return {
        "fingerprint": 1,
        "os": seed.cluster.os,
        "architecture": seed.cluster.architecture,
        "mount_dir": seed.software_volume.mount_dir,
        "spack": spack,
        "containers": sorted((_container_1(one) for one in software.containers), key=_by_name),
        "python_environments": sorted(environments, key=_by_name),
        "lmod": software.lmod.version,
    }


def _container_1(container: Container) -> dict[str, Any]:
    names = {program.name.rpartition("/")[0] for program in container.modules}
    return {"name": container.name, "image": container.image, "modules": sorted(names)}


def fingerprint_1(seed: Seed, resolved_refs: Mapping[str, str] | None = None) -> str:
    """The fingerprint as releases up to 0.1 made it."""
    return digest(content_1(seed, resolved_refs))


def older(seed: Seed, resolved_refs: Mapping[str, str] | None = None, site: Inputs | None = None) -> list[str]:
    """Fingerprints of older versions under which the very same bytes may lie; empty where nobody can know that.

    Version 1 did not digest what those releases did not do (containers, packages of an image, builds from source
    alone, stacks, a site's own modulefiles, settings and recipes), nor what variables of a site decide, nor days of
    Python environments and what is built from source in them: a seed with any of these has no older fingerprint, and
    a site that has built with such variables has to build anew.
    """
    site = site or inputs.resolve({}, seed)
    software = seed.software
    undone = software.containers or software.in_ami or software.use_custom_ami or software.build_from_source
    of_site = software.stacks or software.modules or software.spack.config or software.spack.repos
    dated = any(environment.as_of or environment.build for environment in software.python_environments)
    usual = content(seed, resolved_refs, site) == content(seed, resolved_refs)
    # Lmod by Spack alone: version 1 left out which Spack.
    for_lmod = site.lmod_method == "spack" and not software.spack_packages
    target = platforms.DEFAULT_TARGETS.get(seed.cluster.architecture, software.spack.target)
    of_default_spack = software.spack == Spack(target=target) and software.compiler is None
    if undone or of_site or dated or not usual or (for_lmod and not of_default_spack):
        return []
    return [fingerprint_1(seed, resolved_refs)]
