"""Build locks between real processes."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, result_of, run_module, start_module
from playing import ANSIBLE_PLAYBOOK, ROOT, environment

FINGERPRINT = "sha256:" + "c" * 64


def holder_of(pid: int) -> dict[str, Any]:
    """A process as petal.hpc.seed_info names it."""
    return {
        "host": platform.node(),
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
        "pid": pid,
        "start_time": int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]),
    }


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """A store; locks need neither root nor devices."""
    return tmp_path / "store"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another controller."""
    process = subprocess.Popen(["sleep", "1234"])
    yield process
    process.kill()
    process.wait()


def arguments(store: Path, pid: int, build: str, **different: Any) -> dict[str, Any]:
    return {"store": store, "fingerprint": FINGERPRINT, "holder": holder_of(pid), "build_id": build, **different}


def test_taken_renewed_given_back(locks: Path) -> None:
    mine = arguments(locks, os.getpid(), "b1")
    assert run_module("build_lock", check=True, **mine)["changed"]
    assert not locks.exists()
    taken = run_module("build_lock", **mine)
    assert taken["changed"]
    assert taken["lock"]["build_id"] == "b1"
    assert taken["lock"]["taken_over"] is False
    assert taken["lock"]["waited_s"] < 1
    assert taken["lock"]["holder"]["pid"] == os.getpid()
    renewed = run_module("build_lock", **{**mine, "build_id": "b2"})
    assert (renewed["changed"], renewed["lock"]["build_id"]) == (False, "b1")
    assert not run_module("build_lock", **{**mine, "build_id": "b2", "state": "absent"})["changed"]
    assert run_module("build_lock", **{**mine, "state": "absent"})["changed"]
    assert not run_module("build_lock", **{**mine, "state": "absent"})["changed"]
    assert run_module("build_lock", **{**mine, "build_id": "b2"})["lock"]["build_id"] == "b2"


def test_a_living_build_is_waited_for(locks: Path, other: subprocess.Popen[bytes]) -> None:
    theirs = arguments(locks, other.pid, "theirs")
    run_module("build_lock", **theirs)
    mine = arguments(locks, os.getpid(), "mine", timeout=0)
    message = fail_module("build_lock", **mine)
    assert "the build theirs" in message
    assert f"pid {other.pid}" in message
    assert result_of(start_module("build_lock", **mine))["held"] is True
    seen = run_module("build_lock", check=True, **mine)
    assert (seen["changed"], seen["lock"]["build_id"]) == (False, "theirs")
    not_mine = run_module("build_lock", **{**mine, "state": "absent"})
    assert (not_mine["changed"], not_mine["lock"]["build_id"]) == (False, "theirs")

    waiting = start_module("build_lock", **{**mine, "timeout": 30})
    time.sleep(1.5)
    run_module("build_lock", **{**theirs, "state": "absent"})
    lock = result_of(waiting)["lock"]
    assert (lock["build_id"], lock["taken_over"]) == ("mine", False)
    assert lock["waited_s"] > 0.5


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_build_is_taken_over_under_its_id(locks: Path, other: subprocess.Popen[bytes], reaped: bool) -> None:
    run_module("build_lock", **arguments(locks, other.pid, "theirs"))
    other.kill()
    if reaped:
        other.wait()
    lock = run_module("build_lock", **arguments(locks, os.getpid(), "mine", timeout=0))["lock"]
    assert (lock["build_id"], lock["taken_over"]) == ("theirs", True)
    assert lock["holder"]["pid"] == os.getpid()


def test_one_that_cannot_be_seen_expires(locks: Path) -> None:
    far = arguments(locks, os.getpid(), "far", ttl=1)
    far["holder"] = {**far["holder"], "host": "far-away", "boot_id": "x"}
    run_module("build_lock", **far)
    mine = arguments(locks, os.getpid(), "mine")
    assert "far-away" in fail_module("build_lock", **{**mine, "timeout": 0})
    lock = run_module("build_lock", **{**mine, "timeout": 20})["lock"]
    assert (lock["build_id"], lock["taken_over"]) == ("far", True)


