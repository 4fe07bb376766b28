"""Where tests get Spack from: the mirror directory in the user's cache, else GitHub."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petal"
MIRROR = CACHE / "mirror"
UPSTREAM = "https://github.com/spack/spack.git"


def mirror_dir() -> Path | None:
    """The mirror directory, if it has Spack."""
    return MIRROR if (MIRROR / "spack.git").is_dir() and (MIRROR / "spack-packages.git").is_dir() else None


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
    return "" if reached else f"no Spack: neither {MIRROR} (playbook mirror fills it) nor {UPSTREAM} can be read"


def variables() -> dict[str, str]:
    """Variables of role petal.hpc.spack that choose it."""
    mirror = mirror_dir()
    return {"spack_mirror_dir": str(mirror)} if mirror else {}
