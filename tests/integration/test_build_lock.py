"""Build locks between real processes."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, result_of, run_module, start_module

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
