"""Git in repositories of tests: as somebody, on a day, with nobody's settings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_WHO = {f"GIT_{role}_{key}": "test@test" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
# The same commit wherever it is made.
_WHEN = {f"GIT_{role}_DATE": "2026-01-01T00:00:00Z" for role in ("AUTHOR", "COMMITTER")}


def git(directory: Path, *arguments: str) -> str:
    """What Git says, without blanks around it. Raises CalledProcessError."""
    environment = {**os.environ, **_WHO, **_WHEN, "GIT_CONFIG_GLOBAL": "/dev/null"}
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
