# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments as plans and records: what is to be there, what uv is told, what came out. No I/O."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit.pypi import package_licence
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
            raise PythonEnvironmentError(f"Python environment {self.module}: {_to_build(unnamed, self)}")

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


# --- what uv is told ------------------------------------------------------------------------------------------------

# What may pass from the environment into uv: ways out of the site, and whom to trust on them.
_PASSED = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_PASSED_TOO = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

#: How the variables begin that configure uv and pip.
_CONFIGURATION = ("UV_", "PIP_")
#: What is in the directory in which uv works.
HOME, TEMPORARY, CACHE, DOWNLOADS = "home", "tmp", "cache", "python"
#: Files of a user's configuration, below the home directory, that ``host_config`` lets in.
HOME_FILES = (".config/uv/uv.toml", ".netrc")


def uv_variables(
    inherited: Mapping[str, str], settings: Settings, layout: Layout, scratch: str, exclude_newer: str = ""
) -> dict[str, str]:
    """The whole environment in which uv runs.

    Nothing of a user's own configuration of uv or pip gets in unless ``settings.host_config``; proxies and
    certificates always do, and nothing else ever: it is handed on to what builds packages. ``scratch`` is a directory
    for its temporary files, its home and its caches. ``exclude_newer`` limits everything that is resolved, tools to
    build packages with included.
    """
    result = {name: inherited[name] for name in _PASSED + _PASSED_TOO if inherited.get(name)}
    if settings.host_config:
        result.update((name, value) for name, value in inherited.items() if name.startswith(_CONFIGURATION))
    else:
        result.update(UV_NO_CONFIG="1")
    result.update(
        PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        HOME=posixpath.join(scratch, HOME),
        LANG="C.UTF-8",
        TMPDIR=posixpath.join(scratch, TEMPORARY),
        NO_COLOR="1",
        UV_NO_PROGRESS="1",
        UV_CACHE_DIR=posixpath.join(scratch, CACHE),
        UV_LINK_MODE="copy",
        UV_PYTHON_DOWNLOADS="manual",
        UV_PYTHON_INSTALL_DIR=layout.pythons,
        UV_PYTHON_CACHE_DIR=posixpath.join(scratch, DOWNLOADS),
    )
    optional = {
        "UV_SYSTEM_CERTS": "1" if settings.system_certificates else "",
        "UV_DEFAULT_INDEX": settings.index_url,
        "UV_INDEX": " ".join(settings.extra_index_urls),
        "UV_PYTHON_INSTALL_MIRROR": settings.python_mirror,
        "UV_EXCLUDE_NEWER": exclude_newer,
        "UV_PYTHON_DOWNLOADS_JSON_URL": settings.python_downloads_json_url,
    }
    result.update({name: value for name, value in optional.items() if value})
    return result


def build_options(environment: Environment) -> list[str]:
    """What may be built from source, for uv as for pip: that is always done then, and nothing else ever is."""
    return ["--only-binary", ":all:", *(part for name in environment.built for part in ("--no-binary", name))]


def compile_argv(uv: str, environment: Environment, python: Interpreter, source: str, target: str) -> list[str]:
    """Requirements file → lock file with every version and hash, for one Python; it need not be there yet."""
    options = ["--quiet", "--generate-hashes", "--no-header", *build_options(environment)]
    which = ["--python", python.path] if python.path else ["--python-version", python.version]
    return [uv, "pip", "compile", *options, *which, "--output-file", target, source]


def pylock_argv(uv: str, environment: Environment, python: Interpreter, source: str, target: str) -> list[str]:
    """Lock file → the same as pylock.toml (PEP 751), which names the archive chosen for each package."""
    options = ["--quiet", "--no-deps", "--no-header", "--format", "pylock.toml", *build_options(environment)]
    return [uv, "pip", "compile", *options, "--python", python.path, "--output-file", target, source]


def venv_argv(uv: str, python: str, path: str) -> list[str]:
    """An empty environment at its final path."""
    return [uv, "venv", "--quiet", "--no-project", "--python", python, path]


def sync_argv(uv: str, environment: Environment, python: str, lock: str) -> list[str]:
    """Lock file → packages in the environment whose interpreter is ``python``, and nothing else in it.

    uv compiles no bytecode here: it would start that interpreter, and with it what packages have start on their own
    (``.pth`` files), while its cache can be written.
    """
    options = ["--quiet", "--require-hashes", "--link-mode", "copy", "--python", python, *build_options(environment)]
    return [uv, "pip", "sync", *options, lock]


def bytecode_argv(python: str, packages: str) -> list[str]:
    """Compiles all bytecode, because nobody can write it on a read-only volume. Runs nothing of any package (-S).

    A file that is no Python of this version, as tests and templates may be, makes it end with status 1.
    """
    return [python, "-I", "-S", "-m", "compileall", "-q", "-j", "0", packages]


_UNWRITTEN = re.compile(r"^\w*Error: \[Errno .*", re.MULTILINE)


