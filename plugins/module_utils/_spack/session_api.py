# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A detached installation on this host: start it, find it again, read how far it is, end it.

It runs in a session of its own (setsid(2)) with ``PETAL_DETACHED=1`` in its environment, so that neither the end of
the connection nor the clean-up of a mount namespace ends it.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import PROC, Host
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import seen
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import runner

DETACHED = {"PETAL_DETACHED": "1"}
# Which session it is: by this mark is found what is of it, and what has left it, as GnuPG's agent does.
SESSION = "PETAL_SESSION"
# The runner itself waits for Spack before it kills what is left, and for what runs beside it.
TERM_PATIENCE = 2 * runner.PATIENCE + runner.LINGER_ENDED + 5
START_PATIENCE = 20.0
KILL_PATIENCE = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a session ended. reason: done, timeout, terminated, or killed (nobody wrote an end).

    oom_kills: processes that the kernel ended meanwhile for want of memory, None where nobody knows.
    lowest: free and all bytes, free and all inodes of what was watched, by path, when there were fewest.
    """

    status: int
    reason: str
    seconds: float
    oom_kills: int | None = None
    lowest: Mapping[str, Sequence[int]] = field(default_factory=dict)


KILLED = "killed"
TIMEOUT = runner.TIMEOUT
TERMINATED = runner.TERMINATED


class Session:
    """The session of one environment.

    :param directory: its own, made where it is missing.
    :param log: file that gets the output.
    """

    def __init__(self, host: Host, directory: Path, log: Path) -> None:
        self._host = host
        self._directory = directory
        self._request = directory / "request.json"
        self._session = directory / "session.json"
        self._result = directory / "result.json"
        self._clock = directory / "clock"
        self.log = log

    def start(
        self,
        key: str,
        steps: Sequence[Sequence[str]],
        timeout: int,
        watch: Sequence[str] = (),
        beside: Sequence[str] = (),
    ) -> None:
        """Start the steps, one after another.

        :param key: names this session.
        :param timeout: seconds, 0 for none.
        :param watch: paths whose file systems are looked at meanwhile.
        :param beside: a command that runs beside the steps, none where it is empty.
        """
        self._host.make_directory(self._directory)
        self.clear()
        self._clock.unlink(missing_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        script = self._directory / "runner.py"
        self._host.write(script, inspect.getsource(runner))
        request = {"id": key, "steps": [list(step) for step in steps], "timeout": timeout, "watch": list(watch)}
        request["beside"] = list(beside)
        self._host.write_json(self._request, request)
        python = self._host.interpreter()
        pid = os.posix_spawn(
            python,
            [python, "-I", str(script), str(self._directory), str(self.log)],
            {**os.environ, **DETACHED, SESSION: key},
            setsid=True,
        )
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if self._read(self._session).get("id") == key:
                return
            if os.waitpid(pid, os.WNOHANG)[0]:
                break
            time.sleep(0.02)
        raise PetalError(f"the installation did not start: {self.text()[-500:].strip() or 'no message'}")

    def running(self) -> bool:
        """Whether its first process runs; Spack without it counts as ended, see ``end``."""
        return self._leader() is not None

    def outcome(self) -> Outcome | None:
        """How it ended; None while it runs, and when there was none."""
        if not self._session.exists() or self.running():
            return None
        result = self._read(self._result)
        if result.get("id") == self._read(self._session).get("id"):
            # A session of an earlier release has no more than the first three.
            return Outcome(
                status=int(result["status"]),
                reason=str(result["reason"]),
                seconds=float(result["seconds"]),
                oom_kills=result.get("oom_kills"),
                lowest=result.get("lowest", {}),
            )
        return Outcome(-1, KILLED, max(0.0, self._log_time() - float(self._read(self._session).get("started", 0))))

    def _log_time(self) -> float:
        try:
            return self.log.stat().st_mtime
        except OSError:
            return 0.0

    def text(self) -> str:
        """The log so far."""
        return "".join(f"{line}\n" for line in self.lines()[0])

    def lines(self) -> tuple[list[str], list[float | None]]:
        """The lines of the log so far, and when each was there; None for one of which that was not noted."""
        try:
            output = self.log.read_bytes()
        except OSError:
            return [], []
        try:
            clock = self._clock.read_text(encoding="ascii", errors="replace")
        except OSError:
            clock = ""
        return seen(output, clock)

    def clear(self) -> None:
        """Forget the last session; its log stays, with its clock."""
        for path in (self._session, self._result, self._request):
            path.unlink(missing_ok=True)

    def end(self) -> bool:
        """End all processes of the session: Spack writes its database first. True when there were some."""
        leader = self._leader()
        if leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, signal.SIGTERM)
            self._wait(TERM_PATIENCE)
        found = leader is not None
        deadline = time.monotonic() + KILL_PATIENCE
        while time.monotonic() < deadline:
            members = self._members()
            if not members:
                return found
            found = True
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        raise PetalError(
            f"these processes of the installation do not end even by SIGKILL: {self._members()}. "
            "They wait for a device; look into the kernel's log (dmesg)."
        )

    def _wait(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while self._leader() is not None and time.monotonic() < deadline:
            time.sleep(0.1)

    def _leader(self) -> int | None:
        identity = self._here()
        if identity is None:
            return None
        status = self._host.process_stat(int(identity["pid"]))
        if status is None or status.state in "ZX" or status.start_time != identity["start_time"]:
            return None
        return int(identity["pid"])

    def _here(self) -> dict[str, Any] | None:
        """Who the session is, if its process numbers mean the same here: same boot, same namespace."""
        identity = self._read(self._session)
        if not identity:
            return None
        here = self._host.identity()
        same = all(identity.get(key) == here[key] for key in ("boot_id", "pid_namespace"))
        return identity if same else None

    def same_boot(self) -> bool:
        """Whether the host was not restarted since the session began: what it wrote is on the disk."""
        return self._read(self._session).get("boot_id") == self._host.identity()["boot_id"]

    def _members(self) -> list[int]:
        """All that bear the session's mark: a number that was given again belongs to others, who do not."""
        identity = self._here()
        if identity is None:
            return []
        mark = f"{SESSION}={identity['id']}"
        found = []
        for pid in self._host.pids():
            try:
                state = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state in "ZX":
                continue
            if self._host.environment_has(pid, mark):
                found.append(pid)
        return found

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            value = self._host.read_json(path)
        except (OSError, PetalError):
            return {}
        return value if isinstance(value, dict) else {}
