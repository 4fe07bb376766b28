# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys of a seed must mean together: one small function for each rule.

A rule looks at the clean copy that the schema leaves (what is wrong on its own is missing there) and yields
what it finds. RULES names each with its level.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar, platforms, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path, Report
from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import GitRef

SOFTWARE_VOLUME = "software"
DEFAULT_MOUNT_DIR = "/shared"
#: Where defaults for a volume differ by provider: a cloud volume has room to grow, a local image is sparse.
DEFAULT_SIZE = {"aws": 500, "local": 100}
DEFAULT_IOPS = 3000
DEFAULT_THROUGHPUT = 125
DEFAULT_MAX_COUNT = 10
MIGRATION_GUIDE = "docs/migrate-from-ami.md"
#: Keys that nothing acts on yet, and what they would bring. A seed that asks for it is refused: a volume without it
#: would be a lie.
LATER = {
    ("software", "containers"): "containers",
    ("software", "in_ami"): "packages inside an image",
    ("software", "use_custom_ami"): "images of one's own that carry packages",
}
#: Versions of Spack packages that stand for whatever is newest. Source: Spack, "infinity versions".
MOVING_VERSIONS = frozenset({"develop", "main", "master", "head", "trunk", "stable", "nightly"})


@dataclass(frozen=True)
class Finding:
    """What a rule has found: where, what, and what to do."""

    path: Path
    message: str
    value: Any = None
    expected: str = ""
    hint: str = ""


#: A Region and names of instance types → those that EC2 has there, or None where nobody can be asked.
Sold = Callable[[str, frozenset[str]], Optional[frozenset[str]]]


def nobody_asked(_region: str, _names: frozenset[str]) -> frozenset[str] | None:
    """Leaves instance types to the table in the tree."""
    return None


def judged_before(_region: str, names: frozenset[str]) -> frozenset[str] | None:
    """For a seed that comes from seed_info, which has asked: its instance types are there."""
    return names


class Draft:
    """A seed whose shape was checked, with the few defaults that rules depend on."""

    def __init__(
        self, clean: Mapping[str, Any], report: Report, host: platforms.Host, sold: Sold = nobody_asked
    ) -> None:
        self.clean = clean
        self.report = report
        self.host = host
        self.sold = sold
        self.today = datetime.datetime.now(datetime.timezone.utc).date()

    def get(self, *path: str) -> Any:
        """A value by its path, or None where it is missing or wrong."""
        value: Any = self.clean
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def entries(self, *path: str) -> Iterator[tuple[Path, Any]]:
        """The good entries of a list, each with its path."""
        for index, entry in enumerate(self.get(*path) or ()):
            if entry is not None:
                yield (*path, index), entry

    def lacks(self, *path: str) -> bool:
        """Whether a value is really missing, and not just wrong."""
        return self.get(*path) is None and not self.report.is_wrong(path)

    @property
    def provider(self) -> str:
        given: str | None = self.get("cluster", "provider")
        if given:
            return given
        named = self.get("cluster", "region") or self.report.is_wrong(("cluster", "region"))
        return "aws" if named else "local"

    @property
    def os(self) -> str:
        given: str | None = self.get("cluster", "os")
        return given or (platforms.DEFAULT_AWS_OS if self.provider == "aws" else self.host.os)

    @property
    def architecture(self) -> str:
        given: str | None = self.get("cluster", "architecture")
        host: str | None = self.get("compute", "head_node") or self.get("software", "build", "instance_type")
        if given:
            return given
        if self.provider == "aws" and host:
            return platforms.architecture_of(host)
        return self.host.architecture if self.provider == "local" else platforms.X86_64

    @property
    def software_mount_dir(self) -> str:
        """Where the software volume is mounted."""
        volumes = [entry for _path, entry in self.entries("shared_storage")]
        named = [volume for volume in volumes if volume.get("name") == SOFTWARE_VOLUME]
        chosen = (named or volumes or [{}])[0]
        return str(chosen.get("mount_dir", DEFAULT_MOUNT_DIR))


Rule = Callable[[Draft], Iterable[Finding]]


def check(draft: Draft, rules: Iterable[tuple[str, Rule]]) -> None:
    """Apply rules; what they find goes into the draft's report."""
    for level, rule in rules:
        for found in rule(draft):
            value = {} if found.value is None else {"value": found.value}
            draft.report.add(found.path, found.message, expected=found.expected, hint=found.hint, level=level, **value)


# -- the cluster ------------------------------------------------------------------------------------------------


