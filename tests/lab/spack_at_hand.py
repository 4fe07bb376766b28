"""Where tests get Spack from: the mirror directory in the user's cache, else GitHub.

``PETAL_SPACK_MIRROR`` names another mirror directory, in which a file says what it holds: ``make spack-develop``.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petal"
MIRROR = Path(os.environ.get("PETAL_SPACK_MIRROR") or CACHE / "mirror")
HELD = "held.json"
_HELD: dict[str, str] = {}
if os.environ.get("PETAL_SPACK_MIRROR"):
    _HELD = json.loads((MIRROR / HELD).read_text(encoding="utf-8"))
UPSTREAM = "https://github.com/spack/spack.git"
#: Spack and its packages as the tests take them.
SPACK_REF = _HELD.get("spack", "9377a7b31dab3cb3880326de764d0ebb4f782d4f")
PACKAGES_REF = _HELD.get("packages", "v2026.06.0")
#: Of the source of compiler-wrapper in it, without which nothing is built.
WRAPPER_SHA256 = _HELD.get("wrapper", "a07b35081d14b0729090bc1e5790a5dda2d5b997e064c62da39a1224ee249b2a")
#: What fills the mirror directory.
FILL = "`make spack-mirror` fills it"


def mirror_dir() -> Path | None:
    """The mirror directory, if it has Spack, its packages and what every build needs."""
    repositories = all((MIRROR / name).is_dir() for name in ("spack.git", "spack-packages.git"))
    archives = MIRROR / "sources" / "_source-cache" / "archive" / WRAPPER_SHA256[:2]
    return MIRROR if repositories and any(archives.glob(f"{WRAPPER_SHA256}.*")) else None


def no_mirror() -> str:
    """What a test says that needs the mirror directory itself."""
    return f"no Spack in {MIRROR} ({FILL})"


@functools.cache
def why_not() -> str:
    """Why there is no Spack to be had, in one line; empty if there is one."""
    if mirror_dir():
        return ""
    command = [
        "git",
        "-c",
        "http.lowSpeedLimit=1",
        "-c",
        "http.lowSpeedTime=10",
        "ls-remote",
        "--quiet",
        UPSTREAM,
        "HEAD",
    ]
    try:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        found = subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
        reached = found.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        reached = False
    return "" if reached else f"{no_mirror()}, and {UPSTREAM} cannot be read"


def variables() -> dict[str, str]:
    """Variables of role petal.hpc.spack that choose it."""
    mirror = mirror_dir()
    held = {"spack_version": SPACK_REF, "spack_packages_version": PACKAGES_REF} if _HELD else {}
    return {"spack_mirror_dir": str(mirror), **held} if mirror else {}


def software() -> dict[str, Any]:
    """What chooses it in the ``software`` of a seed; empty where that is the one which seeds get anyway."""
    return {"spack": {"version": SPACK_REF, "packages": PACKAGES_REF}} if _HELD else {}
