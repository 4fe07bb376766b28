"""The controller waits aloud, and takes a lock for long where nobody can keep it renewed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.plugin_utils import build_lock, keeper, running
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import process_identity

FINGERPRINT = "sha256:" + "a" * 64


class Module:
    """Stands for the module: held for so many seconds of a clock that only it moves on."""

    def __init__(self, held_for: float) -> None:
        self.now, self.free_at = 1000.0, 1000.0 + held_for
        self.slices: list[int] = []
        self.said: list[str] = []

    def run(self, arguments: Mapping[str, Any], *, waits: bool = False) -> dict[str, Any]:
        assert not waits
        self.slices.append(arguments["timeout"])
        slept = min(float(arguments["timeout"]), max(0.0, self.free_at - self.now))
        self.now += slept + 0.5
        if self.now < self.free_at:
            return {"failed": True, "held": True, "lock": {"build_id": "theirs"}, "reason": "pid 7 on far is building"}
        return {"changed": True, "lock": {"build_id": "mine"}}

    def wait(self, timeout: int) -> dict[str, Any]:
        return build_lock.wait(self.run, self.said.append, {"timeout": timeout}, lambda: self.now)


def test_it_says_whom_it_waits_for_every_minute_and_gets_the_lock() -> None:
    module = Module(held_for=200)
    assert module.wait(3600)["lock"]["build_id"] == "mine"
    assert module.slices[0] == 3
    assert set(module.slices[1:]) == {60}
    assert len(module.said) == len(module.slices) - 1 == 4
    assert all("the build theirs: pid 7 on far is building" in line for line in module.said)


@pytest.mark.parametrize("timeout", [0, 2, 100])
def test_it_gives_up_in_time(timeout: int) -> None:
    module = Module(held_for=5000)
    assert module.wait(timeout)["held"]
    assert timeout <= module.now - 1000 <= timeout + 3
    assert len(module.said) == len(module.slices) - 1


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments of the task, with this process as the holder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    me = process_identity(os.getpid())
    return {"state": "renewing", "fingerprint": FINGERPRINT, "holder": me, "build_id": "b1", "store": "/a store"}


def act(arguments: Mapping[str, Any], results: list[dict[str, Any]], *, check: bool = False) -> list[Mapping[str, Any]]:
    """Do it; the calls of the module that it made."""
    calls: list[Mapping[str, Any]] = []

    def run(given: Mapping[str, Any], *, waits: bool = False) -> dict[str, Any]:
        assert not waits
        calls.append(given)
        return results.pop(0)

    build_lock.act(run, print, arguments, check=check, renews_itself=False)
    return calls


def test_a_build_is_noted_until_its_lock_is_given_back(mine: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "start", lambda *_arguments: "")
    assert act(mine, []) == []
    [note] = running.directory().iterdir()
    assert note.name == f"{os.getpid()}-{mine['holder']['start_time']}-{'a' * 16}"
    gone = {**mine, "state": "absent"}
    act(gone, [{"changed": False}], check=True)
    act(gone, [{"failed": True, "msg": "no"}])
    assert note.exists()
    act(gone, [{"changed": True}])
    assert list(running.directory().iterdir()) == []


def test_a_lock_that_cannot_be_renewed_is_taken_for_long(mine: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "start", lambda *_arguments: "no way there")
    [call] = act({**mine, "ttl": 300}, [{"changed": False}])
    assert (call["state"], call["ttl"], call["timeout"]) == ("present", build_lock.UNRENEWED_TTL, 0)


def test_a_run_that_is_told_to_end_leaves_its_lock_to_the_next_one(
    mine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*arguments: Any) -> str:
        arguments[-1]()
        return ""

    monkeypatch.setattr(keeper, "start", start)
    [call] = act({**mine, "ttl": 300}, [{"changed": True}])
    assert (call["state"], call["ttl"], call["timeout"]) == ("present", build_lock.LEFT_TTL, 0)


def test_on_aws_it_leaves_its_lock_too_and_waits_for_that(
    mine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, bool]] = []

    def run(given: Mapping[str, Any], *, waits: bool = False) -> dict[str, Any]:
        calls.append((given["state"], waits))
        return {"changed": True}

    monkeypatch.setattr(keeper, "start", lambda *_arguments, give_up: give_up())
    build_lock.act(run, print, mine, check=False, renews_itself=True)
    # The task itself goes on in the background.
    assert calls == [("detached", True), ("renewing", False)]


def test_what_stays_is_told_once(mine: dict[str, Any]) -> None:
    note = running.Note(mine["holder"], "x")
    assert note.write("it stays")
    assert running.take_all(os.getpid()) == ["it stays"]
    assert running.take_all(os.getpid()) == []
    assert note.take() == ""