def aws_wants_region(seed: Draft) -> Iterator[Finding]:
    if seed.provider == "aws" and seed.lacks("cluster", "region"):
        yield Finding(("cluster", "region"), "provider aws needs a region", expected="a region such as us-east-1")


def known_os(seed: Draft) -> Iterator[Finding]:
    if not seed.lacks("cluster", "os") or seed.get("cluster") is None:
        return
    if seed.os not in platforms.OPERATING_SYSTEMS:
        here = f"this host's operating system ({seed.os or 'unknown'})"
        yield Finding(
            ("cluster", "os"),
            f"it is missing, and {here} is none that volumes can be built for",
            expected="one of " + ", ".join(platforms.OPERATING_SYSTEMS),
        )


def known_architecture(seed: Draft) -> Iterator[Finding]:
    if seed.get("cluster") is None or not seed.lacks("cluster", "architecture"):
        return
    if seed.architecture not in platforms.ARCHITECTURES:
        yield Finding(
            ("cluster", "architecture"),
            f"it is missing, and this host's ({seed.architecture or 'unknown'}) is none that volumes are built for",
            expected="one of " + ", ".join(platforms.ARCHITECTURES),
        )


def os_of_parallelcluster(seed: Draft) -> Iterator[Finding]:
    name = seed.get("cluster", "os")
    if seed.provider == "aws" and name and name not in platforms.PCLUSTER_OPERATING_SYSTEMS:
        expected = "one of " + ", ".join(platforms.PCLUSTER_OPERATING_SYSTEMS)
        yield Finding(("cluster", "os"), "AWS ParallelCluster has no images of it", name, expected)


def one_architecture(seed: Draft) -> Iterator[Finding]:
    """Head, queues and build host share the volume, so they share its architecture."""
    if seed.provider != "aws":
        return
    types: list[tuple[Path, Any]] = [(("compute", "head_node"), seed.get("compute", "head_node"))]
    for path, queue in seed.entries("compute", "queues"):
        types += [((*path, "instance_types", i), name) for i, name in enumerate(queue.get("instance_types", ()))]
    types.append((("software", "build", "instance_type"), seed.get("software", "build", "instance_type")))
    for path, name in types:
        if name and platforms.architecture_of(name) != seed.architecture:
            yield Finding(
                path,
                f"this instance type is {platforms.architecture_of(name)}, the cluster is {seed.architecture}",
                name,
                "instance types of one architecture",
            )


def queue_counts(seed: Draft) -> Iterator[Finding]:
    for path, queue in seed.entries("compute", "queues"):
        low, high = queue.get("min_count", 0), queue.get("max_count", DEFAULT_MAX_COUNT)
        if low > high:
            yield Finding((*path, "min_count"), f"it is larger than max_count ({high})", low)


def custom_ami_is_legacy(seed: Draft) -> Iterator[Finding]:
    if seed.get("compute", "custom_ami") and seed.os not in platforms.WITHOUT_IMAGE:
        yield Finding(
            ("compute", "custom_ami"),
            "images with software inside are the legacy tier and deprecated",
            hint=f"{MIGRATION_GUIDE} shows the way to a software volume",
        )


# -- storage ----------------------------------------------------------------------------------------------------


def at_most_five_volumes(seed: Draft) -> Iterator[Finding]:
    volumes = seed.get("shared_storage") or ()
    if len(volumes) > 5:
        yield Finding(("shared_storage",), f"{len(volumes)} volumes, ParallelCluster attaches at most five")


def software_volume_is_clear(seed: Draft) -> Iterator[Finding]:
    volumes = seed.get("shared_storage") or ()
    names = [volume.get("name") if volume else None for volume in volumes]
    if len(names) > 1 and None not in names and SOFTWARE_VOLUME not in names:
        message = f"of several volumes, one must be named {SOFTWARE_VOLUME}: the one built here"
        yield Finding(("shared_storage",), message)


def mount_dirs_apart(seed: Draft) -> Iterator[Finding]:
    """No volume inside another. Source: ParallelCluster refuses nested mount directories."""
    seen: list[str] = []
    for path, volume in seed.entries("shared_storage"):
        directory = volume.get("mount_dir")
        if not directory:
            continue
        for other in seen:
            if directory == other:
                yield Finding((*path, "mount_dir"), "another volume is mounted there already", directory)
            elif _inside(directory, other) or _inside(other, directory):
                yield Finding((*path, "mount_dir"), f"it nests with another volume's ({other})", directory)
        seen.append(directory)


