"""What a lab needs from outside before it is cut off: a Debian root for the instances, wheels for their index."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ec2lab.settings import ROOT_PACKAGES, cache_dir

MAKER = Path(__file__).parents[1] / "chroot_root.sh"


def root() -> Path:
    """The cached root; made at the first call, in one or two minutes. Raises RuntimeError with what went wrong."""
    environment = {**os.environ, "PETAL_ROOT_PACKAGES": ",".join(sorted(ROOT_PACKAGES))}
    done = subprocess.run([MAKER, "root"], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{MAKER.name} could not make a root for the instances; see above")
    return Path(done.stdout.strip())


def wheels(groups: Sequence[str], instance_root: Path) -> Path:
    """Download requirements, and all that they need, for the Python of the instances; returns a directory of archives.

    Each group is a requirements file or a text of requirements with spaces between them, and is resolved for itself, so
    that groups may disagree. Raises RuntimeError with what pip said.
    """
    version = (instance_root / "usr/bin/python3").readlink().name.removeprefix("python")
    texts = [
        Path(group).read_text(encoding="utf-8") if Path(group).is_file() else "\n".join(group.split())
        for group in groups
    ]
    # What an instance without a wheel of its own needs to build from a source archive.
    texts.append("pip\nsetuptools\nwheel")
    target = (
        cache_dir()
        / "wheels"
        / hashlib.sha256("\0".join([version, os.uname().machine, *texts]).encode()).hexdigest()[:16]
    )
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
        files = Path(scratch, "files")
        for text in texts:
            requirements = Path(scratch, "requirements.txt")
            requirements.write_text(text, encoding="utf-8")
            argv = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                f"--dest={files}",
                f"--requirement={requirements}",
            ]
            done = subprocess.run([*argv, *_platform(version)], stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"pip could not download {' '.join(text.split())}: {done.stderr.strip()}")
        # Two labs at once: whoever comes second keeps what the first has made.
        if not target.is_dir():
            shutil.move(files, target)
    return target


def _platform(version: str) -> list[str]:
    """What tells pip to download for another interpreter than its own; then there must be wheels."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}" and sys.implementation.name == "cpython":
        return []
    machine = os.uname().machine
    tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 37))]
    return [
        "--only-binary=:all:",
        f"--python-version={version}",
        "--implementation=cp",
        *(f"--platform={tag}_{machine}" for tag in tags),
    ]
