# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides bytes on the volume and stands in no seed: variables of the roles that write there, and what the files
hold that a seed names.

A variable that is left at its default says nothing: its value enters the fingerprint only where it is another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import images
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import without_credentials
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

#: Variables that decide bytes, with the defaults of their roles, which a test compares. An order matters only where
#: ORDERED says so. Named like the roles: what begins with spack_ counts where Spack is used, and so on.
VARIABLES: dict[str, Any] = {
    "spack_user": "root",
    "spack_python_packages": ["clingo==5.8.3", "boto3==1.40.61"],
    "spack_os_compilers": "default",
    "spack_os_tools": [
        *("autoconf", "automake", "bison", "cmake", "diffutils", "findutils", "flex", "gettext", "gmake", "libtool"),
        *("m4", "perl", "pkgconf", "tar"),
    ],
    "spack_extra_system_packages": [],
    "spack_config": {},
    "spack_concretizer": {},
    "spack_packages_config": {},
    "spack_modules_config": {},
    "spack_modules_hierarchy": ["mpi"],
    "spack_modules_core_specs": [],
    "spack_modules_projections": {},
    "spack_modules_include": [],
    "spack_modules_exclude": ["gcc-runtime", "glibc", "compiler-wrapper", "intel-oneapi-runtime", "lmod"],
    "python_environments_uv_version": "0.13.9",
    "python_environments_index_url": "",
    "python_environments_extra_index_urls": [],
    "python_environments_python_downloads_json_url": "",
    "python_environments_host_config": False,
    "containers_runtime": "auto",
    "containers_apptainer_versions": {},
    "containers_compression": "zstd",
    "containers_binds": ["/scratch"],
    "lmod_cache_dir": "{{ lmod_mount_dir }}/modules/.cache",
    "lmod_rc_file": "{{ lmod_mount_dir }}/etc/lmod/lmodrc.lua",
}

#: Lists whose order is a part of what they say.
ORDERED = frozenset({"spack_modules_hierarchy", "python_environments_extra_index_urls"})

#: Variables that enter as what they lead to. spack_repositories: digests of the directories, by name.
RESOLVED = ("lmod_method", "lmod_source_url", "lmod_source_sha256", "spack_repositories", "spack_repository_digests")

NAMES = (*VARIABLES, *RESOLVED)

#: Variables that a build sets from the seed, and the key that each follows. Only an extra variable could overrule it.
OF_SEED = {
    "spack_version": "software.spack.version",
    "spack_packages_version": "software.spack.packages",
    "spack_target": "software.spack.target",
    "spack_padded_length": "software.spack.padded_length",
    "spack_compiler": "software.compiler",
    "spack_specs": "software.spack_packages",
    "spack_stacks": "software.stacks",
    "spack_build_from_source": "software.build_from_source",
    "spack_mount_dir": "shared_storage[].mount_dir",
    "containers_list": "software.containers",
    "containers_mount_dir": "shared_storage[].mount_dir",
    "lmod_version": "software.lmod.version",
    "lmod_mount_dir": "shared_storage[].mount_dir",
    "lmod_module_paths": "shared_storage[].mount_dir",
    "python_environments_list": "software.python_environments",
    "python_environments_mount_dir": "shared_storage[].mount_dir",
    "software_volume_mount_dir": "shared_storage[].mount_dir",
    "software_volume_module_paths": "shared_storage[].mount_dir",
    "software_volume_lmod_init": "software.lmod.version",
}

LMOD_METHODS = ("package", "source", "spack")
#: Where a system has no package of Lmod that volumes can use.
_LMOD_METHOD = {"alinux2023": "spack"}


