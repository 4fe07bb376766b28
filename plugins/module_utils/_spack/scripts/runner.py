# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on its own, in a session of its own: the steps of an installation, their time-out, and how they ended.

    python3 runner.py DIRECTORY LOG

This file travels as text, so it imports nothing of the collection. DIRECTORY has ``request.json`` (steps: a list of
commands; timeout: seconds, 0 for none; watch: paths whose file systems are looked at; beside: a command that runs
beside the steps, none where it is empty). ``session.json`` names this process while it runs, ``result.json`` is written
last. LOG gets all output of the steps, and ``clock`` a line ``BYTES SECONDS`` whenever that has grown: how long it was,
and when (since 1970). Spack's own lines have no times.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

DONE = "done"
TIMEOUT = "timeout"
TERMINATED = "terminated"
# How long Spack may take to write its database and to end its builds.
PATIENCE = 15.0
POLL = 0.1
#: Seconds to wait for the session before this one.
LOCK_PATIENCE = 1800.0
PROC = Path("/proc")
#: How long what runs beside the steps may go on after them: where they ended by themselves, and where they were ended.
LINGER = 900.0
LINGER_ENDED = 20.0
#: Lines of the clock: a log that grows all the time has no times behind them.
CLOCK_LIMIT = 200_000


class Lookout:
    """How little space there was: what failed for want of it may have given it back by the time somebody asks."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths
        # Free and all bytes, free and all inodes.
        self.lowest: dict[str, list[int]] = {}

    def look(self) -> None:
        for path in self._paths:
            try:
                found = os.statvfs(path)
            except OSError:
                continue
            now = [found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, found.f_favail, found.f_files]
            before = self.lowest.setdefault(path, now)
            before[:] = [min(before[0], now[0]), now[1], min(before[2], now[2]), now[3]]


def oom_kills() -> int | None:
    """How many processes the kernel has ended for want of memory since it started; None where it does not tell."""
    try:
        lines = (PROC / "vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(found[0]) if found else None


class TerminatedError(Exception):
    """Somebody asked this session to end."""


def write(path: Path, value: dict[str, Any]) -> None:
    """Write JSON in one step, so that nobody reads half of it."""
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (proc_pid_stat(5)); none when the process is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def others() -> list[int]:
    """The living processes of this session but this one."""
    mine, found = str(os.getsid(0)), []
    for entry in PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            fields = stat(int(entry.name))
            if len(fields) > 3 and fields[3] == mine and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def kill(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    with contextlib.suppress(OSError):
        os.kill(pid, number)


class Clock:
    """Notes when the log, which is this process's standard output, has grown.

    By a clock that nobody sets, from the time at which it began.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="ascii")
        self._offset = time.time() - time.monotonic()
        self._size = 0
        self._left = CLOCK_LIMIT

    def note(self) -> None:
        size = os.fstat(1).st_size
        if size != self._size and self._left > 0:
            self._size, self._left = size, self._left - 1
            # A full disk ends the build, not its clock.
            with contextlib.suppress(OSError):
                self._stream.write(f"{size} {self._offset + time.monotonic():.1f}\n")
                self._stream.flush()


class Beside:
    """A command beside the steps, in a session of its own. Its input ends when they have ended, or this process has."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._pid = 0
        if not command:
            return
        source, self._target = os.pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, source, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        handled = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        self._pid = os.posix_spawn(
            command[0],
            command,
            dict(os.environ),
            file_actions=actions,
            setsid=True,
            setsigdef=handled,
            setsigmask=(),
        )
        os.close(source)

    def finish(self, patience: float) -> None:
        """Let it come to its end, at most so many seconds."""
        if not self._pid:
            return
        os.close(self._target)
        deadline = time.monotonic() + patience
        try:
            hold(False)
            while status_of(self._pid) is None:
                if time.monotonic() >= deadline:
                    raise TerminatedError
                time.sleep(POLL)
            hold(True)
        except TerminatedError:
            with contextlib.suppress(OSError):
                os.killpg(self._pid, signal.SIGKILL)


def status_of(pid: int) -> int | None:
    """Exit status of a child, negative for a signal; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    if not found:
        return None
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def end(pid: int) -> None:
    """End a step: Spack finishes its books at an interrupt; whatever is left of the session then is killed."""
    kill(pid, signal.SIGINT)
    deadline = time.monotonic() + PATIENCE
    status = None
    while time.monotonic() < deadline and (status is None or others()):
        status = status_of(pid) if status is None else status
        time.sleep(POLL)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and others():
        for other in others():
            kill(other, signal.SIGKILL)
        time.sleep(POLL)


