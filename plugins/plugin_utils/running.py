# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of ansible-playbook has in hand: notes on the controller, one file for each build, gone when it is over.

Whoever sees the run end with a note still there can say what stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.user_cache_api import user_cache
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import start_time

PROC = Path("/proc")
#: Seconds for which a run that is ended waits until its locks are given up: less than the ten that AWX gives it.
PATIENCE = 6.0


def directory() -> Path:
    """Where the notes are: in the user's cache directory."""
    return user_cache() / "petal" / "running"


def lives(pid: int, started: str) -> bool:
    """Whether a process of this number that was started then (field 22 of stat, proc(5)) still runs."""
    with contextlib.suppress(OSError):
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        state = stat.rpartition(")")[2].split()[:1]
        return str(start_time(stat)) == started and state not in (["Z"], ["X"])
    return False


class Note:
    """That a run builds something.

    :param holder: the run, as petal.hpc.seed_info names it. what: tells this build from others of the same run.
    """

    def __init__(self, holder: Mapping[str, Any], what: str) -> None:
        name = f"{int(holder['pid'])}-{holder['start_time']}-{what}"
        self.path = directory() / re.sub(r"[^A-Za-z0-9._-]", "_", name)

    def write(self, text: str) -> bool:
        """Say what is to be told of it; whether that could be noted."""
        with contextlib.suppress(OSError, RuntimeError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.write_text(text, encoding="utf-8")
            return True
        return False

    def there(self) -> bool:
        """Whether the build is not over."""
        return self.path.exists()

    @property
    def leaving(self) -> Path:
        """Stands there, in place of the note, from the moment when a run is told to end until its lock is given up."""
        return _leaving(self.path)

    def take(self) -> str:
        """What was to be told, for the one who asks first; empty for everybody else."""
        return _take(self.path)


def _leaving(path: Path) -> Path:
    return path.with_name(f".{path.name}-leaving")


def _take(path: Path) -> str:
    mine = path.with_name(f".{path.name}-{os.getpid()}")
    with contextlib.suppress(OSError):
        path.rename(mine)
        text = mine.read_text(encoding="utf-8", errors="replace")
        mine.unlink()
        return text
    return ""


def _notes(pid: int) -> list[Path]:
    started = start_time((PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace"))
    return sorted(directory().glob(f"{pid}-{started}-*"))


def take_all(pid: int) -> list[str]:
    """The same of all builds of a process."""
    return [text for path in _notes(pid) if (text := _take(path))]


def leave(pid: int, patience: float = PATIENCE) -> list[str]:
    """The same of a process that ends now; waits until those who keep the locks of its builds have given them up."""
    texts, signs = [], []
    for path in _notes(pid):
        sign = _leaving(path)
        with contextlib.suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")
            # Whose rename it is tells it.
            path.rename(sign)
            texts.append(text)
            signs.append(sign)
    end = time.monotonic() + patience
    while any(sign.exists() for sign in signs) and time.monotonic() < end:
        time.sleep(0.1)
    for sign in signs:
        sign.unlink(missing_ok=True)
    return texts


def leave_at_signals(say: Callable[[str], object]) -> None:
    """From now on, where this process is told to end: say what stays of its builds, give their locks up, then end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        _leave_at(number, say)


def _leave_at(number: int, say: Callable[[str], object]) -> None:
    before, mine = signal.getsignal(number), os.getpid()

    def heard(signum: int, frame: Any) -> None:
        # What was forked from it has no builds.
        for text in leave(mine) if os.getpid() == mine else []:
            say(text)
        if callable(before):
            before(signum, frame)
            return
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    if before != signal.SIG_IGN:
        signal.signal(number, heard)
