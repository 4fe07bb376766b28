# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the machine and the process that run a playbook."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host, os_named


def this_host() -> Host:
    """Operating system and architecture of the controller, as seeds name them."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return Host.named(os_id(release), platform.machine())


def os_id(release: dict[str, str]) -> str:
    """``debian12`` or ``ubuntu2204`` from the fields of os-release."""
    return os_named(release.get("ID", ""), release.get("VERSION_ID", ""))


def process_identity(pid: int) -> dict[str, Any]:
    """What tells a process from every other, so that anybody can see later whether it still runs.

    host: node name. boot_id: of the kernel. pid_namespace: link text of its pid namespace. pid.
    start_time: clock ticks after boot; None when the process is gone. Source: proc(5), field 22 of stat.
    """
    return {
        "host": platform.node(),
        "boot_id": _text("/proc/sys/kernel/random/boot_id"),
        "pid_namespace": _link("/proc/self/ns/pid"),
        "pid": pid,
        "start_time": start_time(_text(f"/proc/{pid}/stat")),
    }


def start_time(stat: str | None) -> int | None:
    """Field 22 of a /proc/PID/stat. The name in field 2 may hold spaces and parentheses: count from its end."""
    fields = stat.rpartition(")")[2].split() if stat else []
    return int(fields[19]) if len(fields) > 19 else None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _link(path: str) -> str | None:
    try:
        return str(Path(path).readlink())
    except OSError:
        return None