def bytecode_problem(status: int, output: str) -> str:
    """Why bytecode was not compiled, from how that ended; empty where it was. A file that is no Python is no reason."""
    unwritten = _UNWRITTEN.search(output)
    if unwritten:
        return unwritten.group()
    return "" if status in (0, 1) else last_line(output)


def python_install_argv(uv: str, version: str) -> list[str]:
    """A CPython of uv's own (into UV_PYTHON_INSTALL_DIR). With --quiet it would keep its errors to itself."""
    return [uv, "python", "install", "--no-bin", "--compile-bytecode", version]


def python_find_argv(uv: str, version: str) -> list[str]:
    """Prints the path of a CPython that :func:`python_install_argv` installed."""
    return [uv, "python", "find", "--no-project", "--managed-python", "--resolve-links", version]


# --- how uv itself is had -------------------------------------------------------------------------------------------

_UV_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def uv_path(cache_dir: str, version: str) -> str:
    """Where one version of uv is kept."""
    return posixpath.join(cache_dir, "bin", f"uv-{version}")


def uv_requirement(version: str, digests: Sequence[str]) -> str:
    """The requirements file that names uv for pip: one version, and its archives' SHA-256 where they are known.

    Raises PythonEnvironmentError for what is neither.
    """
    if not _UV_VERSION.fullmatch(version):
        raise PythonEnvironmentError(f"{version!r} is no version of uv; expected three numbers, such as 0.13.9")
    for digest in digests:
        if not _SHA256.fullmatch(digest):
            raise PythonEnvironmentError(f"{digest!r} is no SHA-256 of uv's archive; expected 64 hexadecimal digits")
    return " ".join([f"uv=={version}", *(f"--hash=sha256:{digest}" for digest in digests)]) + "\n"


def pip_variables(inherited: Mapping[str, str], settings: Settings, scratch: str, certificates: str) -> dict[str, str]:
    """The whole environment in which pip fetches uv; the rules are those of :func:`uv_variables`.

    ``certificates`` is the system's file of trusted certificates, empty where it has none.
    """
    if settings.host_config:
        result = dict(inherited)
    else:
        result = {name: inherited[name] for name in _PASSED + _PASSED_TOO if inherited.get(name)}
        result.update(PATH="/usr/local/bin:/usr/bin:/bin", HOME=scratch, PIP_CONFIG_FILE="/dev/null")
        certificates = inherited.get("SSL_CERT_FILE") or (certificates if settings.system_certificates else "")
        if certificates:
            result["PIP_CERT"] = certificates
    result.update(
        LANG="C.UTF-8", TMPDIR=scratch, PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_CACHE_DIR="1"
    )
    if settings.index_url:
        result["PIP_INDEX_URL"] = settings.index_url
    if settings.extra_index_urls:
        result["PIP_EXTRA_INDEX_URL"] = " ".join(settings.extra_index_urls)
    return result


# --- interpreters ---------------------------------------------------------------------------------------------------


def system_candidate(version: str | None) -> str:
    """Where the operating system's own Python of that version would be."""
    return "/usr/bin/python3" if version is None else "/usr/bin/python" + ".".join(version.split(".")[:2])


def system_interpreter(version: str | None, real_path: str, real_version: str) -> Interpreter | None:
    """Whether what stands at :func:`system_candidate` will do.

    :param real_path: the file behind it. Only the distribution's directories will do: a version manager's Python
        below somebody's home, or one in /usr/local, is on no other node.
    :param real_version: its full version.
    """
    below_usr = real_path.startswith("/usr/") and not real_path.startswith("/usr/local/")
    matches = version is None or real_version == version or real_version.startswith(version + ".")
    return Interpreter(real_path, real_version, "system") if below_usr and matches else None


# --- what came out --------------------------------------------------------------------------------------------------


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


#: Run by the environment's own Python without its packages; prints what :meth:`Distribution.from_dict` reads.
INSPECT = """
import importlib.metadata, json, sys
found = []
for item in importlib.metadata.distributions(path=sys.argv[1:]):
    paths = [path.parts for path in item.files or ()]
    wheel = item.read_text("WHEEL") or ""
    found.append({
        "name": item.metadata["Name"],
        "version": item.version,
        "files": ["/".join(p) for p in paths if p[-1].startswith("__init__.") or len(p) == 1],
        "tags": [line[4:].strip() for line in wheel.splitlines() if line.startswith("Tag:")],
        "expression": item.metadata.get("License-Expression"),
        "classifiers": item.metadata.get_all("Classifier") or [],
        "license": item.metadata.get("License"),
    })
print(json.dumps(found))
"""


def inspect_argv(python: str, packages: str) -> list[str]:
    """The command for :data:`INSPECT`: what is installed is read, and nothing of it is run."""
    return [python, "-I", "-S", "-c", INSPECT, packages]


def distributions(output: str) -> list[Distribution]:
    """What :data:`INSPECT` printed. Raises PythonEnvironmentError where that cannot be read."""
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


# --- what went wrong ------------------------------------------------------------------------------------------------

_CREDENTIALS = re.compile(r"\b(\w+://)[^/\s@`\"']+@")


