# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does about a build's lock: it waits aloud, keeps the lock alive and notes that it has one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ansible_collections.petal.hpc.plugins.module_utils._lock.model import farewell, parse_holder, waiting
from ansible_collections.petal.hpc.plugins.module_utils._run.variables import command_line
from ansible_collections.petal.hpc.plugins.plugin_utils import keeper
from ansible_collections.petal.hpc.plugins.plugin_utils.running import Note


class Run(Protocol):
    """Runs the module with these arguments, and gives its result; waits: in a task with async too."""

    def __call__(self, arguments: Mapping[str, Any], /, *, waits: bool = False) -> dict[str, Any]: ...


#: Seconds until the first word about whom one waits for, and between the others.
FIRST_WORD, WORDS = 3, 60
#: For how long a lock is taken that nobody can keep renewed.
UNRENEWED_TTL = 3600
#: For how long it counts once its holder was told to end: what that has begun on the host comes to an end.
LEFT_TTL = 10


def act(
    run: Run, say: Callable[[str], None], arguments: Mapping[str, Any], *, check: bool, renews_itself: bool
) -> dict[str, Any]:
    """Do what a state of build_lock or aws_build_lock asks for.

    :param say: shows a line, now.
    :param renews_itself: the module does so, as a task with async on the controller: its lock is AWS's.
    """
    state = arguments.get("state", "present")
    if check or not isinstance(arguments.get("holder"), Mapping):
        return run(arguments)
    if state == "present":
        return wait(run, say, arguments)
    note = Note(arguments["holder"], str(arguments.get("fingerprint", ""))[7:23])
    if state == "renewing":
        return watch(run, note, arguments) if renews_itself else keep(run, note, arguments)
    result = run(arguments)
    if not result.get("failed"):
        note.take()
    return result


def wait(
    run: Run, say: Callable[[str], None], arguments: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Take the lock; while another build holds it, say for whom one waits and since when."""
    timeout, began, pause = float(arguments.get("timeout", 3600)), clock(), FIRST_WORD
    waited = 0.0
    while True:
        slice_s = max(0, int(min(pause, timeout - waited)))
        result = run({**arguments, "timeout": slice_s, "waited": int(waited)})
        waited = clock() - began
        # Less than a second is not worth another look.
        if not result.get("held") or waited + 1 > timeout:
            return result
        lock = result.get("lock") or {}
        say(waiting(str(lock.get("build_id", "?")), str(result.get("reason", "")), waited, timeout))
        pause = WORDS


def keep(run: Run, note: Note, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Note the build, and see to it that its lock is renewed as long as this run of the playbook lives."""
    store = str(arguments.get("store", "/var/lib/petal"))
    left = f"what it has made stays in {store}, and an install of Spack packages goes on by itself."
    note.write(goodbye(arguments, left, {"provider": "local", "store": store, "detached": "true"}))

    def beat() -> str:
        result = run(arguments)
        return str(result.get("msg")) if result.get("failed") else str(result["lock"]["reason"])

    def give_up() -> None:
        run({**arguments, "state": "present", "timeout": 0, "ttl": LEFT_TTL})

    problem = keeper.start(note, process(arguments), beat, float(arguments.get("interval", 30)), give_up)
    if not problem:
        return {"changed": False, "lock": {"reason": ""}}
    ttl = max(UNRENEWED_TTL, int(arguments.get("ttl", 0)))
    result = run({**arguments, "state": "present", "timeout": 0, "ttl": ttl})
    warning = f"the lock cannot be kept renewed ({problem}); it is taken for {ttl} s"
    return {**result, "warnings": [*result.get("warnings", []), warning]}


def watch(run: Run, note: Note, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Note the build on AWS, and see to it that it is left to whoever comes next when this run is told to end."""
    region = str(arguments.get("region", "REGION"))
    left = f"what it has made in {region} stays, at AWS's price."
    note.write(goodbye(arguments, left, {"region": region, "detached": "true", "kept": "true"}))

    def give_up() -> None:
        # Who keeps it renewed sees that nobody holds it any more.
        run({**arguments, "state": "detached"}, waits=True)

    keeper.start(note, process(arguments), give_up=give_up)
    return run(arguments)


def process(arguments: Mapping[str, Any]) -> tuple[int, str]:
    """Pid and start time of the holder."""
    holder = parse_holder(arguments["holder"])
    return holder.pid, holder.start_time


def goodbye(arguments: Mapping[str, Any], left: str, place: Mapping[str, str]) -> str:
    """What is said when this run is ended in the middle of the build.

    :param place: what tells petal.hpc.cleanup where it is.
    """
    build_id = str(arguments.get("build_id", ""))
    removal = f"ansible-playbook petal.hpc.cleanup {command_line({**place, 'build_id': build_id})}"
    go_on = f"The same command goes on with it; {removal} removes it."
    return farewell(build_id, left, go_on)
