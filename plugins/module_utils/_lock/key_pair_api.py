# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locks of builds on AWS: one key pair for each fingerprint, and its private key on the controller.

EC2 imports one key pair by a name, so whoever imports it has the lock. A take-over is a deletion by id and an import:
of two who try, the second deletes nothing and is refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import (
    EC2KeyErrorHandler,
    delete_key_pair,
    describe_key_pairs,
    describe_volumes,
    import_key_pair,
)
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import BUILD_ID as BUILD_ID_PATTERN
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_build_id
from ansible_collections.petal.hpc.plugins.module_utils._core.names import resource_name
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import (
    BUILD_ID,
    FINGERPRINT,
    HOLDER,
    KEEP_UNTIL,
    KEY_PAIR_ID,
    KEY_STORE,
    RENEWED,
    build_tags,
    from_aws,
    moment,
    stamp,
    tag_filters,
    tag_specifications,
    to_aws,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.api import UNFINISHED, Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_pair import (
    KeyHeldError,
    KeyLock,
    holder_tag,
    judge_key,
    lock_tags,
    may_change,
    parse_lock,
    portable,
    portable_host,
    same_key,
)
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store import NOWHERE, KeyStore, key_store_of
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store_api import SealedKeys, public_key_of
from ansible_collections.petal.hpc.plugins.module_utils._lock.model import (
    RENEW,
    TAKE,
    TAKE_OVER,
    WAIT,
    Here,
    Holder,
    LockError,
    Verdict,
    parse_holder,
)

POLL, SLOWEST_POLL = 2.0, 15.0
# Seconds that EC2 may take to list a key pair that it has.
PATIENCE = 300.0
# How often the holder's process is looked at while a lock is kept renewed.
GLANCE = 1.0


@dataclass(frozen=True)
class KeyRequest:
    """Who wants to build what.

    key_file: where the private key is. timeout: seconds to wait. ttl: seconds until a holder that cannot be seen
    counts as dead. build_timeout: seconds that a build may take. interval: seconds between renewals. spare_detached:
    whether a build that runs on its own counts as alive; spare_kept: the same for the finished work of a failed one.
    keep_for: seconds for which such work is spared, None for as long as before. waited: seconds before. key_store: how
    the private key is kept.
    """

    name: str
    fingerprint: str
    build_id: str | None
    petal_name: str
    holder: Holder | None
    key_file: Path
    timeout: float
    ttl: float
    build_timeout: float
    interval: float
    force: bool
    spare_detached: bool = False
    waited: float = 0.0
    spare_kept: bool = False
    keep_for: float | None = None
    key_store: KeyStore = NOWHERE


def request_of(params: Mapping[str, Any]) -> KeyRequest:
    """A module's parameters as a request, with what they leave out. Raises PetalError."""
    name = params["name"] or resource_name(params["fingerprint"])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return KeyRequest(
        name=name,
        fingerprint=params["fingerprint"],
        build_id=None if params["build_id"] is None else check_build_id(params["build_id"]),
        petal_name=params["petal_name"] or "",
        holder=None if params["holder"] is None else portable(parse_holder(params["holder"])),
        key_file=Path(params["key_file"]) if params["key_file"] else cache / "petal" / "keys" / name,
        timeout=params["timeout"],
        ttl=params["ttl"],
        build_timeout=params["build_timeout"],
        interval=params["interval"],
        waited=params["waited"],
        force=params["force"],
        spare_detached=params["spare_detached"],
        spare_kept=params["spare_kept"],
        keep_for=params["keep_for"],
        key_store=key_store_of(params["key_store"]),
    )


class KeyLocks:
    """The locks of an account in a Region.

    :param client: EC2's.
    :param sealed: the private keys that are kept for other controllers.
    :param sleep: waits between two looks; a test gives its own.
    """

    def __init__(
        self, client: Any, host: Host, sealed: SealedKeys, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._sealed = sealed
        self._host = host
        self._sleep = sleep

    def run(self, state: str, request: KeyRequest, check: bool) -> dict[str, Any]:
        """Do what a state of the module asks for; what the module returns."""
        if state == "present":
            return self.acquire(request, check)
        if state == "renewing":
            return self.keep_renewed(request, check)
        return self.release(request, check) if state == "absent" else self.detach(request, check, kept=state == "kept")

    def acquire(self, request: KeyRequest, check: bool = False) -> dict[str, Any]:
        """Take the lock, or wait for it; renew it when it is ours. Raises KeyHeldError when it does not come free."""
        began, poll = time.monotonic(), POLL
        while True:
            lock = self._find(request)
            verdict = self._judge(lock, request)
            if verdict.action in (TAKE, TAKE_OVER) or verdict.spared:
                lock = self._as_long_as_kept(lock, request)
                verdict = self._judge(lock, request)
            waited = time.monotonic() - began
            if check:
                return self._said(lock, verdict, request, waited)
            if verdict.action != WAIT:
                result = self._have(lock, verdict, request, waited)
                if result is not None:
                    return result
                if waited >= request.timeout + PATIENCE:
                    raise LockError(
                        f"EC2 has a key pair {request.name}, and does not list it for {int(waited)} s. Run again."
                    )
            elif waited >= request.timeout:
                raise KeyHeldError(
                    f"the build {lock.build_id if lock else '?'} holds the lock {request.name} ({verdict.reason}); "
                    f"waited {int(request.waited + waited)} s for it. "
                    "Wait for that build to end, or end it, and run again.",
                    lock.to_dict() if lock else None,
                    verdict.reason,
                    verdict.spared,
                )
            # Who was refused what is free has met somebody faster, or a list that lags behind.
            self._sleep(poll if verdict.action != WAIT else max(0.05, min(poll, request.timeout - waited)))
            poll = min(poll * 1.5, SLOWEST_POLL)

    def release(self, request: KeyRequest, check: bool = False) -> dict[str, Any]:
        """Give the lock back, with its private key; what somebody else holds is left alone."""
        lock = self._find(request)
        mine = may_change(lock, request.holder, request.build_id, request.force)
        if lock is not None and mine and not check:
            # The key first: a lock without its key is found and cleared, a key without its lock is not.
            if lock.key_store or request.key_store.kind:
                self._sealed.forget(lock.build_id)
            with explained(f"removing the private key {request.key_file}"):
                request.key_file.unlink(missing_ok=True)
            self._delete(lock)
        return {"changed": mine, "lock": lock.to_dict() if lock and not mine else None}

    def detach(self, request: KeyRequest, check: bool = False, *, kept: bool = False) -> dict[str, Any]:
        """Leave the build to itself: whoever comes next goes on with it. Raises LockError when it is not ours.

        :param kept: nothing runs there.
        """
        lock, began = self._find(request), time.monotonic()
        while lock is None and request.key_file.exists() and time.monotonic() - began < PATIENCE:
            # Its private key is here: EC2 has it, and does not list it yet.
            self._sleep(POLL)
            lock = self._find(request)
        if lock is None or not may_change(lock, request.holder, request.build_id, request.force):
            raise LockError(
                f"the lock {request.name} is not ours to detach: "
                + (f"the build {lock.build_id} holds it ({holder_tag(lock.holder)})" if lock else "nobody holds it")
            )
        now, until = time.time(), {}
        if kept and request.keep_for is not None:
            until = {KEEP_UNTIL: stamp(now + request.keep_for) if request.keep_for else ""}
        changed = lock.holder is not None or lock.kept != kept or bool(until)
        if changed and not check:
            # On the volume too: a controller that takes the lock over makes another key pair, and may fail at it.
            for volume in self._volumes(request) if until else ():
                self._tag(str(volume["VolumeId"]), until)
            self._tag(lock.lock_id, {HOLDER: holder_tag(None, kept=kept), RENEWED: stamp(now), **until})
        return {"changed": changed, "lock": replace(lock, holder=None, kept=kept).to_dict()}

    def keep_renewed(self, request: KeyRequest, check: bool = False) -> dict[str, Any]:
        """Renew the lock until its holder's process has ended, or somebody else has it. Raises LockError."""
        holder = self._holder(request)
        if not self._here().can_see(holder):
            raise LockError(f"{holder} cannot be seen from here: keep the lock renewed on the host that builds")
        renewed, reason = 0, ""
        # A list may lag behind what was just made, and for minutes; once it was listed, a gap is shorter.
        there, patience = time.monotonic(), PATIENCE
        while not reason and not check:
            missing = False
            try:
                lock = self._find(request)
                missing = lock is None
                if lock is None:
                    reason = "the key pair is gone" if time.monotonic() - there > patience else ""
                elif lock.holder != holder:
                    reason = f"{lock.holder or 'nobody'} holds it now"
                else:
                    there, patience = time.monotonic(), min(PATIENCE, 5 * request.interval)
                    self._tag(lock.lock_id, {RENEWED: stamp(time.time())})
                    renewed += 1
            except (AwsError, LockError):
                # As long as the build lives it may get through again; the build says what is wrong. Meanwhile nobody
                # knows whether it is listed.
                there = time.monotonic()
            end = time.monotonic() + (min(request.interval, 5.0) if missing else request.interval)
            while not reason and time.monotonic() < end:
                if not self._runs(holder):
                    reason = f"{holder} has ended"
                self._sleep(min(GLANCE, request.interval))
        return {"changed": renewed > 0, "lock": {"name": request.name, "renewed": renewed, "reason": reason}}

    # The decision

    def _find(self, request: KeyRequest) -> KeyLock | None:
        with aws(f"looking for the key pair {request.name}"):
            found = describe_key_pairs(
                self._client, Filters=[{"Name": "key-name", "Values": [request.name]}], IncludePublicKey=True
            )
        return parse_lock(found[0], request.fingerprint) if found else None

    def _judge(self, lock: KeyLock | None, request: KeyRequest) -> Verdict:
        running = lock is not None and lock.holder is not None and self._runs(lock.holder)
        return judge_key(
            lock,
            self._holder(request),
            self._here(),
            running,
            now=time.time(),
            ttl=request.ttl,
            spare=request.spare_detached,
            spare_kept=request.spare_kept,
        )

    def _holder(self, request: KeyRequest) -> Holder:
        if request.holder is None:
            raise LockError("holder is missing; give it the controller that petal.hpc.seed_info returns")
        return request.holder

    def _here(self) -> Here:
        identity = self._host.identity()
        return Here(portable_host(identity["host"]), identity["boot_id"], identity["pid_namespace"])

    def _runs(self, holder: Holder) -> bool:
        status = self._host.process_stat(holder.pid)
        # A killed process that nobody has waited for is still listed.
        return status is not None and status.state not in "ZX" and str(status.start_time) == holder.start_time

    # Having it

    def _said(self, lock: KeyLock | None, verdict: Verdict, request: KeyRequest, waited: float) -> dict[str, Any]:
        """What check mode answers: who holds it, and whether it could be had."""
        kept = lock is not None and same_key(public_key_of(self._host, request.key_file), lock.public_key)
        if lock is None:
            now = time.time()
            lock = KeyLock(
                "", "", request.name, request.build_id or "", request.holder, now, stamp(now), self._deadline(request)
            )
        return {
            "changed": verdict.action not in (RENEW, WAIT),
            "lock": self._result(lock, verdict, request, waited, key_kept=kept),
        }

    def _have(
        self, lock: KeyLock | None, verdict: Verdict, request: KeyRequest, waited: float
    ) -> dict[str, Any] | None:
        """Take what may be taken; None when somebody else was faster."""
        now = time.time()
        over = lock is not None and verdict.action == TAKE_OVER and lock.over(now)
        known = self._key_of(lock, request) if lock and not over else ""
        kept = lock is not None and same_key(known, lock.public_key)
        # Where hosts are reached without a key, one with another key is as good.
        host_kept = kept or (lock is not None and not over and not request.key_store.needed)
        if lock is not None and over:
            # It gets a time of its own, and a host whose dead man's switch knows that time.
            lock = replace(lock, started=stamp(now), deadline=self._deadline(request))
        if lock is not None and verdict.action == RENEW and kept:
            if now - lock.renewed > request.ttl / 4:
                self._tag(lock.lock_id, {RENEWED: stamp(now)})
            return {"changed": False, "lock": self._result(lock, verdict, request, waited, key_kept=True)}
        wanted = lock or self._left_behind(request) or self._fresh(request)
        if wanted.build_id != request.build_id and lock is None:
            verdict = Verdict(TAKE_OVER, f"the build {wanted.build_id} left its volume behind")
        wanted = replace(wanted, key_store=request.key_store.kind or wanted.key_store)
        draft = None if kept else self._generate(request)
        try:
            if lock is not None:
                self._delete(lock)
            got = self._import(request, wanted, known if kept else public_key_of(self._host, draft), host_kept)
            if got is not None and draft is not None:
                with explained(f"keeping the private key {request.key_file}"):
                    draft.replace(request.key_file)
        finally:
            if draft is not None:
                draft.unlink(missing_ok=True)
        if got is None:
            return None
        self._seal(got, request, fresh=lock is None, new=not kept)
        return {"changed": True, "lock": self._result(got, verdict, request, waited, key_kept=kept)}

    def _key_of(self, lock: KeyLock, request: KeyRequest) -> str:
        """The public part of the private key that is here: that of the lock, where it is here or can be had."""
        known = public_key_of(self._host, request.key_file)
        if not request.key_store.kind or same_key(known, lock.public_key):
            return known
        brought = self._sealed.bring(lock.build_id, lock.public_key, request.key_file)
        return lock.public_key if brought else known

    def _seal(self, lock: KeyLock, request: KeyRequest, *, fresh: bool, new: bool) -> None:
        """Keep the private key for other controllers, where that is asked for; where it cannot be, the lock goes back.

        :param fresh: whether nobody had the lock before. new: whether the key has just been made.
        """
        if not request.key_store.kind:
            return
        tags = build_tags(request.fingerprint, lock.build_id, request.petal_name)
        try:
            self._sealed.seal(lock.build_id, request.key_file, tags, request.key_store.kms_key_id, new=new)
        except PetalError:
            if fresh:
                request.key_file.unlink(missing_ok=True)
                self._delete(lock)
            else:
                # What an earlier run made needs its lock, which is free for whoever comes next.
                self._tag(lock.lock_id, {HOLDER: holder_tag(None), RENEWED: stamp(time.time())})
            raise

    def _fresh(self, request: KeyRequest) -> KeyLock:
        now = time.time()
        build_id = check_build_id(request.build_id or "")
        return KeyLock("", "", request.name, build_id, request.holder, now, stamp(now), self._deadline(request))

    def _left_behind(self, request: KeyRequest) -> KeyLock | None:
        """A build whose lock went with a controller that died while it took it over: its volume still names it."""
        for volume in self._volumes(request):
            tags = from_aws(volume.get("Tags"))
            build_id = tags.get(BUILD_ID, "")
            if BUILD_ID_PATTERN.fullmatch(build_id):
                return replace(self._fresh(request), build_id=build_id, keep_until=tags.get(KEEP_UNTIL, ""))
        return None

    def _as_long_as_kept(self, lock: KeyLock | None, request: KeyRequest) -> KeyLock | None:
        """A lock with what the build's volume says of how long it is kept: a controller may die, or lose its way to
        AWS, before it says so on the lock. For who spares what is kept also one whose lock is gone.
        """
        if lock is None and not request.spare_kept:
            return None
        left = self._left_behind(request)
        if lock is None:
            return replace(left, holder=None, kept=True) if left is not None and left.spared(time.time()) else None
        if left is None or left.build_id != lock.build_id:
            return lock
        return replace(lock, keep_until=max(lock.keep_until, left.keep_until))

    def _volumes(self, request: KeyRequest) -> list[dict[str, Any]]:
        """The build's volumes, the newest first."""
        filters = [
            *tag_filters({FINGERPRINT: request.fingerprint, "Name": request.name}),
            {"Name": "status", "Values": ["creating", "available", "in-use"]},
        ]
        with aws(f"looking for volumes of {request.name}"):
            volumes: list[dict[str, Any]] = describe_volumes(self._client, Filters=filters)
        return sorted(volumes, key=lambda one: str(one.get("CreateTime", "")), reverse=True)

    def _deadline(self, request: KeyRequest) -> str:
        return stamp(time.time() + request.build_timeout)

    def _import(self, request: KeyRequest, wanted: KeyLock, public_key: str, host_kept: bool) -> KeyLock | None:
        holder, now = self._holder(request), time.time()
        tags = lock_tags(
            request.fingerprint,
            request.petal_name,
            holder,
            now,
            build_id=wanted.build_id,
            started=wanted.started,
            deadline=wanted.deadline,
        )
        if host_kept:
            tags[KEY_PAIR_ID] = wanted.key_pair_id
        if wanted.keep_until:
            tags[KEEP_UNTIL] = wanted.keep_until
        if wanted.key_store:
            tags[KEY_STORE] = wanted.key_store
        try:
            with aws(f"importing the key pair {request.name}"):
                made = import_key_pair(
                    self._client,
                    KeyName=request.name,
                    PublicKeyMaterial=public_key.encode("ascii"),
                    TagSpecifications=tag_specifications(["key-pair"], tags),
                )
        except AwsError as error:
            if error.code != "InvalidKeyPair.Duplicate":
                raise
            # It may be our own, when the first answer was lost on its way.
            found = self._find(request)
            ours = found is not None and found.holder == holder and same_key(found.public_key, public_key)
            return found if ours else None
        lock_id = str(made["KeyPairId"])
        return replace(
            wanted,
            lock_id=lock_id,
            key_pair_id=wanted.key_pair_id if host_kept else lock_id,
            holder=holder,
            renewed=now,
            public_key=public_key,
            kept=False,
        )

    def _result(
        self, lock: KeyLock, verdict: Verdict, request: KeyRequest, waited: float, *, key_kept: bool
    ) -> dict[str, Any]:
        return {
            **lock.to_dict(),
            "key_file": str(request.key_file),
            "key_kept": key_kept,
            "ours": verdict.action == RENEW,
            "taken_over": verdict.action == TAKE_OVER,
            "remaining_s": int((moment(lock.deadline) or 0.0) - time.time()),
            "waited_s": round(request.waited + waited, 1),
            "reason": verdict.reason,
        }

    def _delete(self, lock: KeyLock) -> None:
        with aws(f"deleting the key pair {lock.name}"):
            delete_key_pair(self._client, key_id=lock.lock_id)

    def _tag(self, resource_id: str, tags: Mapping[str, str]) -> None:
        call(
            EC2KeyErrorHandler,
            f"tagging {resource_id}",
            self._client.create_tags,
            aws_retry=True,
            Resources=[resource_id],
            Tags=to_aws(tags),
        )

    # Keys

    def _generate(self, request: KeyRequest) -> Path:
        """A new private key beside its place, for its owner only."""
        directory, name = request.key_file.parent, f"{UNFINISHED}{request.key_file.name}-"
        with explained(f"making a key in {directory}"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in directory.glob(f"{name}*"):
                pid = left.name[len(name) :].partition(".")[0]
                if pid.isdigit() and (int(pid) == os.getpid() or self._host.process_stat(int(pid)) is None):
                    left.unlink(missing_ok=True)
            draft = directory / f"{name}{os.getpid()}"
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", request.name, "-f", str(draft)]
            self._host.run(argv, f"making a key in {directory}")
            draft.with_name(f"{draft.name}.pub").unlink(missing_ok=True)
        return draft
