# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Phases, percent and elapsed time for long plays
version_added: "0.1.0"
description:
  - Shows the playbooks of this collection as phases, with a percentage, what is being installed and the elapsed time,
    instead of a line for each task. The phases are the roles that a playbook includes at its top level.
  - A task result that carries C(progress) as V({done, total, item}) moves the percentage within its phase, also while
    the task is retried or polled.
  - On a terminal the last line is rewritten as the work goes on; elsewhere each step is a plain line.
  - On SIGINT and SIGTERM it says in one line what stays of a build, and how to go on with it.
  - Other playbooks, and everything with C(-v), are shown as P(ansible.builtin.default#callback) shows them.
author:
  - petal.hpc contributors (@petal-hpc)
extends_documentation_fragment:
  - ansible.builtin.default_callback
  - ansible.builtin.result_format_callback
requirements:
  - Set as stdout in the configuration (C(stdout_callback=petal.hpc.progress)).
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default

from ansible_collections.petal.hpc.plugins.plugin_utils.failure import cause
from ansible_collections.petal.hpc.plugins.plugin_utils.progress import Tracker
from ansible_collections.petal.hpc.plugins.plugin_utils.running import take_all
from ansible_collections.petal.hpc.plugins.plugin_utils.watching import Shown

_INCLUDES = ("ansible.builtin.include_role", "include_role")


def _phases(tasks: list[Any]) -> Iterator[Any]:
    """The roles that a play includes at its top level, in order; blocks are looked into, rescues are not."""
    for task in tasks:
        if hasattr(task, "block"):
            yield from _phases(task.block)
        elif task.action in _INCLUDES:
            yield task


def _ancestors(task: Any) -> Iterator[str]:
    """The identities of the includes and blocks that a task stands in."""
    while task := task._parent:
        yield task._uuid


def _stands_in(task: Any, part: str) -> bool:
    """Whether a task stands in this part, ``block`` or ``rescue``, of a block that has a rescue."""
    while parent := task._parent:
        if getattr(parent, "rescue", None) and any(task._uuid == child._uuid for child in getattr(parent, part)):
            return True
        task = parent
    return False


class CallbackModule(Default):
    """Ansible's own output, with tasks folded into phases where a playbook has them."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "petal.hpc.progress"

    def __init__(self) -> None:
        super().__init__()
        self._tracker: Tracker | None = None
        self._terminal = sys.stdout.isatty()
        self._stopped = threading.Event()
        #: What failed and may be said by a rescue yet, by host: the task and its cause.
        self._held: dict[str, tuple[str, str]] = {}

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Count the phases of all plays; without any, or with -v, stay the default callback."""
        found = [task for play in playbook.get_plays() for task in _phases(play.tasks)]
        if self._display.verbosity == 0 and any(str(t.args.get("name", "")).startswith("petal.hpc.") for t in found):
            self._tracker = Tracker([(task._uuid, task.get_name()) for task in found], time.monotonic())
            Shown.by_callback = True
            if self._terminal:
                threading.Thread(target=self._animate, daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._say_what_stays(number)
        super().v2_playbook_on_start(playbook)

    def _say_what_stays(self, number: int) -> None:
        """On a signal that ends the playbook say what of it goes on; then what Ansible does."""
        before, mine = signal.getsignal(number), os.getpid()

        def say(signum: int, frame: Any) -> None:
            for text in take_all(mine) if os.getpid() == mine else []:
                self._line(text)
            if callable(before):
                before(signum, frame)

        if callable(before):
            signal.signal(number, say)

    def _animate(self) -> None:
        # Straight to the descriptor: a lock of sys.stdout held while Ansible forks a worker would never open there.
        while not self._stopped.wait(0.5):
            if self._tracker and self._tracker.current:
                width = os.get_terminal_size(1).columns
                os.write(1, f"\r\x1b[K{self._tracker.status(time.monotonic())[: width - 1]}".encode())

    def _line(self, text: str) -> None:
        self._display.display(("\r\x1b[K" if self._terminal else "") + text)
        # Ansible leaves that to the end, which does not come where a signal ends it; and a pipe wants to see it now.
        with contextlib.suppress(OSError, RuntimeError):
            sys.stdout.flush()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play is no phase."""
        if self._tracker is None:
            super().v2_playbook_on_play_start(play)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """A play without hosts is one that is not needed, after a hit for example."""
        if self._tracker is None:
            super().v2_playbook_on_no_hosts_matched()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A phase begins with the first task that it included, so that a skipped one is not shown."""
        if self._tracker is None:
            super().v2_playbook_on_task_start(task, is_conditional)
        else:
            for identity in _ancestors(task):
                if line := self._tracker.begin(identity, time.monotonic()):
                    self._line(line)
            self._last_task_name = task.get_name()
            self._tracker.task = task.get_name()

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Included files are how the roles are made, nothing to show."""
        if self._tracker is None:
            super().v2_playbook_on_include(included_file)

    def _progress(self, result: Any) -> bool:
        """Show the progress that a result reports; True where it did."""
        report = result.result.get("progress")
        if self._tracker is None or not isinstance(report, dict):
            return False
        if line := self._tracker.report(report, time.monotonic()):
            self._line(line)
        return True

    def v2_runner_on_ok(self, result: Any) -> None:
        """What a debug task says is for people; other results are not, unless they report progress."""
        if self._tracker is None:
            super().v2_runner_on_ok(result)
            return
        self._progress(result)
        self._handle_warnings_and_exception(result)
        if self._held and not _stands_in(result.task, "rescue"):
            self._held.pop(result.host.get_name(), None)  # the rescue has mended it
        if result.task.action in ("ansible.builtin.debug", "debug"):
            message = result.result.get("msg", "")
            for text in message if isinstance(message, list) else str(message).rstrip().splitlines():
                self._line(str(text))

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Items show only by the progress that they report."""
        if self._tracker is None:
            super().v2_runner_item_on_ok(result)
        else:
            self._handle_warnings_and_exception(result)
            self._progress(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Skipped tasks are not shown."""
        if self._tracker is None:
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """Skipped items are not shown."""
        if self._tracker is None:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_retry(self, result: Any) -> None:
        """A retried task is work that goes on, when it reports progress."""
        if not self._progress(result):
            super().v2_runner_retry(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A failure is shown once, with its message, readable; the whole result needs -v.

        A rescue ends with the cause; only if it says something else is the failure shown that it came after.
        """
        if self._tracker is None:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._handle_warnings(result.result)
        if ignore_errors:
            return
        host, why = result.host.get_name(), cause(result.result)
        if _stands_in(result.task, "block"):
            self._held[host] = (result.task.get_name(), why)
            return
        task, former = self._held.pop(host, ("", ""))
        if former not in why:
            self._failure(host, task, former)
        self._failure(host, result.task.get_name(), why)

    def _failure(self, host: str, task: str, why: str) -> None:
        self._line(f"FAILED on {host}: {task}")
        for text in why.splitlines():
            self._display.display(f"  {text}", color="red")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """The task says afterwards which of its items failed, and why."""
        if self._tracker is None:
            super().v2_runner_item_on_failed(result)
        else:
            self._handle_warnings(result.result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host that went away: one line; what is done about it comes next."""
        if self._tracker is None:
            super().v2_runner_on_unreachable(result)
        else:
            self._line(f"UNREACHABLE {result.host.get_name()}: {self._tracker.task}")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The recap is one line a host, after the last phase."""
        self._stopped.set()
        if self._tracker is not None:
            self._line(self._tracker.end(time.monotonic(), bool(stats.failures or stats.dark)))
        else:
            super().v2_playbook_on_stats(stats)
