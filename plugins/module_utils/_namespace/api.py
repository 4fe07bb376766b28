# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private mount namespaces that outlive the process that made them.

A namespace is kept by a bind mount of its nsfs file (namespaces(7)) in a small tmpfs of its own, which is mounted
private because unshare(1) cannot bind a mount namespace below a shared mount. A reboot leaves nothing of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import (
    Mount,
    Process,
    name_processes,
    parse_mountinfo,
    top_mount,
)

RUNTIME = Path("/run/petal")
DETACHED = "PETAL_DETACHED=1"
TERM_PATIENCE = 5.0
KILL_PATIENCE = 10.0

# Inside the namespace already (a task that starts another one, as async does) there is nothing to enter.
WRAPPER = """#!/bin/sh
# Runs Python inside the mount namespace of the volume {name}. Made by petal.hpc.local_volume.
if [ "$(readlink /proc/self/ns/mnt)" = 'mnt:[{inode}]' ]; then
  exec {python} "$@"
fi
exec nsenter --mount={file} -- /bin/sh -c 'cd "$0" 2>/dev/null; exec "$@"' "$PWD" {python} "$@"
"""


def mark_of(place: Path) -> str:
    """What tells volumes of one name on one host apart: eight digits of the directory that they really are in."""
    return hashlib.sha256(os.path.realpath(place).encode(errors="surrogateescape")).hexdigest()[:8]


