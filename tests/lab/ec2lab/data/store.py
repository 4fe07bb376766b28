"""Where the bytes are: one XFS file system that clones files at once and has no name on the machine's disk."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

from ec2lab.data.linux import LoopDevice

FICLONE = 0x40049409


class Tools:
    """Programs of the cached root, run on the lab's own kernel objects: the machine itself needs none of them."""

    def __init__(self, root: Path, at: Path) -> None:
        """Mount the root read-only at a directory, with this sandbox's /dev and /proc."""
        at.mkdir(parents=True)
        for argv in (
            ["--bind", str(root), str(at)],
            ["-o", "remount,bind,ro", str(at)],
            ["--rbind", "/dev", str(at / "dev")],
            ["-t", "proc", "proc", str(at / "proc")],
            ["-t", "tmpfs", "tmpfs", str(at / "run")],
        ):
            subprocess.run(["mount", *argv], check=True)
        self._at = str(at)

    def run(self, *argv: str, text: str = "", network: int | None = None) -> str:
        """Run a program with text as its input, in the network namespace of a process if given; returns its output."""
        enter = [] if network is None else ["nsenter", f"--net=/proc/{network}/ns/net"]
        done = subprocess.run(
            [*enter, "chroot", self._at, *argv], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)} ended with status {done.returncode}: {done.stderr.strip()}\n{text}")
        return done.stdout


def mount_store(tools: Tools, where: Path, nearby: Path, gib: int) -> None:
    """Make a sparse file system and mount it. Its file never has a name: it goes with the last mount of the sandbox."""
    fd = os.open(nearby, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    os.ftruncate(fd, gib << 30)
    loop = LoopDevice(fd)
    os.close(fd)
    tools.run("mkfs.xfs", "-q", "-K", "-m", "reflink=1", str(loop.path))
    where.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "xfs", "-o", "nodev", str(loop.path), str(where)], check=True)
    # From here the mount alone holds the device.
    loop.close()
    for name in ("volumes", "snapshots", "instances", "roots"):
        (where / name).mkdir()


def new_file(path: Path, size: int) -> None:
    """A file of zeros that takes no room."""
    with path.open("xb") as file:
        os.ftruncate(file.fileno(), size)


def clone(source: Path, target: Path, size: int | None = None) -> None:
    """A copy of a file as it is now, at once and without room; filled with zeros up to a size in bytes if given."""
    with source.open("rb") as old, target.open("xb") as new:
        fcntl.ioctl(new, FICLONE, old.fileno())
        if size is not None:
            os.ftruncate(new.fileno(), max(size, os.fstat(old.fileno()).st_size))


def keep_tree(source: Path, target: Path) -> None:
    """A copy of a tree as it is now, with all that a file system knows of it; its files take no room."""
    subprocess.run(["cp", "--archive", "--reflink=always", str(source), str(target)], check=True)
