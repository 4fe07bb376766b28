# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What petal.hpc.registry_submit does: a contribution written into a clone of a registry, or a registry validated.

A clone is untrusted: it is read as a registry over https is, and nothing is written through a link.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._registry import contribution, record
from ansible_collections.petal.hpc.plugins.module_utils._registry.contribution import Offer
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import Entry, Index, RegistryError, Stack
from ansible_collections.petal.hpc.plugins.module_utils._seed import asked
from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint as fingerprints
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.inputs import default_lmod_method
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, parse_snapshot
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import this_host
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import parse_seed

Parsed = TypeVar("Parsed")

#: Options of the action, in the form of Ansible's argument specifications.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "validated"], "default": "present"},
    "seed": {"type": "raw"},
    "resolved_refs": {"type": "dict"},
    "snapshots": {"type": "list", "elements": "dict", "default": []},
    # As seed_info has them.
    "overrides": {"type": "raw"},
    "name": {"type": "str"},
    "description": {"type": "str", "default": ""},
    "packages": {"type": "list", "elements": "str"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "public": {"type": "bool", "default": False},
    "registry": {"type": "str"},
    "date": {"type": "str"},
}
SEED_LIMIT = 1024 * 1024
PROBLEMS_LIMIT = 200


class InvalidRegistryError(RegistryError):
    """A registry that is to be validated has problems; all of them."""

    def __init__(self, where: str, problems: list[str]) -> None:
        self.problems = problems
        lines = [f"  {problem}" for problem in problems[:PROBLEMS_LIMIT]]
        if len(problems) > PROBLEMS_LIMIT:
            lines.append(f"  and {len(problems) - PROBLEMS_LIMIT} more")
        super().__init__("\n".join([f"{where}: {len(problems)} problem{'s' * (len(problems) != 1)}", *lines]))


class Clone:
    """A directory with a registry. Raises RegistryError when there is none.

    :param path: its root.
    """

    def __init__(self, path: str) -> None:
        self.root = Path(path).expanduser().absolute()
        if not self.root.is_dir():
            raise RegistryError(f"{self.root} is no directory: name the clone of the registry")

    def read(self, path: str, limit: int) -> bytes | None:
        """A file of the registry; None when there is none. Raises RegistryError for a link and what is too large."""
        try:
            with _explained(f"{path} cannot be read"), below.file(self.root, path) as stream:
                content = stream.read(limit + 1)
        except FileNotFoundError:
            return None
        if len(content) > limit:
            raise RegistryError(f"{path} has more than {limit // 1024} KiB")
        return content

    def write(self, path: str, content: bytes) -> None:
        """Write a file of the registry in one step. Raises RegistryError."""
        doing = _explained(f"{self.root / path} cannot be written")
        with doing, below.above(self.root, path, make=True) as (parent, name):
            below.replace(parent, name, content)

    def names(self) -> Iterator[str]:
        """What is in the directory of stacks, beside the index."""
        try:
            with _explained(f"{self.root} cannot be read"), below.above(self.root, record.INDEX) as (parent, index):
                found = below.names(parent)
        except FileNotFoundError:
            return
        yield from (name for name in found if name != index and not name.startswith("."))

    def index(self) -> tuple[Index, bytes]:
        """The index and its bytes; an empty one where there is none. Raises RegistryError."""
        content = self.read(record.INDEX, record.INDEX_LIMIT)
        if content is None:
            return Index(()), b""
        return _named(record.INDEX, lambda: record.parse_index(content, "")), content

    def stack(self, entry: Entry) -> tuple[Stack, bytes] | None:
        """A stack's document and its bytes; None where there is none. Raises RegistryError."""
        content = self.read(entry.path, record.STACK_LIMIT)
        if content is None:
            return None
        return _named(entry.path, lambda: record.parse_stack(content, entry)), content


