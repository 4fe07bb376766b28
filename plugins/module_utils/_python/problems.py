# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong when an environment was built, in one line and with what to do about it."""

from __future__ import annotations

import re

from ansible_collections.petal.hpc.plugins.module_utils._python.model import Environment, Settings, to_build
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import (
    python_name,
)

_UNWRITTEN = re.compile(r"^\w*Error: \[Errno .*", re.MULTILINE)


def bytecode_problem(status: int, output: str) -> str:
    """Why bytecode was not compiled, from how that ended; empty where it was. A file that is no Python is no reason."""
    unwritten = _UNWRITTEN.search(output)
    if unwritten:
        return unwritten.group()
    return "" if status in (0, 1) else last_line(output)


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
    return " " + to_build(missing, environment)


def unreachable_python(environment: Environment, settings: Settings, host: str) -> str:
    """The one line for a CPython that could not be downloaded."""
    source = f"the mirror {settings.python_mirror}" if settings.python_mirror else "GitHub"
    return (
        f"Python environment {environment.module} needs CPython {environment.python}, which this operating system does "
        f"not have, and {source} could not be reached from {host} to download it: name a mirror of "
        "python-build-standalone with python_environments_python_mirror, or ask for the system's own Python."
    )
