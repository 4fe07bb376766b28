# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments: what is asked for, where it is, and when it is complete."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import (
    canonical_requirement,
    leads_to_wheel,
    plain_requirement,
    python_name,
    python_package,
    requirement_source,
)

MARKER = ".petal-environment.json"
#: Raised when the same input must give another environment than before.
MARKER_SCHEMA = 1
#: What uv leaves in an environment that is no part of it: a world-writable lock, and tags that keep backups out.
LEFTOVERS = (".lock", ".gitignore", "CACHEDIR.TAG")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*", re.ASCII)
_PYTHON = re.compile(r"3\.[0-9]{1,2}(?:\.[0-9]{1,3})?", re.ASCII)


class PythonEnvironmentError(PetalError):
    """A Python environment cannot be had; ``str()`` says which, why and what to do."""


@dataclass(frozen=True)
class Environment:
    """What is asked for: a name and a version (its place and its module), a Python, and PEP 508 requirements.

    ``python`` is a version such as ``3.12``, or None for the operating system's own. ``as_of`` is the last day,
    ``YYYY-MM-DD`` in UTC, of whose releases anything is taken; None for no such day. ``build`` are the packages that
    are built from their sources; of all others only wheels are taken, since what builds a package is code of its own.
    """

    name: str
    version: str
    packages: tuple[str, ...]
    python: str | None = None
    as_of: str | None = None
    build: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in ("name", "version"):
            if not _LABEL.fullmatch(getattr(self, key)):
                raise PythonEnvironmentError(
                    f"{getattr(self, key)!r} cannot be the {key} of a Python environment: "
                    "expected letters, digits and . _ + -, a letter or digit first"
                )
        if self.python is not None and not _PYTHON.fullmatch(self.python):
            raise PythonEnvironmentError(
                f"Python environment {self.module}: python is {self.python!r}, expected a version such as 3.12"
            )
        if self.as_of is not None and not _is_day(self.as_of):
            raise PythonEnvironmentError(
                f"Python environment {self.module}: as_of is {self.as_of!r}, expected a day such as 2026-11-01"
            )
        for package in self.packages:
            problem = plain_requirement(package)
            if problem:
                raise PythonEnvironmentError(f"Python environment {self.module}: package {package!r}: {problem}")
        for name in self.build:
            problem = python_package(name)
            if problem:
                raise PythonEnvironmentError(f"Python environment {self.module}: build has {name!r}: {problem}")
        # uv takes the metadata of some for resolved without building them.
        sources = (requirement_source(package) for package in self.packages)
        unnamed = {name for name, url in filter(None, sources) if not leads_to_wheel(url)} - set(self.built)
        if unnamed:
            raise PythonEnvironmentError(f"Python environment {self.module}: {to_build(unnamed, self)}")

    @property
    def module(self) -> str:
        """The environment module's full name, ``NAME/VERSION``."""
        return f"{self.name}/{self.version}"

    @property
    def requested(self) -> list[str]:
        """Names of the requested packages as PEP 503 normalises them, each once, in the order given."""
        names = (re.match(r"[A-Za-z0-9._-]+", package.strip()) for package in self.packages)
        return list(dict.fromkeys(python_name(found.group()) for found in names if found))

    @property
    def exclude_newer(self) -> str:
        """The moment at which ``as_of`` ends, as uv wants it; empty without one.

        A day alone would end when it does where uv runs.
        """
        if self.as_of is None:
            return ""
        return f"{date.fromisoformat(self.as_of) + timedelta(days=1)}T00:00:00Z"

    @property
    def built(self) -> list[str]:
        """Names of what is built from source as PEP 503 normalises them, each once, in order."""
        return sorted({python_name(name) for name in self.build})

    def requirements(self) -> str:
        """The requirements file. One requirement a line; :meth:`__post_init__` let nothing else in."""
        return "".join(f"{package.strip()}\n" for package in self.packages)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@dataclass(frozen=True)
class Layout:
    """Where an environment's files are on the volume mounted at ``mount_dir``."""

    mount_dir: str
    name: str
    version: str

    @property
    def path(self) -> str:
        return posixpath.join(self.mount_dir, "envs", self.name, self.version)

    @property
    def python(self) -> str:
        return posixpath.join(self.path, "bin", "python")

    def packages(self, version: str) -> str:
        """Where the packages are, for a Python of that full version."""
        return posixpath.join(self.path, "lib", "python" + ".".join(version.split(".")[:2]), "site-packages")

    @property
    def marker(self) -> str:
        return posixpath.join(self.path, MARKER)

    @property
    def lock(self) -> str:
        return posixpath.join(self.mount_dir, ".petal", "locks", f"python-{self.name}-{self.version}.txt")

    @property
    def pythons(self) -> str:
        """Where uv puts a CPython of its own."""
        return posixpath.join(self.mount_dir, "envs", ".python")


@dataclass(frozen=True)
class Interpreter:
    """A Python: where it is, its full version, and whether it is the operating system's or uv's on the volume."""

    path: str
    version: str
    source: str  # "system" | "managed"

    def to_dict(self) -> dict[str, str]:
        return {"path": self.path, "version": self.version, "source": self.source}


@dataclass(frozen=True)
class Settings:
    """How uv works: its binary, its directories off the volume, and where it may download from.

    Index URLs may hold credentials: they go into uv's environment, never onto a command line or the volume.
    """

    uv: str
    cache_dir: str
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    python_mirror: str = ""
    python_downloads_json_url: str = ""
    system_certificates: bool = True
    host_config: bool = False
    verify: bool = True


def input_digest(environment: Environment, layout: Layout) -> str:
    """Digest of everything that decides an environment: ``sha256:`` and 64 hexadecimal digits.

    The order and the spelling of requirements do not matter; the path does, because scripts hold it.
    """
    content = {
        "schema": MARKER_SCHEMA,
        "path": layout.path,
        "python": environment.python,
        "packages": sorted(canonical_requirement(package) for package in environment.packages),
        # Without a day, or anything to build, the digest is what it was before there were any.
        **({"as_of": environment.as_of} if environment.as_of else {}),
        **({"build": environment.built} if environment.build else {}),
    }
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")))


def sha256(text: str) -> str:
    """``sha256:`` and the digest of a text as UTF-8."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def completed(marker: str, digest: str, lock: str) -> dict[str, Any] | None:
    """The record of a complete environment, or None where it has to be built.

    :param marker: text of the marker file, empty where there is none.
    :param digest: what :func:`input_digest` says now.
    :param lock: text of the lock file.
    """
    try:
        record = json.loads(marker)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("schema") != MARKER_SCHEMA:
        return None
    return record if record.get("input") == digest and record.get("lock_sha256") == sha256(lock) else None


def to_build(names: Iterable[str], environment: Environment) -> str:
    build = ", ".join(sorted({*names, *environment.built}))
    return (
        f"{', '.join(sorted(names))} would have to be built from source, which runs code of the package; only wheels "
        f"are taken unless the seed says so. Add build: [{build}] to this environment "
        "(software.python_environments[].build), or take a version with a wheel for this Python and machine."
    )
