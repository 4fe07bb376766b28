# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What petal.hpc.seed_info does: from a path, or a text, to a validated seed and its fingerprint, on the controller."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.names import build_names
from ansible_collections.petal.hpc.plugins.module_utils._run import job
from ansible_collections.petal.hpc.plugins.module_utils._run.variables import command_line
from ansible_collections.petal.hpc.plugins.module_utils._seed import (
    fingerprint,
    hybrid,
    images,
    inputs,
    pins,
    site,
    spack_settings,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.given import TEXT, is_text, refusal
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed, Storage
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host, compatible_os, mismatch
from ansible_collections.petal.hpc.plugins.plugin_utils import instance_types, package_index, seed_text, site_files
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import process_identity, this_host
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import Document, parse_text, read_seed_file

#: Options of the action, in the form of Ansible's argument specifications. The path is as it was given: type path would
#: put environment variables in, and type str would make a text of a mapping.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "raw", "required": True},
    "host_os": {"type": "str"},
    "host_architecture": {"type": "str"},
    # Whatever they are: the seed's own shapes look at them, and name the place.
    "overrides": {"type": "raw"},
    "snapshot_sources": {"type": "raw"},
    "registry": {"type": "raw"},
    "mirror_dir": {"type": "str"},
    "resolved_refs": {"type": "dict"},
    "inputs": {"type": "dict"},
}

#: Extra variables that say where volumes lie, and where and from what they are built.
PLACES = (
    *("store", "snapshot_sources", "registry", "spack_mirror_dir", "build_host"),
    *("subnet_id", "subnet_ids", "controller_cidr", "private_address", "build_connection", "ssm_bucket"),
    *("build_key_store", "build_key_kms_key_id"),
    *("ami_id", "iam_instance_profile", "ssh_key_dir", "key_name", "head_node_key_file", "hook_bucket"),
)


#: In commands, for a text that no file has when they are read.
_SAME = "<the same text>"

_SETTINGS = tuple(spack_settings.VARIABLES.items())


def with_inputs(
    arguments: Mapping[str, Any],
    variables: Mapping[str, Any],
    template: Callable[[Any], Any],
    extra: Iterable[str] = (),
) -> dict[str, Any]:
    """The action's arguments, with what the play's variables decide of a volume where ``inputs`` does not say it.

    Every door to a fingerprint goes through here, so that all playbooks with the same variables have the same one.

    variables: those of the play. template: what makes a value of one. extra: names of the extra variables.
    Raises SeedError for extra variables that overrule the seed.
    """
    inputs.refuse_overruling(extra)
    if arguments.get("inputs") is not None:
        return dict(arguments)
    return {**arguments, "inputs": {name: template(variables[name]) for name in inputs.NAMES if name in variables}}


def named_inventories(sources: Any, usual: Any, extra: Iterable[str]) -> list[str]:
    """The inventories that were named for this run alone, as they would be named again.

    sources: those of the run. usual: those of Ansible's configuration, which the next run has by itself. extra: names
    of the extra variables; an AWX job makes its inventory anew.
    """
    given = [str(one) for one in sources] if isinstance(sources, (list, tuple)) else []
    if given == [str(one) for one in usual] or job.is_job(extra):
        return []
    return [one if "," in one else _from_here(one) for one in given]


def _from_here(path: str) -> str:
    """Ansible makes a path absolute; one below the working directory is shorter without that."""
    with contextlib.suppress(ValueError, OSError):
        return str(Path(path).relative_to(Path.cwd()))
    return path