def test_one_that_is_renewed_does_not_expire(locks: Path) -> None:
    """A controller on another machine that lives: its renewals count, without any room on the disk."""
    far = arguments(locks, os.getpid(), "far", ttl=4)
    far["holder"] = {**far["holder"], "host": "far-away", "boot_id": "x"}
    run_module("build_lock", **far)
    mine = start_module("build_lock", **arguments(locks, os.getpid(), "mine", timeout=9))
    record = next(locks.glob("locks/build-*.json"))
    before = record.read_bytes()
    while mine.poll() is None:
        assert run_module("build_lock", **{**far, "state": "renewing"})["lock"]["reason"] == ""
        time.sleep(0.5)
    refused = result_of(mine)
    assert refused["held"]
    assert "far-away holds it since" in refused["reason"]
    assert record.read_bytes() == before
    # Then it dies.
    lock = run_module("build_lock", **arguments(locks, os.getpid(), "mine", timeout=20))["lock"]
    assert (lock["build_id"], lock["taken_over"]) == ("far", True)
    assert "holds it now" in run_module("build_lock", **{**far, "state": "renewing"})["lock"]["reason"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_on_a_full_disk_a_lock_changes_hands_and_is_given_back(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "petal-test", store], check=True)
    try:
        run_module("build_lock", **arguments(store, other.pid, "theirs"))
        with contextlib.suppress(OSError), (store / "filler").open("wb") as stream:
            while True:
                stream.write(b"x" * 4096)
                stream.flush()
        other.kill()
        mine = arguments(store, os.getpid(), "mine", timeout=0)
        lock = run_module("build_lock", **mine)["lock"]
        assert (lock["build_id"], lock["taken_over"]) == ("theirs", True)
        assert run_module("build_lock", **{**mine, "state": "renewing"})["lock"]["reason"] == ""
        assert run_module("build_lock", **{**mine, "build_id": "theirs", "state": "absent"})["changed"]
        assert run_module("build_lock", **mine)["lock"]["build_id"] == "mine"
    finally:
        subprocess.run(["umount", store], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_clean_up_goes_on_where_a_full_disk_has_no_room_for_its_lock(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "petal-test", store], check=True)
    try:
        (store / "locks").mkdir()
        with contextlib.suppress(OSError), (store / "filler").open("wb") as stream:
            while True:
                stream.write(b"x" * 4096)
                stream.flush()
        mine = arguments(store, os.getpid(), "mine", timeout=0)
        assert "is full" in fail_module("build_lock", **mine)
        result = run_module("build_lock", **mine, even_if_full=True)
        assert "goes on without a lock" in str(result["warnings"])
        assert not run_module("build_lock", **{**mine, "state": "absent"})["changed"]
    finally:
        subprocess.run(["umount", store], check=True)


PLAY = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    petal.hpc.build_lock:
      {store: "STORE", fingerprint: "FP", holder: "{{ me.controller }}", build_id: "{{ id }}"}
  tasks:
    - petal.hpc.controller_info:
      register: me
    - petal.hpc.build_lock: {ttl: 8, timeout: 60}
    - petal.hpc.build_lock: {state: renewing, interval: 1}
    - ansible.builtin.command: sleep {{ seconds }}
    - petal.hpc.build_lock: {state: absent}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a pid namespace needs root")
def test_a_controller_that_died_in_its_container_is_noticed_when_it_no_longer_renews(
    locks: Path, tmp_path: Path
) -> None:
    """As with a job of AWX: its processes cannot be seen from outside, and end with the container."""
    (tmp_path / "play.yml").write_text(PLAY.replace("STORE", str(locks)).replace("FP", FINGERPRINT))
    call = [str(ANSIBLE_PLAYBOOK), str(tmp_path / "play.yml"), "-e"]
    contained = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    options: dict[str, Any] = {
        "cwd": ROOT,
        "env": environment(ANSIBLE_STDOUT_CALLBACK="default", XDG_CACHE_HOME=str(tmp_path / "cache")),
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }
    first = subprocess.Popen([*contained, *call, "id=first seconds=600"], **options)
    try:
        deadline = time.monotonic() + 60
        while not list(locks.glob("locks/build-*.json")) and time.monotonic() < deadline:
            time.sleep(0.2)
        waiting = subprocess.Popen([*contained, *call, "id=second seconds=0"], **options)
        # Longer than the lock lasts without a sign of life.
        time.sleep(15)
        assert waiting.poll() is None
    finally:
        first.kill()
        first.wait()
    killed = time.monotonic()
    output = waiting.communicate(timeout=60)[0]
    assert waiting.returncode == 0, output
    assert time.monotonic() - killed < 30
    assert "Waiting for the build first: pid 1 on" in output
    assert "since 2" in output


def test_many_at_once(locks: Path) -> None:
    controllers = [subprocess.Popen(["sleep", "1234"]) for _copy in range(4)]
    try:
        runs = [
            start_module("build_lock", **arguments(locks, controller.pid, f"b{number}", timeout=0))
            for number, controller in enumerate(controllers)
        ]
        results = [result_of(run) for run in runs]
    finally:
        for controller in controllers:
            controller.kill()
            controller.wait()
    assert sum(not result.get("failed", False) for result in results) == 1


def test_a_lock_file_that_cannot_be_read_is_free_and_said(locks: Path) -> None:
    mine = arguments(locks, os.getpid(), "mine", timeout=0)
    run_module("build_lock", **mine)
    path = next(locks.glob("locks/build-*.json"))
    path.write_text("\0\0\0")
    result = run_module("build_lock", **mine)
    assert result["lock"]["build_id"] == "mine"
    assert "could not be read" in str(result["warnings"])


def test_bad_options(locks: Path) -> None:
    mine = arguments(locks, os.getpid(), "mine")
    assert "fingerprint" in fail_module("build_lock", **{**mine, "fingerprint": "../x"})
    assert "build_id" in fail_module("build_lock", **{**mine, "build_id": "../x"})
    assert "holder lacks pid" in fail_module("build_lock", **{**mine, "holder": {**mine["holder"], "pid": ""}})