def ebs_performance(seed: Draft) -> Iterator[Finding]:
    """Limits of EBS volume types. Source: Amazon EBS volume types; ParallelCluster checks the same."""
    for path, volume in seed.entries("shared_storage"):
        settings = volume.get("ebs_settings") or {}
        kind = settings.get("volume_type", "gp3")
        size = settings.get("size", DEFAULT_SIZE[seed.provider])
        yield from _performance((*path, "ebs_settings"), kind, size, settings)


_IOPS_LIMITS = {"gp3": (3000, 16000, 500), "io1": (100, 64000, 50), "io2": (100, 256000, 1000)}


def _performance(path: Path, kind: str, size: int, settings: Mapping[str, Any]) -> Iterator[Finding]:
    iops, throughput = settings.get("iops"), settings.get("throughput")
    if kind not in _IOPS_LIMITS:
        for key in ("iops", "throughput"):
            if settings.get(key) is not None:
                yield Finding((*path, key), f"a volume of type {kind} has no such setting", settings[key])
        return
    low, high, ratio = _IOPS_LIMITS[kind]
    if iops is None and kind != "gp3":
        yield Finding((*path, "iops"), f"a volume of type {kind} needs it", expected=f"{low} to {high}")
    if iops is not None and not low <= iops <= high:
        yield Finding((*path, "iops"), f"it is out of bounds for {kind}", iops, f"{low} to {high}")
    elif iops is not None and iops > max(low, ratio * size):
        expected = f"at most {max(low, ratio * size)}: {ratio} for each of the {size} GiB"
        yield Finding((*path, "iops"), "too much for the size of the volume", iops, expected)
    if throughput is None:
        return
    if kind != "gp3":
        yield Finding((*path, "throughput"), f"a volume of type {kind} has no such setting", throughput)
    elif 4 * throughput > (iops or DEFAULT_IOPS):
        expected = f"at most {(iops or DEFAULT_IOPS) // 4} MiB/s: a quarter of its {iops or DEFAULT_IOPS} IOPS"
        yield Finding((*path, "throughput"), "too much for the volume's iops", throughput, expected)


def key_wants_encryption(seed: Draft) -> Iterator[Finding]:
    for path, volume in seed.entries("shared_storage"):
        settings = volume.get("ebs_settings") or {}
        if settings.get("kms_key_id") and settings.get("encrypted") is False:
            yield Finding((*path, "ebs_settings", "kms_key_id"), "a key without encryption", hint="set encrypted: true")


def local_has_no_use_for(seed: Draft) -> Iterator[Finding]:
    """Keys that say something about AWS alone, in a seed of provider local."""
    if seed.provider != "local":
        return
    useless: list[tuple[Path, Any]] = [(path, seed.get(*path)) for path in _AWS_ALONE]
    for path, volume in seed.entries("shared_storage"):
        settings = volume.get("ebs_settings") or {}
        if settings.get("encrypted") or settings.get("kms_key_id"):
            yield Finding((*path, "ebs_settings"), "provider local does not encrypt volumes")
        useless += [((*path, "ebs_settings", key), settings.get(key)) for key in ("volume_type", "iops", "throughput")]
        named = volume.get("name", SOFTWARE_VOLUME)
        if len(seed.get("shared_storage")) > 1 and named != SOFTWARE_VOLUME:
            yield Finding(path, "provider local makes no other volumes than the one for the software", named)
    for path, value in useless:
        if value:
            yield Finding(path, "it says something about AWS, and the provider is local: nothing reads it")


_AWS_ALONE: tuple[tuple[str, ...], ...] = (
    ("cluster", "region"),
    ("compute",),
    ("software", "build", "instance_type"),
    ("software", "build", "spot"),
    ("registry", "use_public_snapshots"),
    ("registry", "trusted_accounts"),
)


def s3_mounts_apart(seed: Draft) -> Iterator[Finding]:
    seen: list[str] = []
    for path, mount in seed.entries("data", "s3_mounts"):
        point = mount.get("mount_point")
        if point in seen:
            yield Finding((*path, "mount_point"), "another bucket is mounted there already", point)
        seen += [point] if point else []


#: Directories at the top of every software volume. Others below its mount directory are free for mounts.
VOLUMES_OWN = (".petal", "bin", "containers", "envs", "etc", "lmod", "lost+found", "modules", "spack")


