# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gather what is to be known of the host that builds."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import PROC, Host
from ansible_collections.petal.hpc.plugins.module_utils._preflight.model import COMMANDS, HostFacts, Room

CAP_SYS_ADMIN = 21
LOOP_CONTROL = Path("/dev/loop-control")
# Where container runtimes leave their mark.
MARKS = {"docker": "/.dockerenv", "podman": "/run/.containerenv"}
SBIN = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def gather(host: Host, places: Mapping[str, str], image: str = "") -> HostFacts:
    """The facts of this host; changes nothing.

    :param places: directories by what they are for; they need not exist.
    :param image: of the volume, where an earlier run may have left it.
    """
    path = os.environ.get("PATH", "") + ":" + SBIN
    missing = tuple(command for command in COMMANDS if shutil.which(command, path=path) is None)
    return HostFacts(
        name=platform.node(),
        root=os.geteuid() == 0 and _may_mount(),
        container=_container(),
        loop=_no_loop(host, missing),
        ext4=_has_ext4(host),
        missing=missing,
        rooms={name: room(Path(directory)) for name, directory in places.items()},
        kept=_kept(Path(image)) if image else 0,
    )


def room(path: Path) -> Room:
    """The disk that a directory is on, or will be on."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    usage = os.statvfs(there)
    total = usage.f_blocks * usage.f_frsize
    return Room(str(path), there.stat().st_dev, usage.f_bavail * usage.f_frsize, total)


def _may_mount() -> bool:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", (PROC / "self/status").read_text(encoding="ascii"), re.MULTILINE)
    return found is None or bool(int(found.group(1), 16) >> CAP_SYS_ADMIN & 1)


def _container() -> str:
    for kind, mark in MARKS.items():
        if Path(mark).exists():
            return kind
    try:
        environment = (PROC / "1/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((line[10:].decode("ascii", "replace") for line in environment if line.startswith(b"container=")), "")


def _no_loop(host: Host, missing: tuple[str, ...]) -> str:
    if not LOOP_CONTROL.exists():
        return f"{LOOP_CONTROL} does not exist"
    if "losetup" in missing or os.geteuid() != 0:
        return ""
    try:
        status, output, problem = host.call(["losetup", "--find"])
    except PetalError as error:
        return str(error)
    if status != 0:
        return " ".join(problem.split()) or f"losetup --find ended with status {status}"
    return "" if Path(output.strip()).exists() else f"{output.strip()} does not exist"


def _has_ext4(host: Host) -> bool:
    if re.search(r"\text4$", (PROC / "filesystems").read_text(encoding="ascii"), re.MULTILINE):
        return True
    try:
        return host.call(["modprobe", "--dry-run", "--quiet", "ext4"])[0] == 0
    except PetalError:
        return False


def _kept(image: Path) -> int:
    try:
        return image.stat().st_blocks * 512
    except OSError:
        return 0