def describe(
    arguments: Mapping[str, Any],
    playbook_dir: str,
    extra: Mapping[str, Any] | None = None,
    inventories: Sequence[str] = (),
) -> dict[str, Any]:
    """The action's result, in plain JSON types. Raises SeedError.

    A seed that was given as a text is kept, for the commands that name it.

    arguments: as ARGUMENTS describes them, of whatever types templating made of them. extra: the extra variables of
    the run, of which the result repeats those without which the volume would be another one, or elsewhere. inventories:
    those that it repeats as well.
    """
    # Values that went through templating carry Ansible's own types: make them plain, once, here.
    options = json.loads(json.dumps(arguments))
    document = read_seed(options, playbook_dir)
    here = this_host()
    host = Host.named(options.get("host_os") or here.os, options.get("host_architecture") or here.architecture)
    name, problems = site.build_name(options.get("overrides") or {})
    part, more = site.build_part(options.get("overrides") or {})
    problems += more
    try:
        seed = Seed.from_mapping(document.data, host, document.source, instance_types.sold)
    except SeedError as error:
        raise SeedError([*problems, *error.problems], error.source) from error
    of_image = part == site.PART_OF_AMI and hybrid.is_one(seed)
    # A playbook that is about images means by it the part of a hybrid, and of others all; who says it himself, a part.
    if part == site.PART_OF_AMI and not of_image and (extra or {}).get(site.PART):
        problems.append(_NO_PART)
    if of_image and hybrid.foreign_image(seed):
        problems.append(_FOREIGN)
    if problems:
        raise SeedError(problems, document.source.file)
    _refuse_overruled_settings(seed, extra or {})
    files = site_files.read(seed, document.source)
    mirror_dir = options.get("mirror_dir") or ""
    compared, doubts = package_index.compare(document.data, seed, document.source, mirror_dir, files.packages)
    if errors := [problem for problem in doubts if problem.level == ERROR]:
        raise SeedError(errors, document.source.file)
    told = {
        "packages_compared": compared,
        "warnings": [
            f"{problem}; {problem.hint}" if problem.hint else str(problem)
            for problem in sorted([*seed.warnings, *doubts], key=lambda problem: problem.line or 0)
        ],
    }
    whole = name or seed.cluster.name
    run = _Run(options, document, host, extra or {}, inventories)
    if of_image:
        return {**run.describe_image(seed, whole), **told}
    found = run.describe(seed, whole, files)
    if hybrid.is_one(seed):
        plan = None if hybrid.foreign_image(seed) else run.describe_image(seed, whole)["plan"]
        found["hybrid"] = {**hybrid.described(seed), "plan": plan}
        found["plan"] = plan_of(found)
    return {**found, **told}


_FOREIGN = Problem(
    "compute.custom_ami",
    "the seed names the image that has the packages of software.in_ami: there is none to build",
    hint="leave it out, and petal.hpc.build_ami makes an image with them",
)


_NO_PART = Problem(
    f"extra variable {site.PART}",
    "the seed has no packages in an image of their own (software.in_ami): all of it is one part",
    site.PART_OF_AMI,
    hint="leave it out; petal.hpc.build_ami makes an image of all of it",
)