@contextlib.contextmanager
def _explained(problem: str) -> Iterator[None]:
    """Turn what is wrong about a file into one RegistryError; that there is none stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RegistryError(f"{problem}: {error.strerror}") from error
    except PetalError as error:
        raise RegistryError(f"{problem}: {error}") from error


def _named(path: str, parse: Callable[[], Parsed]) -> Parsed:
    try:
        return parse()
    except RegistryError as error:
        raise RegistryError(f"{path}: {error}") from error


def run(arguments: Mapping[str, Any], playbook_dir: str, check: bool = False) -> dict[str, Any]:
    """The action's result, in plain JSON types. Raises PetalError.

    arguments: as ARGUMENTS describes them, of whatever types templating made of them. check: write nothing.
    """
    options = json.loads(json.dumps(arguments))
    clone = Clone(options["path"])
    if options["state"] == "validated":
        return validate(clone)
    if not options.get("seed"):
        raise RegistryError("no seed is named: a contribution is of one seed")
    return submit(clone, options, playbook_dir, check)


# A contribution


def submit(clone: Clone, options: Mapping[str, Any], playbook_dir: str, check: bool) -> dict[str, Any]:
    """Write what is contributed; ``changed``, ``files``, ``stack``, ``diff``."""
    if not (clone.root / ".git").exists():
        raise RegistryError(f"{clone.root} is no Git clone: clone the registry first, then run again")
    asked = {name: options.get(name) for name in ("overrides", "resolved_refs", "inputs")}
    asked["path"] = options["seed"]
    described = seed_info.describe(asked, playbook_dir)
    snapshots = [parse_snapshot(value) for value in _with_defaults(options["snapshots"])]
    offer = Offer(
        name=record.checked_name(options.get("name") or described["name"]),
        fingerprint=_borne(snapshots, described),
        description=options["description"],
        packages=tuple(_packages(options.get("packages"), snapshots, described["seed"]["software"])),
        public=options["public"],
        date=options.get("date") or time.strftime("%Y-%m-%d", time.gmtime()),
        tags=tuple(options.get("tags") or ()),
    )
    objections = contribution.objections(described["seed"], snapshots, offer)
    if objections:
        raise InvalidRegistryError(f"{offer.name} cannot be shared", objections)
    seed = public_seed(seed_info.read_seed(asked, playbook_dir).data, described, options.get("resolved_refs") or {})
    index = clone.index()[0]
    if index.refused:
        raise RegistryError(f"{record.INDEX} of the clone has an entry that cannot be used: {index.refused[0]}")
    before = clone.stack(Entry(offer.name, _known(index, offer)))
    if before and before[0].refused:
        path = record.stack_path(offer.name)
        raise RegistryError(f"{path} of the clone has a snapshot that cannot be used: {before[0].refused[0]}")
    stack = contribution.merged(before[0] if before else None, snapshots, offer)
    registry = index.registry or options.get("registry")
    if not registry:
        raise RegistryError(f"{record.INDEX} names no registry: give its address (option registry)")
    files = {
        record.stack_path(offer.name): record.dump_stack(stack),
        record.seed_path(offer.name): seed,
        record.INDEX: record.dump_index(contribution.reindexed(index, stack), record.checked_url(registry)),
    }
    told = {"name": offer.name, "fingerprint": offer.fingerprint, "stack": stack.to_dict()}
    return {**_written(clone, files, check), **told}


def _known(index: Index, offer: Offer) -> str:
    """A fingerprint that the index has of this name, as its document has to agree with it."""
    return next((entry.fingerprint for entry in index.entries if entry.name == offer.name), offer.fingerprint)


def _borne(snapshots: list[Snapshot], described: Mapping[str, Any]) -> str:
    """What the volumes bear: the seed's fingerprint, or one of an older version that all of them have."""
    there = {snapshot.fingerprint for snapshot in snapshots}
    older: list[str] = [fingerprint for fingerprint in described["older_fingerprints"] if there == {fingerprint}]
    return str((older or [described["fingerprint"]])[0])


