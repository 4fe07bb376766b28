"""From the permissions that there are to those that are asked for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._sharing.plan import Permissions, Request, calls, read

A, B, C = "111111111111", "222222222222", "333333333333"


def test_what_aws_says() -> None:
    assert read([]) == Permissions()
    assert read([{"UserId": B}, {"Group": "all"}, {"UserId": A}, {"UserId": B}]) == Permissions((A, B), True)


@pytest.mark.parametrize(
    ("request_", "now", "wanted"),
    [
        (Request(accounts=(B, A)), Permissions(), Permissions((A, B))),
        (Request(accounts=(A,)), Permissions((A, C), True), Permissions((A, C), True)),
        (Request(accounts=(B,)), Permissions((A,)), Permissions((A, B))),
        (Request(public=True), Permissions((A,)), Permissions((A,), True)),
        (Request(public=False), Permissions((A,), True), Permissions((A,))),
        (Request(accounts=(B,), purge=True), Permissions((A,), True), Permissions((B,))),
        (Request(public=True, purge=True), Permissions((A,), True), Permissions((), True)),
        (Request("absent"), Permissions((A, B), True), Permissions()),
        (Request("absent", public=False), Permissions((A,), True), Permissions()),
        (Request("absent", (A, C)), Permissions((A, B), True), Permissions((B,), True)),
        (Request("absent", public=True), Permissions((A,), True), Permissions((A,))),
        (Request("absent", (A,), True), Permissions((A, B), True), Permissions((B,))),
    ],
)
def test_what_is_wanted(request_: Request, now: Permissions, wanted: Permissions) -> None:
    assert request_.wanted(now) == wanted
    assert request_.wanted(wanted) == wanted, "asked again, it changes nothing"


def apply(now: Permissions, change: dict[str, Any]) -> Permissions:
    """What ModifySnapshotAttribute does."""
    ((verb, entries),) = change.items()
    accounts, public = set(now.accounts), now.public
    for entry in entries:
        if "Group" in entry:
            assert entry == {"Group": "all"}
            public = verb == "Add"
        elif verb == "Add":
            accounts.add(entry["UserId"])
        else:
            accounts.remove(entry["UserId"])
    return Permissions(tuple(sorted(accounts)), public)


def test_the_calls_make_the_one_the_other() -> None:
    sets = [(), (A,), (B,), (A, B), (B, C), (A, B, C)]
    states = [Permissions(accounts, public) for accounts, public in itertools.product(sets, (False, True))]
    for now, wanted in itertools.product(states, states):
        todo = calls(now, wanted)
        assert len(todo) <= 2
        assert bool(todo) is (now != wanted)
        assert [verb for change in todo for verb in change] == sorted((v for c in todo for v in c), reverse=True)
        seen = now
        for change in todo:
            seen = apply(seen, change)
        assert seen == wanted


def test_no_call_has_more_than_aws_takes() -> None:
    many = tuple(f"{number:012d}" for number in range(1200))
    todo = calls(Permissions(many[:700]), Permissions(many[600:], True))
    assert [(verb, len(entries)) for change in todo for verb, entries in change.items()] == [
        ("Remove", 500),
        ("Remove", 100),
        ("Add", 500),
        ("Add", 1),
    ]


@pytest.mark.parametrize(
    ("request_", "gives"),
    [
        (Request(accounts=(A,)), True),
        (Request(public=True), True),
        (Request(public=False), False),
        (Request("absent", (A,)), False),
        (Request("absent", public=True), False),
    ],
)
def test_rules_are_for_those_who_are_to_get_it(request_: Request, gives: bool) -> None:
    assert request_.gives is gives