def s3_hides_software(seed: Draft) -> Iterator[Finding]:
    software = seed.software_mount_dir
    for path, mount in seed.entries("data", "s3_mounts"):
        point = mount.get("mount_point")
        hidden = what_is_hidden(point, software) if point else ""
        if hidden:
            outside = f"/data/{point.rsplit('/', 1)[-1]}"
            message = f"it would hide the software volume ({software}), or a part of it: {hidden}"
            yield Finding((*path, "mount_point"), message, point, hint=f"mount it outside, as at {outside}")


def what_is_hidden(point: str, software: str) -> str:
    """What of the software volume lies below a mount point; empty where nothing does.

    A directory of its own below the volume hides nothing: the node hook makes it (petal-node-setup.j2).
    """
    if point == software or _inside(software, point):
        return software
    own = point[len(software) + 1 :].split("/", 1)[0] if _inside(point, software) else ""
    return f"{software}/{own}" if own in VOLUMES_OWN else ""


def _inside(inner: str, outer: str) -> bool:
    return inner.startswith(outer + "/")


# -- software ---------------------------------------------------------------------------------------------------


#: Lists of specs that are installed.
_INSTALLED = ("spack_packages", "build_from_source")


def something_to_install(seed: Draft) -> Iterator[Finding]:
    software = seed.get("software")
    if seed.lacks("software") or (
        software is not None
        and not any(seed.get("software", key) for key in (*_INSTALLED, "containers", "python_environments"))
        and not any(seed.report.is_wrong(("software", key)) for key in _INSTALLED)
    ):
        yield Finding(("software",), "there is nothing to install: the volume will be empty")


def not_yet(seed: Draft) -> Iterator[Finding]:
    for path, what in LATER.items():
        if seed.get(*path):
            come = "come in a later release; until then a seed that names them is refused"
            yield Finding(path, f"{what} {come}", hint="leave it out")


def packages_once(seed: Draft) -> Iterator[Finding]:
    for key in ("spack_packages", "build_from_source", "in_ami"):
        seen: dict[str, Path] = {}
        for path, text in seed.entries("software", key):
            if seen.setdefault(spec.canonical(text), path) != path:
                yield Finding(path, "the same spec stands in the list twice", text)


def hashes_are_fleeting(seed: Draft) -> Iterator[Finding]:
    for key in ("spack_packages", "build_from_source", "in_ami"):
        for path, text in seed.entries("software", key):
            if spec.parse(text).hash:
                yield Finding(path, "Spack finds a /hash only where that very package is installed", text)


def specs_fit_the_system(seed: Draft) -> Iterator[Finding]:
    """``platform=``, ``os=`` and ``target=`` of a spec, or of a dependency in it, are those of the seed."""
    lists = [entry for key in (*_INSTALLED, "in_ami") for entry in seed.entries("software", key)]
    compiler = seed.get("software", "compiler")
    for path, text in [*lists, *([(("software", "compiler"), compiler)] if compiler else [])]:
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
    target, architecture = seed.get("software", "spack", "target"), seed.architecture
    if target and architecture in platforms.ARCHITECTURES and not platforms.target_fits(target, architecture):
        expected = f"a target of {architecture} such as {platforms.DEFAULT_TARGETS[architecture]}"
        yield Finding(("software", "spack", "target"), f"no {architecture} processor can run it", target, expected)


def switches_before_compilers(seed: Draft) -> Iterator[Finding]:
    """What stands behind ``%compiler`` is the compiler's since Spack 1.0; before, it was the package's."""
    for key in (*_INSTALLED, "in_ami"):
        for path, text in seed.entries("software", key):
            meant = spec.parse(text).with_compilers_last()
            if str(meant) != spec.canonical(text):
                yield Finding(
                    path,
                    "what stands behind a compiler is asked of the compiler, not of the package (since Spack 1.0)",
                    text,
                    hint=f"if it is meant for the package, write: {meant}",
                )


def compiler_is_one(seed: Draft) -> Iterator[Finding]:
    text = seed.get("software", "compiler")
    if not text:
        return
    name = spec.parse(text).name
    if name in spec.LEGACY_COMPILERS:
        hint = f"write {spec.LEGACY_COMPILERS[name]}: Spack 1.x names compilers by their packages"
        yield Finding(("software", "compiler"), f"{name} is no package of Spack 1.x", text, hint=hint)
    elif name not in spec.COMPILERS:
        yield Finding(("software", "compiler"), f"{name} is no compiler", text, "one of " + ", ".join(spec.COMPILERS))


def names_once(seed: Draft) -> Iterator[Finding]:
    """Names that must be unique in their list."""
    for path in (("compute", "queues"), ("shared_storage",), ("software", "containers"), ("users",)):
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