def _with_defaults(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Records of snapshot_info for AWS have no digest, which those of a store need.
    return [{**value, "sha256": value.get("sha256") or "0" * 64} for value in values]


def _packages(given: list[str] | None, snapshots: list[Snapshot], software: Mapping[str, Any]) -> list[str]:
    """What is on it: as given, as the snapshots' tags say, else as the seed asks for it."""
    if given is not None:
        return given
    tagged = next((snapshot.packages for snapshot in snapshots if snapshot.packages), [])
    environments = [package for one in software["python_environments"] for package in one["packages"]]
    return (tagged or [*asked.specs(software), *environments])[: record.PACKAGES_LIMIT]


def public_seed(data: Any, described: Mapping[str, Any], resolved_refs: Mapping[str, str]) -> bytes:
    """The seed without what is the site's own, its branches pinned. Raises RegistryError when that changes it."""
    shared = json.loads(json.dumps(contribution.shared_part(data)))
    cluster = described["seed"]["cluster"]
    shared["cluster"] = {**shared["cluster"], "os": cluster["os"], "architecture": cluster["architecture"]}
    commits = {"version": resolved_refs.get("spack"), "packages": resolved_refs.get("packages")}
    if any(commits.values()):
        spack = {**described["seed"]["software"]["spack"], **{key: ref for key, ref in commits.items() if ref}}
        told = {key: value for key, value in spack.items() if value is not None}
        shared["software"] = {**shared["software"], "spack": told}
    if described["containers"]:
        shared["software"] = {**shared["software"], "containers": [_pinned(one) for one in described["containers"]]}
    text = yaml.safe_dump(shared, sort_keys=False, default_flow_style=False, allow_unicode=False, width=110)
    content = ("---\n" + str(text)).encode()
    found = _fingerprints_of(content, "the seed that is published")[0]
    if found != described["fingerprint"]:
        raise RegistryError(
            f"the seed without what is this site's own has the fingerprint {found}, not {described['fingerprint']}: "
            f"{_own(described['inputs'], cluster['os']) or 'pin the branches of Spack that it names (resolved_refs)'}"
        )
    return content


def _pinned(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container as a seed has it, its tag with what it stood for."""
    image = container["image"]
    moves = container["digest"] and not container["archive"] and "@" not in image
    told = {key: value for key, value in container.items() if key not in ("digest", "archive")}
    return {**told, "image": f"{image}@{container['digest']}" if moves else image}


def _own(site: Mapping[str, Any], os_name: str) -> str:
    """What a site has decided of the volume, which no seed tells others; empty where that is nothing."""
    told = [*site["settings"], *(["spack_repositories"] if site["recipes"] else [])]
    told += ["lmod_method"] if site["lmod_method"] != default_lmod_method(os_name) else []
    told += ["lmod_source_url"] if site["lmod_source"] else []
    told += site["files"]
    return f"it was built with {', '.join(told)}, which no seed carries to others: build without" if told else ""


def _fingerprints_of(content: bytes, name: str) -> list[str]:
    """The fingerprint of a seed, and those of older versions that stand for the same bytes."""
    document = parse_seed(content, name)
    seed = Seed.from_mapping(document.data, this_host(), document.source)
    return [fingerprints.fingerprint(seed), *fingerprints.older(seed)]


def _written(clone: Clone, files: Mapping[str, bytes], check: bool) -> dict[str, Any]:
    changes = []
    for path in sorted(files):
        before = clone.read(path, max(record.INDEX_LIMIT, SEED_LIMIT))
        if before == files[path]:
            continue
        changes.append(
            {
                "before_header": path,
                "after_header": path,
                "before": (before or b"").decode(errors="replace"),
                "after": files[path].decode(),
            }
        )
    # The index last: what it names is there.
    for change in sorted(changes, key=lambda one: one["after_header"] == record.INDEX):
        if not check:
            clone.write(change["after_header"], files[change["after_header"]])
    return {"changed": bool(changes), "files": [change["after_header"] for change in changes], "diff": changes}


# A whole registry


def validate(clone: Clone) -> dict[str, Any]:
    """``stacks`` and ``snapshots``, how many, and ``warnings``. Raises InvalidRegistryError with every problem."""
    problems: list[str] = []
    remarks: list[str] = []
    stacks: dict[str, Stack] = {}
    try:
        index, content = clone.index()
    except RegistryError as error:
        raise InvalidRegistryError(str(clone.root), [str(error)]) from error
    if not content:
        raise InvalidRegistryError(str(clone.root), [f"there is no {record.INDEX}"])
    known = {entry.name: entry for entry in index.entries}
    for file_name in clone.names():
        stack, found, doubtful = _looked_at(clone, file_name, known)
        problems += found
        remarks += doubtful
        if stack is not None:
            stacks[stack.name] = stack
    if index.registry is None:
        problems.append(f"{record.INDEX}: it names no registry")
    problems += contribution.index_problems(index, stacks)
    remarks += contribution.index_remarks(index, content, index.registry or "")
    if problems:
        raise InvalidRegistryError(str(clone.root), problems)
    snapshots = sum(len(stack.variants) for stack in stacks.values())
    return {"changed": False, "stacks": len(stacks), "snapshots": snapshots, "warnings": remarks[:PROBLEMS_LIMIT]}


def _looked_at(clone: Clone, file_name: str, known: Mapping[str, Entry]) -> tuple[Stack | None, list[str], list[str]]:
    try:
        return _valid_stack(clone, file_name, known)
    except PetalError as error:
        return None, [str(error)], []


def _valid_stack(clone: Clone, file_name: str, known: Mapping[str, Entry]) -> tuple[Stack, list[str], list[str]]:
    """A stack, what is wrong about it and what is doubtful. Raises PetalError where it cannot be read."""
    path = f"{record.DIRECTORY}/{file_name}"
    stem = file_name[: -len(".json")] if file_name.endswith(".json") else file_name
    name = _named(path, lambda: record.checked_name(stem))
    if path != record.stack_path(name):
        raise RegistryError(f"{path}: only documents NAME.json belong there")
    entry = known.get(name)
    if entry is None:
        raise RegistryError(f"{record.INDEX}: the stack {name} is missing")
    read = clone.stack(entry)
    if read is None:
        raise RegistryError(f"{path}: it is gone")
    stack, content = read
    problems = list(contribution.stack_problems(stack, content))
    if stack.seed_url is not None and not stack.seed_url.startswith("https://"):
        problems += _seed_problems(clone, stack)
    return stack, problems, list(contribution.stack_remarks(stack, content))


def _seed_problems(clone: Clone, stack: Stack) -> Iterator[str]:
    path = record.seed_path(stack.name)
    if stack.seed_url != path:
        yield f"{record.stack_path(stack.name)}: seed_url is {stack.seed_url}, expected {path}"
        return
    content = clone.read(path, SEED_LIMIT)
    if content is None:
        yield f"{path}: it is missing"
        return
    try:
        found = _fingerprints_of(content, path)
    except SeedError as error:
        yield str(error)
        return
    if stack.fingerprint not in found:
        yield f"{path}: its fingerprint is {found[0]}, {record.stack_path(stack.name)} says {stack.fingerprint}"
    if contribution.SECRETS.search(content.decode(errors="replace")):
        yield f"{path}: it holds what looks like a secret"
