# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of its own on the controller that lives as long as ansible-playbook builds something, and no longer.

It is forked from the worker of a task, so it has that task's way to the host (connection, become, its passwords). It
looks at the playbook's process every second, renews the lock in between, and ends when the process has ended, when
the build is over, or when somebody else has the lock. With the container of a job it dies at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

from ansible.utils.display import Display

from ansible_collections.petal.hpc.plugins.plugin_utils.running import Note, lives

GLANCE = 1.0
FIRST_BEAT = 60.0
#: The first beat got through; anything else is why it did not.
FINE = "."


def start(
    note: Note,
    holder: tuple[int, str],
    beat: Callable[[], str] | None = None,
    interval: float = 30.0,
    give_up: Callable[[], object] | None = None,
) -> str:
    """Start it; empty, or why the first beat did not get through.

    :param note: of the build; its end is that of the note.
    :param holder: pid and start time of the playbook's process.
    :param beat: renews the lock, and gives why there is no more to renew, or nothing. Raises what it likes.
    :param give_up: what is done where the playbook is told to end (running.leave): it waits for that.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            os.setsid()
            # The one in between ends at once, so that nobody has to wait for the other.
            if os.fork() == 0:
                _run(note, holder, beat, interval, writer, give_up)
            status = 0
        os._exit(status)
    os.close(writer)
    try:
        os.waitpid(child, 0)
        ready, _w, _x = select.select([reader], [], [], FIRST_BEAT)
        said = os.read(reader, 4096).decode("utf-8", "replace") if ready else f"no answer in {int(FIRST_BEAT)} s"
    finally:
        os.close(reader)
    return "" if said == FINE else said or "the process that renews it has ended"


def _run(
    note: Note,
    holder: tuple[int, str],
    beat: Callable[[], str] | None,
    interval: float,
    writer: int,
    give_up: Callable[[], object] | None,
) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    output = _output_of(holder[0])
    _leave_alone(writer, output)
    # What the worker would show goes to nobody: its queue is not ours. (set_queue is for Ansible's own processes only.)
    Display()._final_q = _Silence()
    noted = note.there()
    try:
        first = beat() if beat else ""
    except BaseException as error:  # whatever it is, it has to be told
        first = str(error) or type(error).__name__
    with contextlib.suppress(OSError):
        os.write(writer, (first or FINE).encode()[:4000])
    os.close(writer)
    following = time.monotonic() + interval
    while not first and lives(*holder):
        if noted and not note.there():
            if note.leaving.exists():
                if give_up:
                    # Where that does not get through, the lock ends by itself, later.
                    with contextlib.suppress(Exception):
                        give_up()
                note.leaving.unlink(missing_ok=True)
            return
        if beat and time.monotonic() >= following:
            # As long as the build lives the next one may get through; the build says what is wrong.
            with contextlib.suppress(Exception):
                first = beat()
            following = time.monotonic() + interval
        time.sleep(GLANCE)
    text = note.take()
    if text and not first and output is not None:
        with contextlib.suppress(OSError):
            os.write(output, f"{text}\n".encode())


def _output_of(pid: int) -> int | None:
    """Where the playbook's own output goes; a worker has none."""
    with contextlib.suppress(OSError):
        return os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    return None


def _leave_alone(*mine: int | None) -> None:
    """Let go of what others wait for the end of: pipes, sockets and terminals of the worker."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    for entry in list(Path("/proc/self/fd").iterdir()):
        number = int(entry.name)
        with contextlib.suppress(OSError):
            mode = os.fstat(number).st_mode
            if number > 2 and number not in mine and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(number)):
                os.close(number)


class _Silence:
    """Stands for the queue over which a worker shows things."""

    def send_display(self, *_arguments: object, **_options: object) -> None:
        """Show nothing."""
