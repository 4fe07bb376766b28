# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small image of this machine's own shell, and a node that has it on its volume, with what it lacks."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("sh", "cat", "id", "true", "ls")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "-i")
NOBODYS = ("HOME=/var/tmp", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8")
#: Mounts are the node's own: the volume is read-only there, /etc and /var/tmp, where the user is at home, leave nothing
#: behind, and the device has the mode that is given.
NODE = """set -eu
volume=$1 mode=$2; shift 2
scratch=$(mktemp -d)
trap 'umount -l "$scratch"; rmdir "$scratch"' EXIT
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work"
mkdir -m 1777 "$scratch/home"
mount --bind "$scratch/home" /var/tmp
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/upper,workdir=$scratch/work" overlay /etc
mount --bind "$volume" "$volume"
mount -o remount,bind,ro "$volume"
if [ "$mode" = none ]; then
    : >"$scratch/fuse"
else
    mknod "$scratch/fuse" c 10 229
    chmod "$mode" "$scratch/fuse"
fi
mount --bind "$scratch/fuse" /dev/fuse
# Not by exec: a mount namespace lives as long as somebody is in it, and on a node that is its init.
"$@"
"""
#: In a user namespace with all ids, which may have no other: what a setting does to a whole node (namespaces(7)).
NESTED = """
import ctypes, os, sys
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    open("/proc/sys/user/max_user_namespaces", "w").write("0")
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready[0], 1)
for kind in ("uid", "gid"):
    open(f"/proc/{child}/{kind}_map", "w").write("0 0 65536")
os.write(go[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def image(file: Path) -> Path:
    """Make a squashfs with a few programs of this machine, and what they need."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "root")
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "usr", "var/tmp"):
            (root / name).mkdir(parents=True)
        for program in PROGRAMS:
            path = str(Path(shutil.which(program) or program).resolve())
            listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
            shutil.copy(path, root / "bin" / program)
            for library in re.findall(r"(/\S+) \(0x", listed):
                place = root / library.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, place)
        root.chmod(0o755)
        file.parent.mkdir(parents=True, exist_ok=True)
        options = ["-noappend", "-all-root", "-mkfs-time", "0", "-all-time", "0", "-processors", "1", "-quiet"]
        subprocess.run(["mksquashfs", str(root), str(file), *options], check=True, stdout=subprocess.DEVNULL)
    file.chmod(0o644)
    return file


@dataclass(frozen=True)
class Node:
    """A node that has the volume read-only.

    fuse: mode of its /dev/fuse, or ``none``. namespaces: whether users may have user namespaces.
    """

    volume: Path
    fuse: str = "0666"
    namespaces: bool = True

    def run(self, command: Sequence[str], data: str = "", cwd: str = "/") -> subprocess.CompletedProcess[str]:
        """Run a command there as root."""
        nested = [] if self.namespaces else ["python3", "-c", NESTED]
        node = ["sh", "-c", NODE, "node", str(self.volume), self.fuse, *nested, *command]
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", *node],
            input=data,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            timeout=120,
        )

    def as_user(self, command: Sequence[str], data: str = "", cwd: str = "/") -> subprocess.CompletedProcess[str]:
        """Run a command there as an ordinary user."""
        return self.run([*NOBODY, *NOBODYS, *command], data, cwd)