@dataclass(frozen=True)
class Inputs:
    """What a site's variables decide of a volume.

    lmod_method: as resolved. lmod_source: the digest of Lmod's archive where the site names it. recipes: digests of
    the site's own repositories of recipes, by name; None where nobody has looked. settings: the other variables
    that are not at their defaults. files: digests of what the seed names beside it, by its paths; None where nobody
    has looked.
    """

    lmod_method: str
    lmod_source: str | None
    recipes: Mapping[str, str | None]
    settings: Mapping[str, Any]
    files: Mapping[str, str | None] = field(default_factory=dict)

    def of(self, role: str) -> dict[str, Any]:
        """The settings of one role."""
        return {name: value for name, value in self.settings.items() if name.startswith(f"{role}_")}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "lmod_method": self.lmod_method,
            "lmod_source": self.lmod_source,
            "recipes": dict(self.recipes),
            "settings": dict(self.settings),
            "files": dict(self.files),
        }


def default_lmod_method(os: str) -> str:
    """How Lmod comes onto a volume for a system where nobody says."""
    return _LMOD_METHOD.get(os, "package")


def refuse_overruling(extra: Iterable[str]) -> None:
    """Raises SeedError for extra variables that would build something else than the seed says.

    extra: names of those that were given.
    """
    overruling = sorted(set(extra) & set(OF_SEED))
    if overruling:
        raise SeedError(
            [
                Problem(
                    name,
                    f"the seed decides this ({OF_SEED[name]}), and the fingerprint would not know of it",
                    hint="write it into the seed",
                )
                for name in overruling
            ]
        )


def files_of(seed: Seed) -> list[str]:
    """What a seed names beside it, by its paths."""
    archives = (images.parse(one.image).path for one in seed.software.containers)
    return [
        *seed.software.modules,
        *(entry.path for entry in seed.software.spack.repos if entry.path),
        *filter(None, archives),
    ]


def resolve(given: Mapping[str, Any], seed: Seed, files: Mapping[str, str] | None = None) -> Inputs:
    """Variables by their names, as far as a site has set them, in the canonical form of what they lead to.

    files: digests of what the seed names beside it, by its paths. Raises SeedError for what nobody can resolve.
    """
    problems: list[Problem] = []
    method = given.get("lmod_method") or default_lmod_method(seed.cluster.os)
    if method not in LMOD_METHODS:
        problems.append(
            Problem(
                "lmod_method", "it is no way to Lmod", value=str(method), expected="one of " + ", ".join(LMOD_METHODS)
            )
        )
    source = None
    if method == "source":
        digest = str(given.get("lmod_source_sha256") or "")
        if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
            problems.append(Problem("lmod_source_sha256", "it is no SHA-256", value=digest, expected="64 hex digits"))
        elif given.get("lmod_source_url") and not digest:
            problems.append(
                Problem(
                    "lmod_source_url",
                    "an archive of one's own can hold anything, and the fingerprint has to know it",
                    hint="give its digest in lmod_source_sha256",
                )
            )
        # The release's own archive counts by its version, which is in the seed.
        source = digest if digest and given.get("lmod_source_url") else None
    if problems:
        raise SeedError(problems)
    digests = given.get("spack_repository_digests") or {}
    settings = {name: _canonical(name, given[name]) for name in VARIABLES if name in given}
    return Inputs(
        lmod_method=method,
        lmod_source=source,
        recipes={name: digests.get(name) for name in sorted(given.get("spack_repositories") or {})},
        settings={n: value for n, value in settings.items() if value != _canonical(n, VARIABLES[n])},
        files={path: (files or {}).get(path) for path in files_of(seed)},
    )


def _canonical(name: str, value: Any) -> Any:
    """One form for all that mean the same: a list without order is sorted, an index bears no password."""
    if isinstance(value, bool) or isinstance(VARIABLES[name], bool):
        return str(value).lower() in ("true", "yes", "on", "1")
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, list):
        plain = [without_credentials(entry) if isinstance(entry, str) else entry for entry in value]
        return plain if name in ORDERED else sorted(plain, key=lambda entry: json.dumps(entry, sort_keys=True))
    return value