def url_secrets(url: str) -> list[str]:
    """The parts of a URL that nobody is to see: ``USER:PASSWORD`` and the password alone."""
    found = re.match(r"\w+://([^/\s]+)@", url)
    if not found:
        return []
    return [part for part in (found.group(1), found.group(1).partition(":")[2]) if part]


_UNREACHABLE = re.compile(
    r"dns error|error sending request|tcp connect error|connection refused|failed to lookup address|"
    # Not the names of packages: async-timeout, sshtunnel.
    r"\btimed out\b|network timeout|TimeoutError|tunnel error|tunnel connection failed|"
    r"network is unreachable|no route to host|connection reset|NewConnectionError|Max retries exceeded",
    re.IGNORECASE,
)
_TOLD = re.compile(r"(?:error|cause): *(.+)", re.IGNORECASE)
_CERTIFICATE = re.compile(
    r"peer certificate|certificate[ _]verify[ _]failed|UnknownIssuer|CertVerif|self-signed certificate",
    re.IGNORECASE,
)


def reason(output: str, limit: int = 700) -> str:
    """What uv or pip complained about, in one line, without passwords: its ``error`` and ``cause`` lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [found.group(1) for line in lines if (found := _TOLD.match(line))]
    text = "; ".join(dict.fromkeys(told or lines[-3:])) or "no message"
    text = _CREDENTIALS.sub(r"\1***@", text).rstrip(".")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def last_line(output: str) -> str:
    """The last line of what a program said: the exception, where it ended with a traceback."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def is_unreachable(output: str) -> bool:
    """Whether a download failed because nothing answered."""
    return bool(_UNREACHABLE.search(output))


def network_hint(output: str, settings: Settings, host: str) -> str:
    """What to do about a failed download; empty where the network is not to blame."""
    if _CERTIFICATE.search(output):
        return (
            f" {host} does not trust that server's certificate: install the site's certificate in the system's store, "
            "or name a file in SSL_CERT_FILE."
        )
    if not is_unreachable(output):
        return ""
    index = _CREDENTIALS.sub(r"\1***@", settings.index_url) or "uv's default, PyPI"
    return (
        f" {host} cannot reach the package index ({index}): set a proxy, "
        "or name a mirror with python_environments_index_url."
    )


#: What uv says where nothing was left; it names the day of publication where the index tells it.
_EXCLUDED = re.compile(
    r"filtered by `exclude-newer`.{0,400}?latest version satisfying the requirement is (?P<latest>\S+)", re.S
)


def date_hint(output: str, environment: Environment) -> str:
    """What to do where ``as_of`` has left nothing to choose from; empty where it is not to blame."""
    excluded = [match["latest"] for match in _EXCLUDED.finditer(output)] if environment.as_of else []
    if not excluded:
        return ""
    # "v1.16.0." ends the sentence, "v1.16.0, published at …" goes on.
    if any(latest.endswith(".") for latest in excluded):
        return (
            " The package index gives no upload dates (PEP 700), which as_of needs: name an index that does, as PyPI "
            "does, or leave as_of out and ask for exact versions."
        )
    return (
        f" Nothing that fits was published by {environment.as_of}, the environment's as_of: take a later day, or ask "
        "for what there was then."
    )


#: What uv says of what is no wheel and may not be built: there is none that fits, or a URL leads to none.
_NO_WHEEL = re.compile(
    r"Wheels are required for `([^`]+)`|Building source distributions for `([^`]+)` is disabled"
    r"|Building source distributions is disabled, but attempted to build `([^`]+)`"
    r"|`([^`]+)` can't be installed because it is marked as `--no-build`"
)


def wheel_hint(output: str, environment: Environment) -> str:
    """What to do where a package has no wheel; empty where all have."""
    missing = {python_name(name) for found in _NO_WHEEL.findall(output) for name in found if name}
    if not missing:
        return ""
    return " " + _to_build(missing, environment)


def _to_build(names: Iterable[str], environment: Environment) -> str:
    build = ", ".join(sorted({*names, *environment.built}))
    return (
        f"{', '.join(sorted(names))} would have to be built from source, which runs code of the package; only wheels "
        f"are taken unless the seed says so. Add build: [{build}] to this environment "
        "(software.python_environments[].build), or take a version with a wheel for this Python and machine."
    )


def idle_builds(environment: Environment, compiled: str) -> list[str]:
    """What is to be built from source and is not among what is installed."""
    there = {name for name, _version in locked(compiled)}
    return [name for name in environment.built if name not in there]


def unreachable_python(environment: Environment, settings: Settings, host: str) -> str:
    """The one line for a CPython that could not be downloaded."""
    source = f"the mirror {settings.python_mirror}" if settings.python_mirror else "GitHub"
    return (
        f"Python environment {environment.module} needs CPython {environment.python}, which this operating system does "
        f"not have, and {source} could not be reached from {host} to download it: name a mirror of "
        "python-build-standalone with python_environments_python_mirror, or ask for the system's own Python."
    )
