"""Namespaces around a whole lab: nothing gets out, and when the root process dies, all of it is gone."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ec2lab.data.linux import start_time
from ec2lab.settings import Settings

PACKAGES = Path(__file__).parents[1]
RUN = Path("/run/petal/ec2lab")


def _command(settings: Settings, command: Sequence[str]) -> list[str]:
    """The lab in its namespaces, as an argument list; the first process is unshare itself."""
    return [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--ipc",
        "--uts",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
        sys.executable,
        "-m",
        "ec2lab.lab",
        settings.to_json(),
        *command,
    ]


def _environment() -> dict[str, str]:
    paths = [str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def run(settings: Settings, command: Sequence[str]) -> int:
    """Run a command in a fresh lab and return its status. The lab ends with the command, and with this process."""
    # The lab is told by the kernel if this process dies without a word.
    argv = ["setpriv", "--pdeathsig", "KILL", *_command(settings, command)]
    process = subprocess.Popen(argv, env=_environment())

    ended: list[int] = []

    def end(number: int, _frame: object) -> None:
        # To wait for it here would be to wait for the wait below.
        ended.append(number)
        process.kill()

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = process.wait()
    if ended:
        return 128 + ended[0]
    return status if status >= 0 else 128 - status


@dataclass(frozen=True)
class Running:
    """A lab in the background: its root process, when that was started (to know it again), its settings."""

    pid: int
    started: str
    settings: Settings

    @property
    def alive(self) -> bool:
        """Whether that very process still lives."""
        return start_time(self.pid) == self.started

    @property
    def inner(self) -> int:
        """The first process in the lab's namespaces."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def stop(self) -> None:
        """End it and wait until it is gone."""
        inner = 0
        if self.alive:
            with contextlib.suppress(OSError, IndexError):  # it may end by itself at this moment
                inner = self.inner
            os.kill(self.pid, signal.SIGKILL)
        for pid in filter(None, (self.pid, inner)):
            _wait(pid)

    def execute(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command in it; returns its status."""
        argv = [
            "nsenter",
            f"--target={self.inner}",
            "--net",
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            f"--wd={Path.cwd()}",
            "--",
            *command,
        ]
        return subprocess.run(argv, env=self.settings.environment(environment), check=False).returncode


def start(settings: Settings, *, tied: bool = False) -> Running:
    """A lab in the background, ready for calls; ``tied`` ends it with the calling thread. Raises RuntimeError."""
    tie = ["setpriv", "--pdeathsig", "KILL"] if tied else []
    # Its errors go where the caller's go; "ready" is the only line that it prints.
    process = subprocess.Popen(
        [*tie, *_command(settings, ())],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    if line != b"ready\n":
        process.kill()
        process.wait()
        raise RuntimeError("the lab did not start; see above")
    return Running(process.pid, start_time(process.pid), settings)


def remember(name: str, running: Running) -> None:
    """Note a lab under a name."""
    RUN.mkdir(parents=True, exist_ok=True)
    (RUN / f"{name}.json").write_text(
        json.dumps({"pid": running.pid, "started": running.started, "settings": running.settings.to_json()})
    )


def recall(name: str) -> Running | None:
    """The lab that was noted under a name, if it lives."""
    try:
        values = json.loads((RUN / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    running = Running(values["pid"], values["started"], Settings.from_json(values["settings"]))
    return running if running.alive else None


def forget(name: str) -> None:
    """Drop the note."""
    (RUN / f"{name}.json").unlink(missing_ok=True)


def _wait(pid: int) -> None:
    """Wait until a process is gone, whoever its parent is; at most ten seconds for somebody else's child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
        return
    with contextlib.suppress(OSError):
        fd = os.pidfd_open(pid)
        select.select([fd], [], [], 10)
        os.close(fd)
