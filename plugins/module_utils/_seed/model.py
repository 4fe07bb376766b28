# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed as the rest of the collection sees it: valid, complete, typed and unchangeable.

Field names are the keys of the YAML file; what a seed leaves out stands here with its default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import (
    cluster_rules,
    container_rules,
    drafts,
    grammar,
    images,
    people,
    platforms,
    rules,
    schema,
    software_rules,
    spec,
    stack_rules,
    tier_rules,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import UNKNOWN_HOST, Host
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import NO_SOURCE, Report, SourceMap

#: The Spack that builds the packages of a seed which names none (the commit that release 1.2.0 was made from), and
#: the release of its package repository that fits it. A change of either changes the fingerprint of such seeds, as
#: it should.
DEFAULT_SPACK_REF = "9377a7b31dab3cb3880326de764d0ebb4f782d4f"
DEFAULT_SPACK_PACKAGES_REF = "v2026.06.0"
#: The same for other releases of Spack. Source: the release notes of the package repository.
SPACK_PACKAGES_REFS = {(1, 0): "v2025.07.0", (1, 1): "v2025.11.0"}

#: Length to which Spack pads its install prefix, so that binaries of this volume fit anywhere else.
DEFAULT_PADDED_LENGTH = 128

DEFAULT_TIMEOUT = "12h"

#: Key of a field that is no key of the seed.
_PRIVATE = {"private": True}


@dataclass(frozen=True)
class Cluster:
    name: str
    region: str | None
    provider: str
    os: str
    architecture: str


@dataclass(frozen=True)
class Queue:
    name: str
    instance_types: tuple[str, ...]
    min_count: int = 0
    max_count: int = drafts.DEFAULT_MAX_COUNT
    spot: bool = False


@dataclass(frozen=True)
class Compute:
    head_node: str
    custom_ami: str | None = None
    queues: tuple[Queue, ...] = ()


@dataclass(frozen=True)
class EbsSettings:
    """size in GiB, throughput in MiB/s; iops and throughput are None where the volume type has no such setting."""

    volume_type: str
    size: int
    iops: int | None
    throughput: int | None
    encrypted: bool
    kms_key_id: str | None


@dataclass(frozen=True)
class Storage:
    name: str
    storage_type: str
    mount_dir: str
    ebs_settings: EbsSettings


@dataclass(frozen=True)
class Repository:
    """Recipes of a site's own: a directory beside the seed, or a Git repository at a reference."""

    path: str | None = None
    git: str | None = None
    ref: str | None = None

    @property
    def source(self) -> str:
        """By what the commit of its reference is known once that was looked up."""
        return f"{self.git}@{self.ref}"


@dataclass(frozen=True)
class Spack:
    version: str = DEFAULT_SPACK_REF
    packages: str = DEFAULT_SPACK_PACKAGES_REF
    target: str = platforms.DEFAULT_TARGETS[platforms.X86_64]
    padded_length: int = DEFAULT_PADDED_LENGTH
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    repos: tuple[Repository, ...] = ()


@dataclass(frozen=True)
class Stack:
    """Packages that are solved for themselves. compiler, target: None are those of all software, mpi: None is Spack's
    choice.
    """

    name: str
    packages: tuple[str, ...] = ()
    compiler: str | None = None
    mpi: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class BinaryCache:
    s3_bucket: str
    s3_prefix: str = ""
    s3_region: str | None = None


@dataclass(frozen=True)
class Program:
    """A program of an image. version: of its module. args: before those of the user."""

    name: str
    command: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """version: of its module. env: variables of its programs. gpu: whether they get those of a node.

    binds: directories of the nodes that they see, beside those of everybody.
    """

    name: str
    image: str
    version: str
    modules: tuple[Program, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    gpu: bool = False
    binds: tuple[str, ...] = ()


@dataclass(frozen=True)
class PythonEnvironment:
    """python None is the python3 of the operating system. as_of: only what was published up to then counts.

    build: normalised names of the packages that are built from source; all others are wheels.
    """

    name: str
    version: str
    default: bool = False
    python: str | None = None
    packages: tuple[str, ...] = ()
    as_of: str | None = None
    build: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lmod:
    """version None is the one of the operating system."""

    version: str | None = None


@dataclass(frozen=True)
class Build:
    instance_type: str
    spot: bool = True
    timeout: str = DEFAULT_TIMEOUT

    @property
    def timeout_seconds(self) -> int:
        return grammar.duration_seconds(self.timeout) or 0


@dataclass(frozen=True)
class Software:
    """Specs are in canonical form and in the order of the file. compiler None is the operating system's."""

    spack_packages: tuple[str, ...]
    stacks: tuple[Stack, ...]
    spack: Spack
    compiler: str | None
    build_from_source: tuple[str, ...]
    in_ami: tuple[str, ...]
    use_custom_ami: bool
    build_parallel: bool
    binary_cache: BinaryCache | None
    containers: tuple[Container, ...]
    python_environments: tuple[PythonEnvironment, ...]
    modules: tuple[str, ...]
    lmod: Lmod
    build: Build


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class S3Mount:
    bucket: str
    mount_point: str


@dataclass(frozen=True)
class Data:
    s3_mounts: tuple[S3Mount, ...] = ()


@dataclass(frozen=True)
class SnapshotSource:
    type: str
    priority: int
    account: str | None = None
    enabled: bool = True
    store: str | None = None


@dataclass(frozen=True)
class Registry:
    use_public_snapshots: bool = False
    trusted_accounts: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True)
class Seed:
    """A whole seed. warnings: what is doubtful about it; no key of the file."""

    schema: int
    cluster: Cluster
    compute: Compute | None
    shared_storage: tuple[Storage, ...]
    software: Software
    users: tuple[User, ...]
    data: Data
    snapshot_sources: tuple[SnapshotSource, ...]
    registry: Registry
    tier: str
    warnings: tuple[Problem, ...] = field(default=(), compare=False, metadata=_PRIVATE)

    @classmethod
    def from_mapping(
        cls,
        data: Any,
        host: Host = UNKNOWN_HOST,
        source: SourceMap = NO_SOURCE,
        sold: drafts.Sold = drafts.nobody_asked,
    ) -> Seed:
        """A seed from plain data, which stays as it is.

        host: the machine that builds it, for the defaults of provider local. source: where the data stands.
        sold: answers for instance types that the table in the tree doubts.
        Raises SeedError with all problems.
        """
        report = Report(source)
        draft = drafts.Draft(schema.SEED.check(data, (), report) or {}, report, host, sold)
        if isinstance(data, Mapping):
            drafts.check(
                draft,
                (
                    *(*rules.RULES, *people.RULES, *cluster_rules.RULES, *stack_rules.RULES, *container_rules.RULES),
                    *tier_rules.RULES,
                ),
            )
        in_order = sorted(report.problems, key=lambda problem: problem.line or 0)
        errors = [problem for problem in in_order if problem.level == ERROR]
        if errors:
            raise SeedError(errors, source.file)
        return _seed(draft, tuple(in_order))

    @property
    def software_volume(self) -> Storage:
        """The volume that is built: the one named software, else the only one."""
        named = [volume for volume in self.shared_storage if volume.name == drafts.SOFTWARE_VOLUME]
        return (named or list(self.shared_storage))[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, keys as in the file, every default filled in."""
        return _record(self)


def _record(value: Any) -> dict[str, Any]:
    return {key.name: _plain(getattr(value, key.name)) for key in fields(value) if "private" not in key.metadata}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _record(value)
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _seed(draft: drafts.Draft, warnings: Sequence[Problem]) -> Seed:
    clean = draft.clean
    compute = clean.get("compute")
    return Seed(
        schema=1,
        cluster=Cluster(
            clean["cluster"]["name"],
            clean["cluster"].get("region"),
            draft.provider,
            draft.os,
            draft.architecture,
        ),
        compute=compute and _compute(compute),
        shared_storage=tuple(_storage(entry, draft.provider) for entry in clean.get("shared_storage", ({},))),
        software=_software(clean.get("software", {}), draft),
        users=tuple(User(user["name"], user["uid"], user.get("gid", user["uid"])) for user in clean.get("users", ())),
        data=Data(tuple(S3Mount(**entry) for entry in clean.get("data", {}).get("s3_mounts", ()))),
        snapshot_sources=tuple(_source(entry) for entry in clean.get("snapshot_sources", _DEFAULT_SOURCES)),
        registry=_registry(clean.get("registry", {})),
        tier=clean.get("tier", schema.TIERS[0]),
        warnings=tuple(warnings),
    )


_DEFAULT_SOURCES: tuple[Mapping[str, Any], ...] = ({"type": "local", "priority": 1},)


def _frozen(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in mapping.items()}


def _compute(entry: Mapping[str, Any]) -> Compute:
    queues = tuple(Queue(**_frozen(queue)) for queue in entry.get("queues", ()))
    return Compute(entry["head_node"], entry.get("custom_ami"), queues)


def _storage(entry: Mapping[str, Any], provider: str) -> Storage:
    settings = entry.get("ebs_settings", {})
    kind = settings.get("volume_type", "gp3")
    gp3 = kind == "gp3"
    return Storage(
        name=entry.get("name", drafts.SOFTWARE_VOLUME),
        storage_type=entry.get("storage_type", "Ebs"),
        mount_dir=entry.get("mount_dir", drafts.DEFAULT_MOUNT_DIR),
        ebs_settings=EbsSettings(
            volume_type=kind,
            size=settings.get("size", drafts.DEFAULT_SIZE[provider]),
            iops=settings.get("iops", drafts.DEFAULT_IOPS if gp3 else None),
            throughput=settings.get("throughput", drafts.DEFAULT_THROUGHPUT if gp3 else None),
            # ParallelCluster's own default; an image file on the host is never encrypted.
            encrypted=settings.get("encrypted", provider == "aws"),
            kms_key_id=settings.get("kms_key_id"),
        ),
    )


def _software(entry: Mapping[str, Any], draft: drafts.Draft) -> Software:
    packages = _specs(entry, "spack_packages")
    compiler = (
        spec.canonical(entry["compiler"])
        if "compiler" in entry
        else _first_compiler((*_specs(entry, "in_ami"), *packages))
    )
    cache = entry.get("binary_cache")
    target = platforms.DEFAULT_TARGETS[draft.architecture]
    instance_type = platforms.DEFAULT_BUILD_INSTANCES[draft.architecture]
    given = dict(entry.get("spack", {}))
    repos = tuple(Repository(**repository) for repository in given.pop("repos", ()))
    packages_ref = given.get("packages") or _packages_ref(given.get("version"))
    return Software(
        spack_packages=packages,
        stacks=tuple(_stack(stack) for stack in entry.get("stacks", ())),
        spack=Spack(**{"target": target, **given, "packages": packages_ref}, repos=repos),
        compiler=compiler,
        build_from_source=_specs(entry, "build_from_source"),
        in_ami=_specs(entry, "in_ami"),
        use_custom_ami=entry.get("use_custom_ami", False),
        build_parallel=entry.get("build_parallel", True),
        binary_cache=cache and _cache(cache, draft.get("cluster", "region")),
        containers=tuple(_container(container) for container in entry.get("containers", ())),
        python_environments=tuple(_environment(environment) for environment in entry.get("python_environments", ())),
        modules=tuple(entry.get("modules", ())),
        lmod=Lmod(**entry.get("lmod", {})),
        build=Build(**{"instance_type": instance_type, **entry.get("build", {})}),
    )


def _stack(entry: Mapping[str, Any]) -> Stack:
    compiler, mpi = (entry.get(key) and spec.canonical(entry[key]) for key in ("compiler", "mpi"))
    return Stack(entry["name"], _specs(entry, "packages"), compiler, mpi, entry.get("target"))


def _container(entry: Mapping[str, Any]) -> Container:
    version = entry.get("version") or images.version_of(entry["image"])
    modules = tuple(
        Program(f"{name}/{of_module}", command, args)
        for name, of_module, command, args in images.programs(entry, version)
    )
    return Container(**{**_frozen(entry), "version": version, "modules": modules})


def _environment(entry: Mapping[str, Any]) -> PythonEnvironment:
    build = tuple(dict.fromkeys(grammar.python_name(name) for name in entry.get("build", ())))
    return PythonEnvironment(**{**_frozen(entry), "version": software_rules.environment_version(entry), "build": build})


def _cache(entry: Mapping[str, Any], region: str | None) -> BinaryCache:
    prefix = grammar.plain_prefix(entry.get("s3_prefix", ""))
    return BinaryCache(**{"s3_region": region, **entry, "s3_prefix": prefix})


def _packages_ref(spack_ref: str | None) -> str:
    """The package repository's release that fits a reference of Spack."""
    release = re.match(r"(?:releases/)?v?(\d+)\.(\d+)", spack_ref or "")
    numbers = (int(release[1]), int(release[2])) if release else (0, 0)
    return SPACK_PACKAGES_REFS.get(numbers, DEFAULT_SPACK_PACKAGES_REF)


def _specs(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    # A spec named twice is one spec.
    return tuple(dict.fromkeys(spec.canonical(text) for text in entry.get(key, ())))


def _first_compiler(packages: Sequence[str]) -> str | None:
    for text in packages:
        parsed = spec.parse(text)
        if parsed.name in spec.COMPILERS:
            return text
    return None


def _registry(entry: Mapping[str, Any]) -> Registry:
    url = entry.get("url")
    return Registry(**{**_frozen(entry), "url": url and grammar.registry_address(url)})


def _source(entry: Mapping[str, Any]) -> SnapshotSource:
    # Software of strangers only where somebody asked for it.
    enabled = entry.get("enabled", entry["type"] in ("local", "organization"))
    return SnapshotSource(entry["type"], entry["priority"], entry.get("account"), enabled, entry.get("store"))
