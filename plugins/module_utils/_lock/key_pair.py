# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a build on AWS: an EC2 key pair, of which there is one by a name, and what its tags say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_build_id
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import (
    BUILD_ID,
    DEADLINE,
    FINGERPRINT,
    HOLDER,
    KEEP_UNTIL,
    KEY_PAIR_ID,
    KEY_STORE,
    RENEWED,
    STARTED,
    build_tags,
    from_aws,
    moment,
    stamp,
)
from ansible_collections.petal.hpc.plugins.module_utils._lock.model import (
    TAKE,
    TAKE_OVER,
    WAIT,
    Here,
    Holder,
    LockError,
    LockRecord,
    Verdict,
    judge,
    parse_holder,
)

DETACHED = "detached"
# What a failed build left, where it was asked to: nothing runs there.
KEPT = "kept"
# Seconds behind its deadline for which the host of a build lives (build-host.sh.j2 of the role build_host).
GRACE = 3600
# The longest of each, so that all of them fit into one tag.
HOST, BOOT_ID, NUMBER = 64, 36, 20


class KeyHeldError(LockError):
    """A living build holds the lock; ``lock`` is what is known of it, ``reason`` who holds it and since when.

    spared: what holds back who may have it otherwise, of DETACHED and KEPT; empty for a build that surely lives.
    """

    def __init__(self, message: str, lock: dict[str, Any] | None, reason: str = "", spared: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.lock = lock
        self.reason = reason
        self.spared = tuple(spared)


@dataclass(frozen=True)
class KeyLock:
    """A held lock.

    lock_id: EC2's id of the key pair, another one after each take-over. key_pair_id: the id under which this key was
    first imported, so that it names the key. holder: None when the build was left to itself (detached), or what a
    failed one made was kept; kept: which of them. keep_until: a stamp until which a clean-up spares what was finished;
    empty where there is no such thing. renewed: seconds since 1970. started, deadline: stamps in UTC.
    public_key: as EC2 gives it. key_store: where the private key is kept beside the controller that made it; empty for
    nowhere.
    """

    lock_id: str
    key_pair_id: str
    name: str
    build_id: str
    holder: Holder | None
    renewed: float
    started: str
    deadline: str
    public_key: str = ""
    kept: bool = False
    keep_until: str = ""
    key_store: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For people and playbooks."""
        holder: Any = self.holder.to_dict() if self.holder else holder_tag(None, kept=self.kept)
        return {**asdict(self), "holder": holder, "renewed": stamp(self.renewed)}

    def overdue(self, now: float) -> bool:
        """Whether the build should have ended by now."""
        return now >= (moment(self.deadline) or 0.0)

    def spared(self, now: float) -> bool:
        """Whether a clean-up spares what was finished."""
        return now < (moment(self.keep_until) or 0.0)

    def over(self, now: float) -> bool:
        """Whether its time is over for whoever takes it over: it died or failed long ago, or its host is gone.

        A host that was left to itself lives for an hour behind the deadline, and what it has finished may be fetched.
        """
        if self.holder is None and not self.kept:
            return self.overdue(now - GRACE)
        return self.overdue(now) or bool(self.kept and self.keep_until)


def portable(holder: Holder) -> Holder:
    """A holder that surely fits into a tag, and reads the same when it comes back."""
    return Holder(
        host=portable_host(holder.host),
        boot_id=_plain(holder.boot_id)[:BOOT_ID],
        pid_namespace=_plain(holder.pid_namespace)[:NUMBER],
        pid=holder.pid,
        start_time=_plain(holder.start_time)[:NUMBER],
    )


def portable_host(host: str) -> str:
    """A host's name as it stands in a tag."""
    return _plain(host)[:HOST]


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._:-]", "_", text)


def holder_tag(holder: Holder | None, *, kept: bool = False) -> str:
    """The tag of a holder; None: the build was left to itself, or kept after a failure."""
    return json.dumps(holder.to_dict(), separators=(",", ":")) if holder else KEPT if kept else DETACHED


def lock_tags(
    fingerprint: str, petal_name: str, holder: Holder, now: float, *, build_id: str, started: str, deadline: str
) -> dict[str, str]:
    """The tags with which a key pair is imported."""
    return {
        **build_tags(fingerprint, check_build_id(build_id), petal_name),
        HOLDER: holder_tag(holder),
        RENEWED: stamp(now),
        STARTED: started,
        DEADLINE: deadline,
    }