def modules_do_not_collide(seed: Draft) -> Iterator[Finding]:
    environments = {entry.get("name") for _path, entry in seed.entries("software", "python_environments")}
    for path, entry in seed.entries("software", "containers"):
        if entry.get("name") and entry["name"] in environments:
            yield Finding((*path, "name"), "a Python environment has this name: their modules collide", entry["name"])


def images_are_pinned(seed: Draft) -> Iterator[Finding]:
    for path, entry in seed.entries("software", "containers"):
        if entry.get("image") and not grammar.image_is_pinned(entry["image"]):
            yield Finding(
                (*path, "image"),
                "a tag can be moved: what the image holds can change while the fingerprint stays",
                entry["image"],
                hint="add the digest: @sha256:…",
            )


def specs_are_pinned(seed: Draft) -> Iterator[Finding]:
    """A branch of a package's source, or a directory, holds something else tomorrow."""
    texts: list[tuple[Path, Any]] = [(("software", "compiler"), seed.get("software", "compiler"))]
    for key in ("spack_packages", "build_from_source"):
        texts += seed.entries("software", key)
    for path, text in texts:
        nodes = list(_nodes(spec.parse(text))) if text else []
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
    for key in ("version", "packages"):
        ref = seed.get("software", "spack", key)
        if ref and not is_pinned(ref):
            yield Finding(
                ("software", "spack", key), "this looks like a branch: it moves, and so will the fingerprint", ref
            )


def is_pinned(ref: str) -> bool:
    """Whether a Git reference stands for the same commit for ever: a commit, or a release's tag."""
    return grammar.is_commit(ref) or (ref[:1] == "v" and ref[1:2].isdigit())


# -- sharing ----------------------------------------------------------------------------------------------------


def sources_are_clear(seed: Draft) -> Iterator[Finding]:
    priorities: set[int] = set()
    seen: set[tuple[str, Any, Any]] = set()
    for path, source in seed.entries("snapshot_sources"):
        kind, priority = source.get("type"), source.get("priority")
        account, store = source.get("account"), source.get("store")
        wrong = any(seed.report.is_wrong((*path, key)) for key in ("account", "store"))
        if kind == "organization" and account is None and store is None and not wrong:
            yield Finding(
                (*path, "account"), "a source of type organization needs an account, or a store (provider local)"
            )
        if account is not None and store is not None:
            yield Finding((*path, "store"), "an account and a store are two sources", store)
        if kind == "local" and account is not None:
            yield Finding((*path, "account"), "a source of type local takes no account: it is one's own", account)
        if kind not in (None, "organization") and store is not None:
            yield Finding((*path, "store"), f"a source of type {kind} takes no store", store)
        if priority in priorities:
            yield Finding((*path, "priority"), "another source has this priority: which one is first?", priority)
        if kind and (kind, account, store) in seen:
            yield Finding(path, "the same source is there twice")
        priorities |= {priority} if priority else set()
        seen |= {(kind, account, store)} if kind else set()


RULES: tuple[tuple[str, Rule], ...] = (
    (ERROR, aws_wants_region),
    (ERROR, known_os),
    (ERROR, known_architecture),
    (ERROR, os_of_parallelcluster),
    (ERROR, one_architecture),
    (ERROR, queue_counts),
    (WARNING, custom_ami_is_legacy),
    (ERROR, at_most_five_volumes),
    (ERROR, software_volume_is_clear),
    (ERROR, mount_dirs_apart),
    (ERROR, ebs_performance),
    (ERROR, key_wants_encryption),
    (WARNING, local_has_no_use_for),
    (ERROR, s3_mounts_apart),
    (WARNING, s3_hides_software),
    (WARNING, something_to_install),
    (WARNING, packages_once),
    (WARNING, hashes_are_fleeting),
    (ERROR, specs_fit_the_system),
    (ERROR, target_fits_the_architecture),
    (WARNING, switches_before_compilers),
    (ERROR, compiler_is_one),
    (ERROR, names_once),
    (ERROR, environments_once),
    (ERROR, modules_do_not_collide),
    (ERROR, not_yet),
    (WARNING, images_are_pinned),
    (ERROR, spack_is_of_today),
    (WARNING, refs_are_pinned),
    (WARNING, specs_are_pinned),
    (WARNING, requirements_are_pinned),
    (ERROR, builds_something),
    (ERROR, as_of_is_past),
    (WARNING, as_of_is_over),
    (ERROR, sources_are_clear),
)
