# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build locks: one small file for each fingerprint, read and written under its flock; the file itself stays.

It was last renewed when its content says, or when the file was last touched: touching needs no room on the disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_build_id
from ansible_collections.petal.hpc.plugins.module_utils._core.names import lock_name
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    FULL,
    LOCKS,
    Host,
    explained,
    store_directory,
)
from ansible_collections.petal.hpc.plugins.module_utils._lock.model import (
    RENEW,
    TAKE_OVER,
    WAIT,
    Here,
    Holder,
    LockHeldError,
    LockRecord,
    Verdict,
    judge,
    may_release,
    parse_record,
)

POLL = 2.0
FREE = {"schema": 1, "state": "free"}


@dataclass(frozen=True)
class LockRequest:
    """Who wants to build what.

    timeout: seconds to wait. ttl: seconds until one that cannot be seen counts as dead. waited: seconds before.
    even_if_full: for a clean-up, which makes room: where nobody has the lock and it cannot be written, go on without.
    """

    holder: Holder
    build_id: str
    timeout: float
    ttl: float
    waited: float = 0.0
    even_if_full: bool = False


class BuildLocks:
    """The locks of a store.

    :param sleep: waits between two looks; a test gives its own.
    """

    def __init__(self, host: Host, store: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._host = host
        self._root = store_directory(store) / LOCKS
        self._sleep = sleep
        self._warnings: list[str] = []

    def acquire(self, fingerprint: str, request: LockRequest, check: bool = False) -> dict[str, Any]:
        """Take the lock, or wait for it; renew it when it is ours.

        :return: changed, lock (build_id, taken_over, waited_s, holder, reason), warnings. After a take-over build_id
            is that of the dead build. Raises LockHeldError when it does not come free in time.
        """
        check_build_id(request.build_id)
        started = time.monotonic()
        while True:
            verdict, record = self._try(fingerprint, request, check)
            waited = time.monotonic() - started
            if verdict.action != WAIT or check:
                break
            if waited >= request.timeout:
                held = f"the build {record.build_id} " if record else "another build "
                raise LockHeldError(
                    f"{held}holds the lock of {fingerprint} ({verdict.reason}); "
                    f"waited {int(request.waited + waited)} s for it. "
                    "Wait for that build to end, or end it, and run again.",
                    record,
                    verdict.reason,
                )
            self._sleep(min(POLL, max(0.0, request.timeout - waited)))
        lock = {
            "build_id": record.build_id if record else request.build_id,
            "taken_over": verdict.action == TAKE_OVER,
            "waited_s": round(request.waited + waited, 1),
            "holder": (record.holder if record else request.holder).to_dict(),
            "reason": verdict.reason,
        }
        return {"changed": verdict.action not in (RENEW, WAIT), "lock": lock, "warnings": self._warnings}

    def renew(self, fingerprint: str, holder: Holder, check: bool = False) -> dict[str, Any]:
        """Say that the holder lives; lock.reason is empty where the lock is (still) its, or tells why it is not."""
        path = self._path(fingerprint)
        record = None
        with explained(f"renewing the lock {path}"):
            if path.exists():
                with self._guard(fingerprint):
                    record = self._read(path)
                    if record is not None and record.holder == holder and not check:
                        now = time.time()
                        os.utime(path, (now, now))
        mine = record is not None and record.holder == holder
        reason = "" if mine else f"{record.holder} holds it now" if record else "nobody holds it now"
        return {"changed": False, "lock": {"reason": reason}, "warnings": self._warnings}

    def release(
        self, fingerprint: str, holder: Holder | None, build_id: str | None, check: bool = False
    ) -> dict[str, Any]:
        """Give the lock back; what somebody else holds is left alone."""
        path = self._path(fingerprint)
        with explained(f"giving back the lock {path}"):
            if not path.exists():
                return {"changed": False, "lock": None, "warnings": []}
            with self._guard(fingerprint):
                record = self._read(path)
                mine = may_release(record, holder, build_id)
                if mine and not check:
                    self._host.write_json(path, FREE, 0o600, in_place=True)
        lock = record.to_dict() if record and not mine else None
        return {"changed": mine, "lock": lock, "warnings": self._warnings}

    def _path(self, fingerprint: str) -> Path:
        return self._root / lock_name(fingerprint)

    def _guard(self, fingerprint: str) -> Any:
        # The record is replaced by renaming, so the flock is on a file beside it that always stays the same.
        path = self._path(fingerprint).with_suffix(".lock")
        return self._host.lock(path, f"lock of {fingerprint}", patience=60)

    def _try(self, fingerprint: str, request: LockRequest, check: bool) -> tuple[Verdict, LockRecord | None]:
        path = self._path(fingerprint)
        with explained(f"taking the lock {path}"):
            if check:
                return self._judge(self._read(path), request)
            with self._guard(fingerprint):
                found = self._read(path)
                verdict, _record = self._judge(found, request)
                if verdict.action == WAIT:
                    return verdict, found
                now = time.time()
                record = LockRecord(
                    build_id=found.build_id if found else request.build_id,
                    holder=request.holder,
                    acquired=found.acquired if found and verdict.action == RENEW else now,
                    renewed=now,
                    ttl=request.ttl,
                )
                self._write(path, record, request.even_if_full and found is None)
                return verdict, record

    def _write(self, path: Path, record: LockRecord, even_if_full: bool) -> None:
        try:
            self._host.write_json(path, record.to_dict(), 0o600, in_place=True)
        except OSError as error:
            if not (even_if_full and error.errno in FULL):
                raise
            # Nobody else can write it either, so no build begins before there is room again.
            self._warnings.append(f"the disk with {path} is full: the clean-up goes on without a lock")

    def _judge(self, found: LockRecord | None, request: LockRequest) -> tuple[Verdict, LockRecord | None]:
        here = Here(**self._host.identity())
        running = found is not None and self._runs(found.holder)
        return judge(found, request.holder, here, running, time.time()), found

    def _runs(self, holder: Holder) -> bool:
        status = self._host.process_stat(holder.pid)
        # A killed process that nobody has waited for is still listed.
        return status is not None and status.state not in "ZX" and str(status.start_time) == holder.start_time

    def _read(self, path: Path) -> LockRecord | None:
        try:
            value = self._host.read_json(path)
            if value == FREE:
                return None
            record = parse_record(value)
            return replace(record, renewed=max(record.renewed, path.stat().st_mtime))
        except FileNotFoundError:
            return None
        except PetalError as error:
            # It is replaced in one step, so no crash of ours leaves it so, and nothing in it can be trusted.
            self._warnings.append(f"the lock {path} could not be read ({error}) and is taken as free")
            return None
