"""Where tests get Spack from: the mirror directory in the user's cache, else GitHub."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petal"
MIRROR = CACHE / "mirror"
UPSTREAM = "https://github.com/spack/spack.git"
#: Spack's packages as the tests take them.
PACKAGES_REF = "v2026.06.0"
#: Of the source of compiler-wrapper in it, without which nothing is built.
WRAPPER_SHA256 = "a07b35081d14b0729090bc1e5790a5dda2d5b997e064c62da39a1224ee249b2a"
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
    return {"spack_mirror_dir": str(mirror)} if mirror else {}
