# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References to container images, and the programs of one that become modules. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import (
    Array,
    Key,
    Path,
    Record,
    Report,
    Shape,
    Text,
)

#: How an image is fetched: from a registry as an OCI image, from one as an artifact that holds a SIF file, and from an
#: OCI archive beside the seed.
DOCKER, ORAS, FILE = "docker", "oras", "file"
#: The registry of a reference that names none, and where its API is (source: the reference grammar of distribution).
DEFAULT_REGISTRY = "docker.io"
_API_HOSTS = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
_PRIVATE_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
)
#: A version of a container, of which a directory and a module take their names.
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
#: A program of an image, and perhaps the version that its module bears.
_MODULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)?", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DIRECTORY = r"(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)+"
_BIND = re.compile(rf"({_DIRECTORY})(?::({_DIRECTORY}))?(?::(ro|rw))?", re.ASCII)
#: Where a bind would hide what makes the image what it is.
_SYSTEMS = ("/bin", "/dev", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
#: Variables that decide how programs outside of the image run.
_NOT_TO_SET = frozenset({"PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "HOME"})


@dataclass(frozen=True)
class Reference:
    """An image as a seed names it.

    kind: DOCKER, ORAS or FILE. registry, repository: empty for a file. path: of a file, from the seed's directory.
    tag: empty where the digest says it. digest: ``sha256:…``, empty where nobody has resolved the tag.
    """

    kind: str
    registry: str = ""
    repository: str = ""
    tag: str = ""
    digest: str = ""
    path: str = ""

    @property
    def host(self) -> str:
        """Where the registry's API is, with its port."""
        return _API_HOSTS.get(self.registry, self.registry)

    @property
    def ecr(self) -> tuple[str, str] | None:
        """Account and region, where the registry is a private one of Amazon ECR."""
        found = _PRIVATE_ECR.fullmatch(self.registry)
        return (found["account"], found["region"]) if found else None

    def at(self, digest: str) -> str:
        """``REGISTRY/REPOSITORY@DIGEST``, as skopeo takes it behind docker://."""
        return f"{self.registry}/{self.repository}@{digest}"


def parse(text: str) -> Reference:
    """A reference of a seed that grammar.image has passed.

    >>> parse("ubuntu:24.04").registry, parse("ubuntu:24.04").repository
    ('docker.io', 'library/ubuntu')
    """
    if text.startswith("file:"):
        return Reference(FILE, path=text[5:])
    kind, plain = text.split("://", 1) if "://" in text else (DOCKER, text)
    plain, _at, digest = plain.partition("@")
    first, slash, rest = plain.partition("/")
    named = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    registry, repository = (first, rest) if named else (DEFAULT_REGISTRY, plain)
    repository, _colon, tag = repository.partition(":")
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(kind, registry, repository, "" if digest else tag or "latest", digest)


def image(text: str) -> str | None:
    """A text test: a reference of a registry, or an OCI archive beside the seed."""
    if text.startswith("file:"):
        return grammar.below_seed(text[5:])
    return grammar.image(text)


def version_of(text: str) -> str:
    """The version of a container whose seed gives none: the tag, else the beginning of the digest, else default."""
    meant = parse(text)
    return (VERSION.fullmatch(meant.tag) and meant.tag) or meant.digest.partition(":")[2][:12] or "default"


def module_name(text: str) -> str | None:
    """A text test: PROGRAM or PROGRAM/VERSION."""
    return None if _MODULE.fullmatch(text) else "this is no PROGRAM or PROGRAM/VERSION"


def _command(text: str) -> str | None:
    # A path that does not begin at the root would begin where the user is.
    if not re.fullmatch(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*|(?:/[A-Za-z0-9_.+-]+)+", text, re.ASCII):
        return "this is neither the name of a program nor its absolute path in the image"
    return "it leads out of its directory" if ".." in text.split("/") else None


def bind(text: str) -> str | None:
    """A text test: DIRECTORY, DIRECTORY:IN_THE_IMAGE, either with :ro or :rw."""
    found = _BIND.fullmatch(text)
    if not found:
        return "this is no DIRECTORY[:DIRECTORY_IN_THE_IMAGE][:ro|rw] of absolute directories"
    inside = found[2] or found[1]
    hidden = [path for path in _SYSTEMS if inside == path or inside.startswith(path + "/")]
    return f"it would lie over {hidden[0]} of the image" if hidden else None


def bound(text: str) -> tuple[str, str, str]:
    """Of a bind that was checked: the directory of the node, where it is in the image, and ro or rw."""
    found = _BIND.fullmatch(text)
    source, inside, access = found.groups() if found else (text, None, None)
    return source, inside or source, access or "rw"


PROGRAM = Text("a program such as samtools, or samtools/1.17 with its version", module_name, limit=100)
COMMAND = Text("the name of a program, or its absolute path in the image", _command, limit=500)
ARGUMENTS = Array(Text("an argument", limit=1000, may_be_empty=True), "arguments", most=50)
_PROGRAM_KEYS = {"command": Key(COMMAND, null=True), "args": Key(ARGUMENTS)}
_ENTRY = Record({"name": Key(PROGRAM, required=True), **_PROGRAM_KEYS}, "a program")
_SETTINGS = Record(_PROGRAM_KEYS, "a program")


class Programs(Shape):
    """Programs of an image: ``[samtools, bwa]``, or ``{samtools: {command: …, args: […]}}``, or both in a list.

    The clean copy is a list of mappings with a name.
    """

    def wanted(self) -> str:
        return "programs of the image: [samtools, bwa], or {samtools: {command: …, args: […]}}"

    def check(self, value: Any, path: Path, report: Report) -> list[dict[str, Any]] | None:
        if isinstance(value, Mapping):
            return self._mapping(value, path, report)
        if not isinstance(value, (list, tuple)):
            self.reject(value, path, report)
            return None
        found = []
        for index, entry in enumerate(value):
            at = (*path, index)
            if isinstance(entry, Mapping):
                found.append(_ENTRY.check(entry, at, report))
            else:
                name = PROGRAM.check(entry, at, report)
                found.append({"name": name} if name else None)
        return [entry for entry in found if entry and entry.get("name")]

    def _mapping(self, value: Mapping[Any, Any], path: Path, report: Report) -> list[dict[str, Any]]:
        found = []
        for name, settings in value.items():
            at = (*path, str(name))
            good = PROGRAM.check(name, at, report)
            clean = {} if settings is None else _SETTINGS.check(settings, at, report)
            if good and clean is not None:
                found.append({"name": good, **clean})
        return found


class Variables(Shape):
    """Variables that the programs of an image have in their environment."""

    def wanted(self) -> str:
        return "variables and their values: {OMP_PROC_BIND: close}"

    def check(self, value: Any, path: Path, report: Report) -> dict[str, str] | None:
        if not isinstance(value, Mapping):
            self.reject(value, path, report)
            return None
        found = {}
        for name, text in value.items():
            at = (*path, str(name))
            if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
                report.add(at, "this is no name of a variable", expected=self.wanted())
            elif name in _NOT_TO_SET:
                report.add(at, "the image decides this, or the user", hint="leave it out")
            else:
                good = Text("a text", limit=1000, may_be_empty=True).check(text, at, report)
                found.update({} if good is None else {name: good})
        return found


def programs(entry: Mapping[str, Any], version: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Of a container that was checked: name, the module's version, the command, its arguments before the user's."""
    for program in entry.get("modules", ()):
        name, _slash, own = program["name"].partition("/")
        yield name, own or version, program.get("command") or name, tuple(program.get("args", ()))