def run(step: list[str], deadline: float | None, looks: list[Callable[[], None]]) -> tuple[int, str]:
    """Run one step; gives its status and why it ended.

    :param looks: what is looked at while it runs, and once when it has ended.
    """
    # Whoever started this may have been told to ignore interrupts; Spack must not.
    handled = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    hold(True)
    pid = os.posix_spawn(step[0], step, dict(os.environ), setsigdef=handled, setsigmask=())
    try:
        hold(False)
        while True:
            status = status_of(pid)
            for look in looks:
                look()
            if status is not None:
                return status, DONE
            if deadline is not None and time.monotonic() >= deadline:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                end(pid)
                return 124, TIMEOUT
            time.sleep(POLL)
    except TerminatedError:
        end(pid)
        return 143, TERMINATED


def terminate(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise TerminatedError


def hold(held: bool) -> None:
    """Have a request to end wait, or take it now: it comes only where somebody is there for it."""
    signal.pthread_sigmask(signal.SIG_BLOCK if held else signal.SIG_UNBLOCK, {signal.SIGTERM})


def redirect(log: str) -> None:
    """Read from nothing, write to the log, and stand nowhere."""
    os.chdir("/")
    source = os.open(os.devnull, os.O_RDONLY)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, wanted in ((source, 0), (target, 1), (target, 2)):
        os.dup2(descriptor, wanted)


def try_lock(lock: int) -> bool:
    """Take a lock if it is free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(directory: Path) -> None:
    """Run the steps of a request one after another, up to the first that fails."""
    # Only for its owner: with permission to read it anybody could hold it for ever.
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchmod(lock, 0o600)
    # Who ran here before is ending: the one who starts a session has looked.
    until = time.monotonic() + LOCK_PATIENCE
    while not try_lock(lock):
        if time.monotonic() >= until:
            raise SystemExit(f"another session has held its lock for {LOCK_PATIENCE:.0f} s")
        time.sleep(POLL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hold(True)
    signal.signal(signal.SIGTERM, terminate)
    request = json.loads((directory / "request.json").read_text(encoding="utf-8"))
    started = time.time()
    identity = {
        "id": request["id"],
        "pid": os.getpid(),
        "start_time": int(stat(os.getpid())[19]),
        "boot_id": (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
        "pid_namespace": str((PROC / "self/ns/pid").stat().st_ino),
        "started": started,
    }
    write(directory / "session.json", identity)
    deadline = time.monotonic() + request["timeout"] if request["timeout"] else None
    status, reason = 0, DONE
    lookout, clock, kills = Lookout(request.get("watch", [])), Clock(directory / "clock"), oom_kills()
    beside = Beside(request.get("beside", []), directory / "beside.log")
    try:
        for step in request["steps"]:
            status, reason = run(step, deadline, [lookout.look, clock.note])
            if status != 0:
                break
        hold(True)
    except TerminatedError:
        status, reason = 143, TERMINATED
    beside.finish(LINGER if reason == DONE else LINGER_ENDED)
    now = oom_kills()
    result = {
        "id": request["id"],
        "status": status,
        "reason": reason,
        "seconds": round(time.time() - started, 1),
        "oom_kills": None if kills is None or now is None else now - kills,
        "lowest": lookout.lowest,
    }
    write(directory / "result.json", result)


if __name__ == "__main__":
    redirect(sys.argv[2])
    main(Path(sys.argv[1]))