class MountNamespace:
    """The mount namespace of one volume.

    :param name: name of the volume.
    :param owner: path of its image; other stores of the host may have a volume of that name.
    """

    def __init__(self, host: Host, name: str, owner: Path, runtime: Path = RUNTIME) -> None:
        self._host = host
        self.name = name
        self._owner = str(Path(os.path.realpath(owner.parent), owner.name))
        self._ours = (self._owner, str(owner))
        self._directory = runtime / f"{name}-{mark_of(owner.parent)}"
        # As an earlier release called it, whatever the store was.
        self._former = runtime / name

    @property
    def directory(self) -> Path:
        """Where it is kept; where one of an earlier release lives, that one."""
        former = self._former
        if former.is_dir() and top_mount(self._host.mounts(), str(former)) is not None:
            return former if self._read_note(former)[0] in self._ours else self._directory
        return self._directory

    @property
    def file(self) -> Path:
        """What nsenter(1) enters."""
        return self.directory / "mnt"

    @property
    def wrapper(self) -> Path:
        """The Python that runs inside."""
        return self.directory / "python"

    def number(self) -> int | None:
        """Inode number of the living namespace; None when there is none.

        Raises PetalError when it belongs to another store, or when this process is inside it.
        """
        mounts, directory = self._host.mounts(), self.directory
        if top_mount(mounts, str(directory)) is None:
            return None
        owner, inside = self._read_note(directory)
        if owner and owner not in self._ours:
            raise PetalError(f"{directory} belongs to the volume {owner}. Detach that one first, or use another name.")
        if inside and inside == self._host.mount_namespace("self"):
            raise PetalError(
                f"this task runs inside the mount namespace of the volume {self.name}. "
                "Run it with the host's own ansible_python_interpreter."
            )
        mount = top_mount(mounts, str(directory / "mnt"))
        match = re.fullmatch(r"mnt:\[([0-9]+)\]", mount.root) if mount and mount.fstype == "nsfs" else None
        return int(match.group(1)) if match else None

    def _read_note(self, directory: Path) -> tuple[str, int]:
        try:
            owner, number = (directory / "owner").read_text(encoding="utf-8").splitlines()
            return owner, int(number)
        except (OSError, ValueError):
            return "", 0

    def mounts(self) -> list[Mount]:
        """Mounts inside; none when there is no namespace."""
        if self.number() is None:
            return []
        return parse_mountinfo(self.run(["cat", "/proc/self/mountinfo"], f"looking into {self.file}"))

    def run(self, argv: Sequence[str], doing: str) -> str:
        """Run a command inside."""
        return self._host.run(self.enter(argv), doing)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command that runs a command inside."""
        return ["nsenter", f"--mount={self.file}", "--", *argv]

    def create(self, drop: Sequence[str]) -> None:
        """Make the namespace, or make it again after a crash in between.

        :param drop: mount targets that the copy of the host's mounts shall not keep, since a copy pins its device.
        """
        doing = f"making the mount namespace of the volume {self.name}"
        self.destroy()
        directory = self.directory
        self._host.make_directory(directory)
        tmpfs = ["mount", "-t", "tmpfs", "-o", "mode=0755,size=1m,nosuid,nodev", "petal", str(directory)]
        self._host.run(tmpfs, doing)
        self._host.run(["mount", "--make-private", str(directory)], doing)
        self.file.touch()
        self._unshare(doing)
        number = self.number()
        if number is None:
            raise PetalError(f"{doing}: the kernel did not keep it at {self.file}. Look into the kernel's log (dmesg).")
        (directory / "owner").write_text(f"{self._owner}\n{number}\n", encoding="utf-8")
        for target in drop:
            self.run(["umount", "--lazy", target], doing)
        wrapper = WRAPPER.format(
            name=self.name,
            inode=number,
            file=shlex.quote(str(self.file)),
            python=shlex.quote(self._host.interpreter()),
        )
        self.wrapper.write_text(wrapper, encoding="utf-8")
        self.wrapper.chmod(0o755)

    def _unshare(self, doing: str) -> None:
        # A slave shows nothing to the host, and lets go of what the host unmounts where the host's mounts are shared.
        command = ["unshare", f"--mount={self.file}", "--propagation", "slave", "--", "true"]
        # The kernel keeps only namespaces that are younger than the one we are in. Since Linux 6.18 it tells age by
        # numbers that each processor draws from a batch of its own, so that in a container only some may do.
        processors = [["taskset", "--cpu-list", str(number)] for number in sorted(os.sched_getaffinity(0))]
        problem = ""
        for prefix in ([], *processors):
            status, _output, problem = self._host.call([*prefix, *command])
            if status == 0:
                return
        raise PetalError(f"{doing}: {problem.strip()[-400:]}")

    def destroy(self) -> bool:
        """Take the namespace away; True when there was something. Processes inside keep it until they end."""
        self.number()
        gone = False
        doing = f"removing the mount namespace of the volume {self.name}"
        directory = self.directory
        for path in (directory / "mnt", directory):
            while top_mount(self._host.mounts(), str(path)) is not None:
                self._host.run(["umount", str(path)], doing)
                gone = True
        with contextlib.suppress(OSError):
            # Without a tmpfs below /run a reboot may leave the plain files.
            (directory / "mnt").unlink(missing_ok=True)
            directory.rmdir()
        return gone

    def inhabitants(self, devices: Sequence[str]) -> list[int]:
        """Processes inside, and in namespaces made from inside; neither this one nor those that started it."""
        number = self.number()
        family = self._host.ancestry()
        found = self._host.living_in([] if number is None else [number], devices)
        return [pid for pid in found if pid not in family]

    def occupants(self, devices: Sequence[str]) -> tuple[list[Process], list[Process]]:
        """The processes inside: what a dead controller left, and those of a detached build."""
        left: list[Process] = []
        detached: list[Process] = []
        for pid in self.inhabitants(devices):
            whose = detached if self._host.environment_has(pid, DETACHED) else left
            whose.append(self._host.process(pid))
        return left, detached

    def evictable(self, devices: Sequence[str], detached: bool = False) -> list[Process]:
        """The processes that ``evict`` would end: all inside but, unless asked for, those of a detached build."""
        left, others = self.occupants(devices)
        return [*left, *others] if detached else left

    def evict(self, devices: Sequence[str], detached: bool = False) -> list[Process]:
        """End what a dead controller left inside: SIGTERM, then SIGKILL. Gives what was ended.

        :param devices: ``major:minor`` of the volume.
        :param detached: end a detached build, too.
        """
        ended = self.evictable(devices, detached)
        self._signal(devices, detached, signal.SIGTERM, TERM_PATIENCE, again=False)
        left = self._signal(devices, detached, signal.SIGKILL, KILL_PATIENCE, again=True)
        if left:
            raise PetalError(
                f"these processes in the mount namespace of the volume {self.name} do not end even by SIGKILL: "
                f"{name_processes(left)}. They wait for a device; look into the kernel's log (dmesg)."
            )
        return ended

    def _signal(
        self, devices: Sequence[str], detached: bool, number: int, patience: float, again: bool
    ) -> list[Process]:
        deadline = time.monotonic() + patience
        left, first = self.evictable(devices, detached), True
        while left and time.monotonic() < deadline:
            for process in left if first or again else []:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
            first = False
            time.sleep(0.1)
            left = self.evictable(devices, detached)
        return left
