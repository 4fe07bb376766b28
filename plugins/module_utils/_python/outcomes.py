# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out: the packages of an environment, its lock, and what the manifest says of it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit.pypi import package_licence
from ansible_collections.petal.hpc.plugins.module_utils._python.commands import build_options
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    Interpreter,
    PythonEnvironmentError,
)
from ansible_collections.petal.hpc.plugins.module_utils._python.scripts import distributions as script
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import (
    python_name,
)


@dataclass(frozen=True)
class Distribution:
    """An installed package as its metadata describes it.

    ``files`` are the paths that tell what can be imported: ``__init__`` files and top-level modules.
    ``tags`` are the lines of its WHEEL file, such as ``cp311-cp311-manylinux_2_17_x86_64``.
    ``license`` is an SPDX expression; None where the metadata does not tell.
    """

    name: str
    version: str
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    license: str | None = None

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Distribution:
        return Distribution(
            python_name(str(data["name"])),
            str(data["version"]),
            tuple(str(item) for item in data["files"]),
            tuple(str(item) for item in data["tags"]),
            package_licence(data.get("expression"), data.get("classifiers", ()), data.get("license")),
        )


def inspect_argv(python: str, packages: str) -> list[str]:
    """The command for ``scripts/distributions.py``: what is installed is read, and nothing of it is run."""
    return [python, "-I", "-S", "-c", inspect.getsource(script), packages]