@dataclass(frozen=True)
class _Run:
    """What a seed is described with."""

    options: Mapping[str, Any]
    document: Document
    host: Host
    extra: Mapping[str, Any]
    inventories: Sequence[str]

    def describe_image(self, seed: Seed, name: str) -> dict[str, Any]:
        """The same of the part of a hybrid seed that lives in an image. name: of the whole."""
        part = hybrid.image_part(seed)
        files = site_files.read(part, self.document.source)
        return self.describe(part, hybrid.name_of_image(name), files, of_image=True)

    def again(self, seed: Seed) -> str:
        """What names the seed on a command line. The container of an AWX job is gone when its output is read."""
        given = str(self.options["path"])
        if not is_text(given):
            return given
        lasts = not job.is_job(self.extra)
        return (seed_text.keep(given, seed.cluster.name) if lasts else "") or _SAME

    def describe(self, seed: Seed, name: str, files: site_files.SiteFiles, *, of_image: bool = False) -> dict[str, Any]:
        """All that follows from a seed. of_image: whether it is the part of a hybrid that lives in an image."""
        options, source = self.options, self.document.source
        refs = {name: commit for name, commit in (options.get("resolved_refs") or {}).items() if commit}
        decided = inputs.resolve(options.get("inputs") or {}, seed, files.digests)
        wanted, cluster = Host(seed.cluster.os, seed.cluster.architecture), self.document.data.get("cluster") or {}
        given = options["path"]
        file = "" if is_text(given) or seed_text.is_kept(source.file) else given
        again = {name: value for name, value in self.extra.items() if name in (*inputs.NAMES, *PLACES)}
        overrides = {key: value for key, value in (options.get("overrides") or {}).items() if key != site.PART}
        part = {site.PART: site.PART_OF_AMI} if of_image else {}
        moving = fingerprint.moving(seed, decided)
        known = {name: refs[name] for name in moving if name in refs}
        found = {
            "name": name,
            "arguments": command_line({"seed": self.again(seed), **overrides, **part, **again}, self.inventories),
            "seed_file": file,
            "seed": seed.to_dict(),
            "fingerprint": fingerprint.fingerprint(seed, refs, decided),
            "older_fingerprints": fingerprint.older(seed, refs, decided),
            "fingerprint_input": fingerprint.content(seed, refs, decided),
            "unresolved": fingerprint.unresolved(seed, refs, decided),
            "inputs": decided.to_dict(),
            "modulefiles": files.modulefiles(),
            "recipes": _recipes(seed, site_files.beside(source), files.digests, refs),
            "containers": _containers(seed, site_files.beside(source), decided, refs),
            "moving": moving,
            "moving_images": fingerprint.moving_images(seed),
            "pins": pins.to_tags(known) if len(known) == len(moving) else {},
            "spack_settings": spack_settings.variables(seed.software.spack.config, decided.settings),
            # A build host on AWS is made for the seed, and shows what it is when it answers.
            "host_mismatch": mismatch(wanted, self.host) if seed.cluster.provider == "local" else "",
            "host_decides": seed.cluster.provider == "local" and not {"os", "architecture"} <= set(cluster),
            "compatible_os": list(compatible_os(wanted.os)),
            "software_volume": _volume(seed.software_volume),
            "build_timeout_s": seed.software.build.timeout_seconds,
            # The worker that runs this is a child of the ansible-playbook process.
            "controller": process_identity(os.getppid()),
            "hybrid": {},
            "part": site.PART_OF_AMI if of_image else "",
        }
        return {**found, "plan": plan_of(found)}


def _recipes(seed: Seed, beside: Path, digests: Mapping[str, str], refs: Mapping[str, str]) -> list[dict[str, Any]]:
    """Where the seed's repositories of recipes come from, in its order, with the commits that are known of them."""
    moving = fingerprint.moving_repositories(seed)
    commits = [refs.get(one.source, "") if one in moving else one.ref or "" for one in seed.software.spack.repos]
    return [
        {
            # By what it holds, so that what lies under that name is never another one.
            "name": commit or digests.get(one.path or "", "").partition(":")[2],
            "source": one.source if one.git else one.path,
            "directory": str(beside.absolute() / one.path) if one.path else "",
            "digest": digests.get(one.path or "", ""),
            "url": one.git or "",
            "ref": one.ref or "",
            "moving": one in moving,
            "commit": commit,
            "key": f"software.spack.repos[{index}].git",
        }
        for index, (one, commit) in enumerate(zip(seed.software.spack.repos, commits))
    ]


def _containers(seed: Seed, beside: Path, decided: inputs.Inputs, refs: Mapping[str, str]) -> list[dict[str, Any]]:
    """The seed's containers, each with the digest of its image, where that is known, and where its archive lies."""
    return [
        {
            **entry,
            "digest": fingerprint.image_digest(one.image, refs, decided.files) or "",
            "archive": str(beside.absolute() / path) if (path := images.parse(one.image).path) else "",
        }
        for one, entry in zip(seed.software.containers, seed.to_dict()["software"]["containers"])
    ]


def _refuse_overruled_settings(seed: Seed, extra: Mapping[str, Any]) -> None:
    """Raises SeedError for extra variables in whose place the seed's settings cannot come."""
    spack = seed.software.spack
    of_seed = {name: (f"config.{section}", spack.config.get(section)) for section, name in _SETTINGS}
    of_seed["spack_repositories"] = ("repos", spack.repos)
    problems = [
        Problem(
            name,
            f"an extra variable overrules all others, and software.spack.{key} of the seed would be lost",
            hint="set it for the site, in group_vars/all, where the seed's own joins it; or write it into the seed",
        )
        for name, (key, value) in of_seed.items()
        if value and name in extra
    ]
    if problems:
        raise SeedError(problems)


