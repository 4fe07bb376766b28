# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may build: the decision about one lock record."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import BUILD_ID

TAKE = "take"
RENEW = "renew"
TAKE_OVER = "take over"
WAIT = "wait"

# Names that many hosts share say nothing about which one it is.
NAMELESS = frozenset({"", "localhost", "localhost.localdomain"})


class LockError(PetalError):
    """A build lock cannot be had."""


class LockHeldError(LockError):
    """A living build holds the lock; ``record`` is its record, ``reason`` who holds it and since when."""

    def __init__(self, message: str, record: LockRecord | None, reason: str = "") -> None:
        super().__init__(message)
        self.record = record
        self.reason = reason


@dataclass(frozen=True)
class Holder:
    """The process that a build stands and falls with: ansible-playbook on the controller.

    boot_id: of the kernel it runs on; pid_namespace: inode number of its pid namespace; start_time: in clock ticks
    after boot (field 22 of /proc/PID/stat), which tells it from a later process of the same pid.
    """

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_time: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host or 'an unnamed host'}"


@dataclass(frozen=True)
class LockRecord:
    """Content of a held lock. acquired, renewed: seconds since 1970; ttl: seconds."""

    build_id: str
    holder: Holder
    acquired: float
    renewed: float
    ttl: float

    def to_dict(self) -> dict[str, Any]:
        return {"schema": 1, **asdict(self)}


@dataclass(frozen=True)
class Here:
    """Where the decision is taken: what can be known about a process from here."""

    host: str
    boot_id: str
    pid_namespace: str

    def can_see(self, holder: Holder) -> bool:
        """Whether the pid of a holder means the same process here."""
        return (self.host, self.boot_id, self.pid_namespace) == (holder.host, holder.boot_id, holder.pid_namespace)

    def outlived(self, holder: Holder) -> bool:
        """Whether the holder ran on this host before it was restarted."""
        return self.host == holder.host and self.host not in NAMELESS and self.boot_id != holder.boot_id


@dataclass(frozen=True)
class Verdict:
    """What to do (take, renew, take over, wait) and why, as a clause; for a wait also who holds it and since when.

    spared: for a wait that only who asked to spare something has to make, all that it is.
    """

    action: str
    reason: str
    spared: tuple[str, ...] = ()


def parse_holder(value: Any) -> Holder:
    """Read the ``controller`` that petal.hpc.seed_info returns; LockError with what is wrong.

    Numbers may come as text, and the pid namespace as the kernel writes it (``pid:[4026531836]``).
    """
    if not isinstance(value, Mapping):
        raise LockError("holder is no mapping; give it the controller that petal.hpc.seed_info returns")
    missing = [key for key in ("host", "boot_id", "pid_namespace", "pid", "start_time") if value.get(key) in (None, "")]
    if missing:
        raise LockError(f"holder lacks {', '.join(missing)}; give it the controller that petal.hpc.seed_info returns")
    try:
        pid = int(value["pid"])
    except (TypeError, ValueError, OverflowError) as error:
        raise LockError(f"holder.pid {value['pid']!r} is no number") from error
    number = re.search(r"[0-9]+", str(value["pid_namespace"]))
    return Holder(
        host=str(value["host"]),
        boot_id=str(value["boot_id"]),
        pid_namespace=number.group() if number else str(value["pid_namespace"]),
        pid=pid,
        start_time=str(value["start_time"]),
    )


def parse_record(value: Any) -> LockRecord:
    """Read the content of a held lock; LockError when it cannot be understood."""
    if not isinstance(value, Mapping):
        raise LockError("the record is no mapping")
    build_id = value.get("build_id")
    if not isinstance(build_id, str) or not BUILD_ID.fullmatch(build_id):
        raise LockError("build_id is missing or no id")
    times = []
    for key in ("acquired", "renewed", "ttl"):
        number = value.get(key)
        # Beyond what is a time anywhere.
        if not isinstance(number, (int, float)) or isinstance(number, bool) or not abs(number) < 1e11:
            raise LockError(f"{key} is no number")
        times.append(float(number))
    return LockRecord(build_id, parse_holder(value.get("holder")), *times)


def judge(record: LockRecord | None, asker: Holder, here: Here, running: bool, now: float) -> Verdict:
    """Decide whether the asker may have the lock.

    :param record: content of the lock; None when it is free.
    :param running: whether a process with the holder's pid and start time runs here; counts only where the holder
        can be seen from here.
    :param now: seconds since 1970.
    """
    if record is None:
        return Verdict(TAKE, "it is free")
    holder = record.holder
    if holder == asker:
        return Verdict(RENEW, "it is ours")
    since = f"since {utc(record.acquired)} ({lasting(now - record.acquired)})"
    if here.can_see(holder):
        if running:
            return Verdict(WAIT, f"{holder} is building {since}")
        return Verdict(TAKE_OVER, f"{holder} has ended without giving it back")
    if here.outlived(holder):
        return Verdict(TAKE_OVER, f"{holder.host} was restarted since")
    age = now - record.renewed
    if age > record.ttl:
        return Verdict(TAKE_OVER, f"{holder} has not renewed it for {int(age)} s")
    if age < -record.ttl:
        # A clock that was set back must not lock everybody out.
        return Verdict(TAKE_OVER, f"{holder} renewed it in the future, the clock was changed")
    left = max(0, int(record.ttl - age))
    seen = f"renewed {max(0, int(age))} s ago, free {left} s from now unless it is renewed"
    return Verdict(WAIT, f"{holder} holds it {since}; {seen}")


def utc(seconds: float) -> str:
    """Seconds since 1970 as a time in UTC, as people read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def lasting(seconds: float) -> str:
    """How long something has gone on: ``40 s``, ``12 min``, ``3 h 5 min``."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def waiting(build_id: str, reason: str, waited: float, timeout: float) -> str:
    """What whoever waits says from time to time."""
    return (
        f"Waiting for the build {build_id}: {reason}. "
        f"Waited {lasting(waited)} so far, and will for {lasting(timeout - waited)} more."
    )


def farewell(build_id: str, left: str, go_on: str) -> str:
    """What a controller that is ended in the middle of a build says, in one line.

    :param left: what stays, as a clause. go_on: the commands that go on with it or remove it.
    """
    return f"The build {build_id} was interrupted: {left} {go_on}"


def may_release(record: LockRecord | None, holder: Holder | None, build_id: str | None) -> bool:
    """Whether the lock is held, and by the one who gives it back: each of holder and build id that is given fits."""
    if record is None or (holder is None and build_id is None):
        return False
    return holder in (None, record.holder) and build_id in (None, record.build_id)