def parse_lock(key_pair: Mapping[str, Any], fingerprint: str) -> KeyLock:
    """Read a key pair as DescribeKeyPairs gives it.

    Raises LockError when it is no lock of this fingerprint: it is somebody else's then, and not ours to delete.
    """
    name, key_id = str(key_pair.get("KeyName", "")), str(key_pair.get("KeyPairId", ""))
    tags = from_aws(key_pair.get("Tags"))
    if tags.get(FINGERPRINT) != fingerprint:
        raise LockError(
            f"the key pair {name} ({key_id}) has the name of this build's lock, but not its tag {FINGERPRINT}: found "
            f"{tags.get(FINGERPRINT, 'none')!r}, expected {fingerprint}. If no build needs it, delete it and run again."
        )
    try:
        holder = None if tags.get(HOLDER) in (DETACHED, KEPT) else parse_holder(json.loads(tags.get(HOLDER, "")))
        build_id = check_build_id(tags.get(BUILD_ID, ""))
    except (ValueError, LockError, IdentityError) as error:
        raise LockError(
            f"the tags of the key pair {name} ({key_id}) cannot be read ({error}). "
            "If no build of this seed runs, delete it and run again."
        ) from error
    return KeyLock(
        lock_id=key_id,
        key_pair_id=tags.get(KEY_PAIR_ID) or key_id,
        name=name,
        build_id=build_id,
        holder=holder,
        # Without a stamp nobody can tell that it is alive.
        renewed=moment(tags.get(RENEWED, "")) or 0.0,
        started=tags.get(STARTED, ""),
        deadline=tags.get(DEADLINE, ""),
        public_key=str(key_pair.get("PublicKey") or ""),
        kept=tags.get(HOLDER) == KEPT,
        keep_until=tags.get(KEEP_UNTIL, ""),
        key_store=tags.get(KEY_STORE, ""),
    )


def judge_key(
    lock: KeyLock | None,
    asker: Holder,
    here: Here,
    running: bool,
    *,
    now: float,
    ttl: float,
    spare: bool = False,
    spare_kept: bool = False,
) -> Verdict:
    """Decide whether the asker may have the lock; as for the locks of a local store, and what is detached is free.

    :param ttl: seconds after which a holder that cannot be seen from here counts as dead.
    :param spare: what may still run counts as alive until its deadline, for who would not go on with it: what is
        detached, and what is built by somebody who cannot be seen from here. A controller whose credentials have
        expired, or that sleeps, renews nothing and lives.
    :param spare_kept: the same for what a build has finished, as long as it is kept, whoever went on with it and died
        since; but for what is detached where that shall not be spared.
    """
    if lock is None:
        return Verdict(TAKE, "it is free")
    verdict = _judge(lock, asker, here, running, now=now, ttl=ttl, spare=spare)
    unwanted = lock.holder is None and not lock.kept and not spare
    if spare_kept and verdict.action == TAKE_OVER and lock.spared(now) and not unwanted:
        return Verdict(WAIT, f"what the build {lock.build_id} has finished is kept until {lock.keep_until}", (KEPT,))
    if verdict.spared:
        # What would still stand in the way of who does not spare what may run.
        further = judge_key(lock, asker, here, running, now=now, ttl=ttl, spare_kept=spare_kept)
        return replace(verdict, spared=verdict.spared + further.spared)
    return verdict


def _judge(lock: KeyLock, asker: Holder, here: Here, running: bool, *, now: float, ttl: float, spare: bool) -> Verdict:
    if lock.holder is None:
        if spare and not lock.kept and not lock.overdue(now):
            return Verdict(WAIT, f"it runs on its own, until {lock.deadline} at most", (DETACHED,))
        return Verdict(TAKE_OVER, f"the build {lock.build_id} was left to itself")
    record = LockRecord(lock.build_id, lock.holder, moment(lock.started) or lock.renewed, lock.renewed, ttl)
    verdict = judge(record, asker, here, running, now)
    known = here.can_see(lock.holder) or here.outlived(lock.holder)
    if spare and verdict.action == TAKE_OVER and not known and not lock.overdue(now):
        return Verdict(WAIT, f"{verdict.reason}, and may live: its time ends at {lock.deadline}", (DETACHED,))
    return verdict


def may_change(lock: KeyLock | None, holder: Holder | None, build_id: str | None, force: bool) -> bool:
    """Whether a lock is ours to give back or to leave to itself: each of holder and build id that is given fits.

    What is detached belongs to whoever knows its build id.
    """
    if lock is None:
        return False
    if force:
        return True
    if build_id not in (None, lock.build_id):
        return False
    return lock.holder == holder if lock.holder else build_id is not None


def same_key(one: str, other: str) -> bool:
    """Whether two public keys in OpenSSH's format are the same, whatever their comments are."""
    first, second = one.split()[:2], other.split()[:2]
    return len(first) == 2 and first == second
