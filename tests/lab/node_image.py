# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small image of this machine's own shell, and a user of a node who runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("sh", "cat", "id", "true", "ls")
#: Mounts are the node's own: the volume is read-only there, and the device has the mode that is given.
NODE = """set -eu
volume=$1 mode=$2; shift 2
mount --bind "$volume" "$volume"
mount -o remount,bind,ro "$volume"
directory=$(mktemp -d)
mknod "$directory/fuse" c 10 229
chmod "$mode" "$directory/fuse"
mount --bind "$directory/fuse" /dev/fuse
rm "$directory/fuse"
rmdir "$directory"
# Not by exec: a mount namespace lives as long as somebody is in it, and on a node that is its init.
setpriv --reuid=65534 --regid=65534 --clear-groups env -i HOME=/tmp PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"
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


def as_user(
    volume: Path, command: Sequence[str], data: str = "", cwd: str = "/", fuse: str = "0666"
) -> subprocess.CompletedProcess[str]:
    """Run a command as nobody on a node that has the volume read-only; fuse: the mode of /dev/fuse there."""
    node = ["unshare", "--mount", "--propagation", "private", "sh", "-c", NODE, "node", str(volume), fuse, *command]
    return subprocess.run(node, input=data, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)