def plan_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the roles go by, as far as the seed says it: ``snapshots_plan`` before anything is looked up.

    found: the action's result.
    """
    seed, volume = found["seed"], found["software_volume"]
    same = (
        "seed",
        "seed_file",
        "inputs",
        "modulefiles",
        "recipes",
        "containers",
        "pins",
        "spack_settings",
        "host_mismatch",
        "compatible_os",
        "controller",
        "hybrid",
        "part",
    )
    return {
        **{key: found[key] for key in same},
        # Under all of these the same bytes may lie.
        "fingerprints": [found["fingerprint"], *found["older_fingerprints"]],
        # What is built bears the name; what is deployed is the cluster's. One only, unless -e name=… says otherwise.
        "name": found["name"],
        "cluster": seed["cluster"]["name"],
        "seed_arguments": found["arguments"],
        "provider": seed["cluster"]["provider"],
        "region": seed["cluster"]["region"] or "",
        "mount_dir": volume["mount_dir"],
        "size_gb": volume["size_gb"],
        "ebs": volume,
        "timeout_s": found["build_timeout_s"],
        "lmod_method": found["inputs"]["lmod_method"],
        **build_names(found["fingerprint"]),
    }


def read_seed(options: Mapping[str, Any], playbook_dir: str) -> Document:
    """The seed with all that comes to it from outside of its file. Raises SeedError.

    options: path, and overrides, snapshot_sources and registry where they are given.
    """
    document = given_seed(options["path"], playbook_dir)
    given = options.get("overrides") or {}
    known = [*site.OVERRIDES, site.NAME, site.PART]
    if not isinstance(given, Mapping) or set(given) - set(known):
        raise SeedError([Problem("overrides", "it is no mapping with " + ", ".join(known))], document.source.file)
    data, source = site.overridden(document.data, document.source, given)
    of_site = [_from_command_line(options.get(key)) for key in ("snapshot_sources", "registry")]
    return Document(*site.with_site(data, source, *of_site))


def given_seed(given: Any, playbook_dir: str) -> Document:
    """The seed as it was given, file or text. Raises SeedError.

    What a text names lies where the playbook was started: in AWX, the project.
    """
    if wrong := refusal(given):
        raise SeedError([Problem("", wrong)], "seed")
    if is_text(given or ""):
        document = parse_text(given, TEXT)
    else:
        file = find_seed(given or "", playbook_dir)
        document = read_seed_file(file)
        if not seed_text.is_kept(file):
            return document
    return replace(document, source=replace(document.source, directory=str(Path.cwd())))


def _from_command_line(value: Any) -> Any:
    """A value of ``-e NAME='[…]'``, which Ansible takes for a text; any other as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


#: What Ansible makes of -e seed="$(cat FILE)": the first word.
_LINE = re.compile(r"(---|[a-z_]+:)(\s|$)")
_AS_TEXT = (
    "a text of one line stands in braces: {cluster: …}. -e seed=… takes no text of several lines: give the seed's "
    "file, or -e @FILE with seed: | in it"
)


def find_seed(path: str, playbook_dir: str) -> str:
    """The seed's file: relative paths count from the working directory, then from the playbook.

    Raises SeedError when the path is empty. Whether there is such a file shows when it is read.
    """
    if not path.strip():
        raise SeedError([Problem("", "no seed is named", hint="name its file: -e seed=FILE")])
    if _LINE.match(path) and not os.path.lexists(path):
        raise SeedError([Problem("", "this is a line of a seed, and no file has such a name", path, hint=_AS_TEXT)])
    given = Path(path)
    with contextlib.suppress(RuntimeError):  # ~NAME of an unknown user is a file's name
        given = given.expanduser()
    beside = Path(playbook_dir) / given
    return str(beside if not os.path.lexists(given) and os.path.lexists(beside) else given)


def _volume(volume: Storage) -> dict[str, Any]:
    settings = volume.ebs_settings
    return {
        "name": volume.name,
        "mount_dir": volume.mount_dir,
        "size_gb": settings.size,
        "volume_type": settings.volume_type,
        "iops": settings.iops,
        "throughput": settings.throughput,
        "encrypted": settings.encrypted,
        "kms_key_id": settings.kms_key_id,
    }
