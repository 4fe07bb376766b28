# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uv and pip are told, and which Python of the operating system will do."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    Interpreter,
    Layout,
    PythonEnvironmentError,
    Settings,
)

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


def python_install_argv(uv: str, version: str) -> list[str]:
    """A CPython of uv's own (into UV_PYTHON_INSTALL_DIR). With --quiet it would keep its errors to itself."""
    return [uv, "python", "install", "--no-bin", "--compile-bytecode", version]


def python_find_argv(uv: str, version: str) -> list[str]:
    """Prints the path of a CPython that :func:`python_install_argv` installed."""
    return [uv, "python", "find", "--no-project", "--managed-python", "--resolve-links", version]


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
