# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a lock is kept renewed; the rest of it is tried against an API, in tests/integration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("boto3", reason="boto3 is not in this environment")

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lock import key_pair_api as api
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_pair import KeyLock
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store_api import SealedKeys
from ansible_collections.petal.hpc.plugins.module_utils._lock.model import Here, Holder

OURS = Holder("head", "boot-1", "4026531836", 100, "5000")
LOCK = KeyLock("key-1", "key-1", "petal-0", "b1", OURS, 0.0, "", "")
REQUEST = api.KeyRequest("petal-0", "sha256:0", "b1", "x", OURS, Path("key"), 0, 300, 3600, interval=60, force=False)


def no_command(args: list[str], **_options: Any) -> tuple[int, str, str]:
    raise AssertionError(args)


class Locks(api.KeyLocks):
    """Locks of which each look finds the next of ``found``; an error is raised. Their holder runs."""

    def __init__(self, found: Iterator[KeyLock | AwsError | None]) -> None:
        self.now = 0.0
        self.found = found
        host = Host(no_command)
        super().__init__(None, host, SealedKeys(lambda: None, host), sleep=self.wait)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def _find(self, _request: api.KeyRequest) -> KeyLock | None:
        found = next(self.found)
        if isinstance(found, AwsError):
            raise found
        return found

    def _tag(self, *_arguments: Any) -> None: ...

    def _here(self) -> Here:
        return Here("head", "boot-1", "4026531836")

    def _runs(self, holder: Holder) -> bool:
        return holder == OURS


@pytest.mark.parametrize(
    "between",
    [
        [],
        # The list lags behind for a moment.
        [None] * 3,
        # An hour without a way to AWS, and then a list with a gap.
        [*[AwsError("no route")] * 60, None],
    ],
)
def test_a_lock_is_renewed_through_gaps(between: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    locks = Locks(iter([LOCK, *between, LOCK, replace(LOCK, holder=None)]))
    monkeypatch.setattr(api, "time", SimpleNamespace(monotonic=lambda: locks.now, time=lambda: 1e9 + locks.now))
    ended = locks.keep_renewed(REQUEST)
    assert ended["lock"] == {"name": "petal-0", "renewed": 2, "reason": "nobody holds it now"}


def test_a_lock_that_is_gone_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    locks = Locks(iter([LOCK, *[None] * 1000]))
    monkeypatch.setattr(api, "time", SimpleNamespace(monotonic=lambda: locks.now, time=lambda: 1e9 + locks.now))
    assert locks.keep_renewed(REQUEST)["lock"]["reason"] == "the key pair is gone"
    assert locks.now < 600
