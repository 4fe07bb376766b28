# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps of an installation on nodes of Slurm, on the host that submits.

    python3 farm_host.py DIRECTORY probe    ends what an earlier one left, and asks one node whether it can build
    python3 farm_host.py DIRECTORY end      ends what an earlier one left, on the nodes too
    python3 farm_host.py DIRECTORY make     lets make build, and takes away what was made on the nodes

DIRECTORY is seen by all nodes; its ``host.json`` has the commands (see ``_spack/farm.py``). Jobs end with this process:
at an interrupt, as at a time-out, they are cancelled.

This file travels as text, so it imports nothing of the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

POLL = 0.2
BEAT = 5.0
#: Seconds for jobs of an earlier installation to end.
ENDING = 180.0
#: Seconds that a node may take to be had for cleaning: nobody waits for one that builds for others now.
CLEANING = 30
#: The same where this installation is to end at once; it is killed after runner.PATIENCE.
HURRY = 4


class AbortedError(Exception):
    """Somebody asked this installation to end."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def drop(owner: int) -> None:
    """Go on as the user as whom Spack runs: so do the jobs."""
    if os.geteuid() == 0 and owner != 0:
        user = pwd.getpwuid(owner)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(owner)
        os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)


class Slurm:
    """The jobs of one installation."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._mine = [f"--name={request['name']}", f"--user={pwd.getpwuid(os.geteuid()).pw_name}"]

    def cancel(self) -> None:
        self._run([self._request["scancel"], "--quiet", *self._mine])

    def left(self) -> list[str]:
        """Jobs that have not ended."""
        done = self._run([self._request["squeue"], "--noheader", "--format=%i", *self._mine])
        return done.stdout.split() if done.returncode == 0 else []

    @staticmethod
    def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def end_earlier(self) -> bool:
        """End the jobs of an installation that was killed; False where they do not end."""
        deadline = time.monotonic() + ENDING
        while left := self.left():
            if time.monotonic() >= deadline:
                say(f"==> Error: jobs of an earlier installation do not end: {', '.join(left)}; squeue shows why")
                return False
            self.cancel()
            time.sleep(1)
        return True

    def probe(self) -> int:
        """Ask a node whether packages can be built there."""
        done = subprocess.run(  # noqa: S603
            [*self._request["job"], *self._request["task"], "probe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("==> Error: ")]
        if done.returncode != 0 and not told:
            said = "; ".join(line.partition("error: ")[2] or line for line in lines[-5:]) or "nothing"
            told = [f"==> Error: Slurm ran no job for the build farm ({' '.join(self._request['options'])}): {said}"]
        for line in told or lines:
            say(line)
        return done.returncode

    def clean(self, nodes: list[str], patience: int) -> None:
        """Take away what was made on nodes."""
        job, task = self._request["job"], self._request["task"]
        running = {
            node: subprocess.Popen(  # noqa: S603
                [*job, f"--nodelist={node}", f"--immediate={patience}", *task, "clean"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for node in nodes
        }
        deadline = time.monotonic() + 2 * patience
        for node, process in running.items():
            try:
                status = process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.terminate()
                status = -1
            if status != 0:
                say(f"==> Warning: {node} was not free to take {self._request['local']} away there")


def build(directory: Path, request: dict[str, Any]) -> int:
    """Run make until it ends, or a package fails where that ends all; its status."""
    failed, alive = directory / "failed", directory / "alive"
    process, count, beat = None, 0, 0.0
    try:
        process = subprocess.Popen(request["make"], stdin=subprocess.DEVNULL)  # noqa: S603
        while process.poll() is None:
            if time.monotonic() >= beat:
                count, beat = count + 1, time.monotonic() + BEAT
                with contextlib.suppress(OSError):
                    alive.write_text(str(count), encoding="ascii")
                if request["fail_fast"] and failed.exists():
                    Slurm(request).cancel()
            time.sleep(POLL)
    except AbortedError:
        Slurm(request).cancel()
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(HURRY)
        raise
    return process.returncode


def make(directory: Path, request: dict[str, Any]) -> int:
    """Build, and leave nothing behind on the nodes."""
    patience = CLEANING
    try:
        status = build(directory, request)
    except AbortedError:
        patience, status = HURRY, 130
    Slurm(request).clean(used(directory), patience)
    return status


def used(directory: Path) -> list[str]:
    """The nodes on which something was made."""
    return sorted(path.name for path in (directory / "nodes").iterdir())


def abort(_number: int, _frame: FrameType | None) -> None:
    """Handle an interrupt, once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise AbortedError


def main(directory: Path, what: str) -> int:
    request = json.loads((directory / "host.json").read_text(encoding="utf-8"))
    drop(request["owner"])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, abort)
    slurm = Slurm(request)
    try:
        if what == "make":
            return make(directory, request)
        if not slurm.end_earlier():
            return 1
        if what == "probe":
            return slurm.probe()
        slurm.clean(used(directory), CLEANING)
        return 0
    except AbortedError:
        slurm.cancel()
        return 130


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2]))
