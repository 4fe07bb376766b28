"""Who may build on AWS, read off the tags of a key pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import stamp, to_aws
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_pair import (
    DETACHED,
    KEPT,
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
from ansible_collections.petal.hpc.plugins.module_utils._lock.model import (
    RENEW,
    TAKE,
    TAKE_OVER,
    WAIT,
    Here,
    Holder,
    LockError,
    parse_holder,
)

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
OURS = Holder("head", "boot-1", "4026531836", 100, "5000")
OTHER = replace(OURS, pid=200, start_time="6000")
HERE = Here("head", "boot-1", "4026531836")
NOW = 1_790_000_000.0
LOCK = KeyLock(
    "key-1", "key-1", "petal-x", "b1", OTHER, NOW - 10, stamp(NOW - 100), stamp(NOW + 100), "ssh-ed25519 A c"
)


def key_pair(**tags: str | None) -> dict[str, Any]:
    """A lock as EC2 shows it, with other tags."""
    whole = lock_tags(
        FINGERPRINT, "bio", OTHER, LOCK.renewed, build_id="b1", started=LOCK.started, deadline=LOCK.deadline
    )
    for key, value in tags.items():
        name = f"petal:{key.replace('_', '-')}"
        whole.pop(name, None)
        if value is not None:
            whole[name] = value
    return {"KeyName": "petal-x", "KeyPairId": "key-1", "PublicKey": "ssh-ed25519 A c", "Tags": to_aws(whole)}


def test_tags_there_and_back() -> None:
    assert parse_lock(key_pair(), FINGERPRINT) == LOCK
    assert parse_lock(key_pair(key_pair_id="key-0"), FINGERPRINT) == replace(LOCK, key_pair_id="key-0")
    assert parse_lock(key_pair(holder=DETACHED), FINGERPRINT) == replace(LOCK, holder=None)
    assert parse_lock(key_pair(holder=KEPT), FINGERPRINT) == replace(LOCK, holder=None, kept=True)
    # Nobody can tell whether it lives.
    assert parse_lock(key_pair(renewed="today"), FINGERPRINT).renewed == 0.0


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"fingerprint": None}, "found 'none'"),
        ({"fingerprint": "sha256:0"}, "delete it and run again"),
        ({"holder": None}, "cannot be read"),
        ({"holder": "{"}, "cannot be read"),
        ({"holder": "[]"}, "no mapping"),
        ({"holder": '{"host":"x"}'}, "lacks boot_id"),
        ({"build_id": None}, "not allowed"),
        ({"build_id": "a b"}, "not allowed"),
    ],
)
def test_a_key_pair_that_is_no_lock(tags: dict[str, str | None], message: str) -> None:
    with pytest.raises(LockError, match=message):
        parse_lock(key_pair(**tags), FINGERPRINT)


@pytest.mark.parametrize(
    ("lock", "running", "action"),
    [
        (None, False, TAKE),
        (replace(LOCK, holder=OURS), True, RENEW),
        (LOCK, True, WAIT),
        (LOCK, False, TAKE_OVER),
        (replace(LOCK, renewed=0.0), True, WAIT),
        (replace(LOCK, holder=None), False, TAKE_OVER),
        (replace(LOCK, holder=replace(OTHER, boot_id="boot-0")), False, TAKE_OVER),
        (replace(LOCK, holder=replace(OTHER, host="elsewhere")), False, WAIT),
        (replace(LOCK, holder=replace(OTHER, host="elsewhere"), renewed=NOW - 301), True, TAKE_OVER),
        (replace(LOCK, holder=replace(OTHER, pid_namespace="1"), renewed=NOW - 299), False, WAIT),
    ],
)
def test_who_may_have_it(lock: KeyLock | None, running: bool, action: str) -> None:
    assert judge_key(lock, OURS, HERE, running, now=NOW, ttl=300).action == action


@pytest.mark.parametrize(
    ("lock", "action"),
    [
        (replace(LOCK, holder=None), WAIT),
        (replace(LOCK, holder=None, deadline=stamp(NOW - 1)), TAKE_OVER),
        (replace(LOCK, holder=None, deadline=""), TAKE_OVER),
        (replace(LOCK, holder=None, kept=True), TAKE_OVER),
        (LOCK, TAKE_OVER),
        (None, TAKE),
        # A controller that cannot be seen may live without renewing: its token expired, or it sleeps.
        (replace(LOCK, holder=replace(OTHER, host="elsewhere"), renewed=NOW - 4000), WAIT),
        (replace(LOCK, holder=replace(OTHER, host="elsewhere"), renewed=NOW + 4000), WAIT),
        (replace(LOCK, holder=replace(OTHER, pid_namespace="1"), renewed=NOW - 4000), WAIT),
        (
            replace(LOCK, holder=replace(OTHER, host="elsewhere"), renewed=NOW - 4000, deadline=stamp(NOW - 1)),
            TAKE_OVER,
        ),
        (replace(LOCK, holder=replace(OTHER, boot_id="boot-0"), renewed=NOW - 4000), TAKE_OVER),
    ],
)
def test_a_clean_up_spares_what_may_run(lock: KeyLock | None, action: str) -> None:
    verdict = judge_key(lock, OURS, HERE, False, now=NOW, ttl=300, spare=True)
    assert (verdict.action, verdict.spared) == (action, (DETACHED,) if action == WAIT else ())


def test_the_longest_holder_fits_into_a_tag() -> None:
    longest = Holder("ä" * 300, "b" * 300, "4" * 300, 4_194_304, "9" * 300)
    held = portable(longest)
    assert len(holder_tag(held)) <= 256
    assert portable(held) == held
    assert held.host == portable_host("ä" * 300)


def test_a_usual_holder_is_not_changed() -> None:
    usual = Holder("node-1.example.org", "f67d9e4b-00b4-4b38-a3f1-f0e39fb95cd0", "4026532180", 4_194_304, "14121160")
    assert portable(usual) == usual
    assert parse_lock(key_pair(holder=holder_tag(usual)), FINGERPRINT).holder == usual
    assert portable(parse_holder({**usual.to_dict(), "pid_namespace": "pid:[4026532180]"})) == usual


@pytest.mark.parametrize(
    ("lock", "holder", "build_id", "force", "expected"),
    [
        (None, OTHER, "b1", False, False),
        (None, None, None, True, False),
        (LOCK, OTHER, "b1", False, True),
        (LOCK, OTHER, None, False, True),
        (LOCK, OTHER, "b2", False, False),
        (LOCK, OURS, "b1", False, False),
        (LOCK, None, "b1", False, False),
        (LOCK, OURS, "b2", True, True),
        # What is detached belongs to whoever knows its build id.
        (replace(LOCK, holder=None), OURS, "b1", False, True),
        (replace(LOCK, holder=None), OURS, None, False, False),
        (replace(LOCK, holder=None), OURS, "b2", False, False),
    ],
)
def test_who_may_give_it_back(
    lock: KeyLock | None, holder: Holder | None, build_id: str | None, force: bool, expected: bool
) -> None:
    assert may_change(lock, holder, build_id, force) is expected


def test_overdue() -> None:
    assert not LOCK.overdue(NOW)
    assert LOCK.overdue(NOW + 100)
    assert replace(LOCK, deadline="").overdue(NOW)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ssh-ed25519 AAA petal", "ssh-ed25519 AAA other\n", True),
        ("ssh-ed25519 AAA", "ssh-ed25519 AAA x", True),
        ("ssh-ed25519 AAA", "ssh-ed25519 AAB", False),
        ("", "", False),
        ("ssh-ed25519", "ssh-ed25519", False),
    ],
)
def test_same_key(one: str, other: str, same: bool) -> None:
    assert same_key(one, other) is same


def test_for_playbooks() -> None:
    assert LOCK.to_dict()["holder"]["pid"] == 200
    assert replace(LOCK, holder=None).to_dict()["holder"] == DETACHED
    assert replace(LOCK, holder=None, kept=True).to_dict()["holder"] == KEPT


def test_what_was_finished_is_spared_by_a_clean_up_for_its_time() -> None:
    """Whoever went on with it and died; a build goes on with it at any time."""
    until = stamp(NOW + 60)
    for lock in (
        replace(LOCK, holder=None, kept=True, keep_until=until),
        replace(LOCK, keep_until=until),
        replace(LOCK, holder=replace(OTHER, host="elsewhere"), renewed=NOW - 1000, keep_until=until),
    ):
        verdict = judge_key(lock, OURS, HERE, False, now=NOW, ttl=300, spare_kept=True)
        assert (verdict.action, verdict.reason) == (WAIT, f"what the build b1 has finished is kept until {until}")
        assert judge_key(lock, OURS, HERE, False, now=NOW + 61, ttl=300, spare_kept=True).action == TAKE_OVER
        assert judge_key(lock, OURS, HERE, False, now=NOW, ttl=300).action == TAKE_OVER
    detached = replace(LOCK, holder=None, keep_until=until)
    assert judge_key(detached, OURS, HERE, False, now=NOW, ttl=300, spare=True, spare_kept=True).spared == (DETACHED,)
    over = replace(detached, deadline=stamp(NOW - 1))
    assert judge_key(over, OURS, HERE, False, now=NOW, ttl=300, spare=True, spare_kept=True).spared == (KEPT,)
    # Who does not spare what is detached means what it has finished, too.
    assert judge_key(detached, OURS, HERE, False, now=NOW, ttl=300, spare_kept=True).action == TAKE_OVER
    kept = replace(LOCK, holder=None, kept=True)
    assert judge_key(kept, OURS, HERE, False, now=NOW, ttl=300, spare_kept=True).action == TAKE_OVER
    # Of who cannot be seen both are spared, and one is said with the other.
    unseen = replace(LOCK, holder=replace(OTHER, host="elsewhere"), renewed=NOW - 1000, keep_until=until)
    for lock, spare_kept, spared in (
        (unseen, True, (DETACHED, KEPT)),
        (unseen, False, (DETACHED,)),
        (replace(unseen, keep_until=""), True, (DETACHED,)),
        (detached, True, (DETACHED,)),
        (over, True, (KEPT,)),
        (replace(LOCK, renewed=NOW, holder=replace(OTHER, host="elsewhere")), True, ()),
    ):
        verdict = judge_key(lock, OURS, HERE, False, now=NOW, ttl=300, spare=True, spare_kept=spare_kept)
        assert (verdict.action, verdict.spared) == (WAIT, spared)
    ours = replace(LOCK, holder=OURS, keep_until=until)
    assert judge_key(ours, OURS, HERE, True, now=NOW, ttl=300, spare_kept=True).action == RENEW
    assert parse_lock(key_pair(keep_until=until), FINGERPRINT).keep_until == until


def test_whose_time_is_over() -> None:
    """Else a build that is taken over late would get a host that ends at once."""
    deadline = NOW + 100
    detached, kept = replace(LOCK, holder=None), replace(LOCK, holder=None, kept=True)
    assert [LOCK.over(at) for at in (NOW, deadline)] == [False, True]
    assert [kept.over(at) for at in (NOW, deadline)] == [False, True]
    assert [detached.over(at) for at in (NOW, deadline, deadline + 3600)] == [False, False, True]
    # No host was kept with it.
    assert replace(kept, keep_until=stamp(NOW + 9)).over(NOW)