def distributions(output: str) -> list[Distribution]:
    """What ``scripts/distributions.py`` printed. Raises PythonEnvironmentError where that cannot be read."""
    try:
        return [Distribution.from_dict(item) for item in json.loads(output)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PythonEnvironmentError(f"its packages cannot be read: {error}") from error


_NOT_THE_PACKAGE = frozenset(
    ("benchmark", "benchmarks", "conftest", "doc", "docs", "example", "examples", "scripts", "setup", "test", "tests")
)


def import_names(distribution: Distribution) -> list[str]:
    """What `import` takes to prove that a package is there: its one package of the same name, else all that it has.

    Empty for a package that only brings commands or data.
    """
    modules = {found for path in distribution.files if (found := _module(path))}
    tops = {item for item in modules if not any(item[:n] in modules for n in range(1, len(item)))}
    public = {item for item in tops if item[0] not in _NOT_THE_PACKAGE and not any(part[0] == "_" for part in item)}
    names = sorted(".".join(item) for item in public or tops)
    same = [name for name in names if python_name(name) == distribution.name]
    return same or names


def _module(path: str) -> tuple[str, ...] | None:
    """The module that a file is, as its parts: ``yaml/__init__.py`` → (yaml), ``six.py`` → (six)."""
    if not path.endswith((".py", ".so")):
        return None
    parts = tuple(path.split("/"))
    # An extension's name ends at its first dot: _cffi_backend.cpython-311-x86_64-linux-gnu.so
    parts = (*parts[:-1], parts[-1].split(".")[0])
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return parts if parts and all(part.isidentifier() for part in parts) else None


def check_argv(environment: Environment, installed: Sequence[Distribution]) -> list[str]:
    """The command that shows that everything the seed asked for can be imported.

    A requested package without anything to import is asked for by its metadata. One that a marker left out
    is left out here too.
    """
    by_name = {item.name: item for item in installed}
    imports: list[str] = []
    others: list[str] = []
    for name in environment.requested:
        if name in by_name:
            found = import_names(by_name[name])
            imports += found
            others += [] if found else [name]
    code = "import " + ", ".join(dict.fromkeys(imports + ["importlib.metadata"] * bool(others)) or ["sys"])
    return ["python", "-c", "; ".join([code] + [f"importlib.metadata.version({name!r})" for name in others])]


_PYLOCK_PACKAGE = re.compile(r"^name = \"([^\"]+)\"$", re.MULTILINE)
_PYLOCK_FILE = re.compile(r"url = \"(?:[^\"]*/)?([^/\"]+)\"[^\n]{0,200}?hashes = \{ sha256 = \"([0-9a-f]{64})\" \}")


def archive_hashes(pylock: str) -> dict[str, dict[str, str]]:
    """Archives by package from uv's pylock.toml: ``{name: {file name: sha256}}``.

    Python before 3.11 has no TOML reader; uv writes one archive a line, and what does not look so is left out.
    """
    result: dict[str, dict[str, str]] = {}
    for section in pylock.split("[[packages]]")[1:]:
        name = _PYLOCK_PACKAGE.search(section)
        if name:
            result[python_name(name.group(1))] = {
                re.split(r"[?#]", file)[0]: digest
                for line in section.replace("}, {", "}\n{").splitlines()
                for file, digest in _PYLOCK_FILE.findall(line)
            }
    return result


def installed_hash(distribution: Distribution, archives: Mapping[str, str]) -> str | None:
    """The digest of the archive that a package was installed from: ``sha256:…``, None where that cannot be told.

    A wheel's file name ends in its tags, each part possibly several joined by dots (PEP 427), and its WHEEL file
    lists all their combinations.
    """
    tags = set(distribution.tags)
    wheels = {file: digest for file, digest in archives.items() if file.endswith(".whl")}
    for file, digest in wheels.items():
        parts = [part.split(".") for part in file[: -len(".whl")].split("-")[-3:]]
        if len(parts) == 3 and {f"{a}-{b}-{c}" for a in parts[0] for b in parts[1] for c in parts[2]} & tags:
            return f"sha256:{digest}"
    sources = [digest for file, digest in archives.items() if file not in wheels]
    return f"sha256:{sources[0]}" if len(sources) == 1 else None


def package_list(
    environment: Environment, installed: Sequence[Distribution], archives: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """The packages of an environment by name: name, version, hash, and whether the seed asked for it."""
    requested = set(environment.requested)
    return [
        {
            "name": item.name,
            "version": item.version,
            "hash": installed_hash(item, archives.get(item.name, {})),
            "requested": item.name in requested,
            "license": item.license,
        }
        for item in sorted(installed, key=lambda item: item.name)
    ]


def summary(environment: Environment, record: Mapping[str, Any]) -> str:
    """One line about an environment: its Python, and the requested packages with their versions."""
    python = record.get("python") or {}
    wanted = {item["name"]: item["version"] for item in record["packages"] if item["requested"]}
    # In the order of the seed: what matters most tends to stand first.
    texts = [f"{name} {wanted[name] or ''}".strip() for name in environment.requested if name in wanted]
    return (
        f"Python {python.get('version') or environment.python or ''}".strip()
        + (" with " if texts else "")
        + ", ".join(texts)
    )


def manifest(environment: Environment, record: Mapping[str, Any], default: bool) -> dict[str, Any]:
    """What a volume's manifest says of an environment: its module, its packages, and what nodes must have for it."""
    python = record.get("python") or {}
    return {
        "module": {
            "name": environment.module,
            "kind": "python",
            "load": [environment.module],
            "check": record.get("check"),
            "default": default,
            "summary": summary(environment, record),
        },
        "packages": [
            {
                **{key: item[key] for key in ("name", "version", "hash")},
                "manager": "pypi",
                "license": item.get("license"),
            }
            for item in record["packages"]
        ],
        "requires": [{"path": python["path"], "reason": "the Python of environments on the volume"}]
        if python.get("source") == "system"
        else [],
    }


_LOCKED = re.compile(
    r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]\n]*\])?[ \t]*(?:==[ \t]*([^\s;\\]+)|@[ \t]*(\S+))", re.MULTILINE
)


def locked(lock: str) -> list[tuple[str, str]]:
    """(name, version or URL) of each package of a lock file, by name."""
    found = _LOCKED.findall(lock)
    return sorted((python_name(name), version or url) for name, version, url in found)


def listing(packages: Iterable[tuple[str, str]]) -> str:
    """(name, version) pairs as lines, for a difference."""
    return "".join(f"{name} {version}\n" for name, version in packages)


def lock_text(environment: Environment, digest: str, interpreter: Interpreter, compiled: str) -> str:
    """The lock as it is kept on the volume: what it is for, then what uv wrote."""
    hashes = " ".join(["--require-hashes", *(build_options(environment) if environment.build else ())])
    header = [
        f"# Python environment {environment.module}, CPython {interpreter.version}; written by petal.hpc.",
        f"# Input {digest}",
        f"# Install elsewhere: uv pip sync {hashes} FILE, or pip install {hashes} -r FILE",
    ]
    return "\n".join(header) + "\n" + compiled


def idle_builds(environment: Environment, compiled: str) -> list[str]:
    """What is to be built from source and is not among what is installed."""
    there = {name for name, _version in locked(compiled)}
    return [name for name in environment.built if name not in there]
