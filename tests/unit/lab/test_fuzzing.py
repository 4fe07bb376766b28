# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others have written is read or refused: earlier finds, and some thousand inputs that are the same each time.

``make fuzz MINUTES=10`` makes others. What it finds is mended, and goes into tests/lab/fuzzing/finds.json.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fuzzing import finds, watch
from fuzzing.targets import SCRATCH, TARGETS, Target
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


@pytest.fixture(autouse=True, scope="module")
def _scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For what reads files in this very process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SCRATCH, str(tmp_path_factory.mktemp("scratch")))
        yield


@pytest.mark.parametrize("find", finds.FINDS, ids=str)
def test_an_earlier_find_is_read_or_refused(find: finds.Find) -> None:
    assert watch.replay(find.target, find.data) == ""


def test_some_thousand_inputs_leave_no_traceback_and_do_not_hang(tmp_path: Path) -> None:
    tally = watch.run(tmp_path, batches=len(TARGETS), number=10)
    assert tally.faults == {}
    assert tally.inputs > 4000
    assert str(tally) == f"inputs={tally.inputs} tracebacks=0 hangs=0"
    assert tally.good


def test_the_same_number_makes_the_same_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(name: str) -> str:
        def note(data: bytes) -> None:
            with (tmp_path / name).open("ab") as stream:
                stream.write(data)

        fake(monkeypatch, note, TARGETS["lock"])
        watch.run(tmp_path / "found", ("x",), batches=1, number=3)
        return str((tmp_path / name).read_bytes())

    assert told("one") == told("two")


def fake(monkeypatch: pytest.MonkeyPatch, run: Callable[[bytes], object], like: Target | None = None) -> None:
    """The only target is a function."""
    target = Target("x", run, like.inputs if like else st.binary(min_size=1, max_size=4))
    monkeypatch.setattr(watch, "TARGETS", {"x": target})


def test_what_is_no_answer_is_counted_and_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(data: bytes) -> None:
        if data[0] % 2:
            raise KeyError(data)
        raise PetalError("this is none")

    fake(monkeypatch, run)
    tally = watch.run(tmp_path, ("x",), batches=1)
    assert tally.inputs == watch.BATCH
    assert 0 < tally.tracebacks < tally.inputs
    assert not tally.good
    (fault,) = tally.faults.values()
    assert (fault.kind, fault.target) == ("traceback", "x")
    assert fault.place.startswith("KeyError at test_fuzzing.py:")
    # And it can be tried again.
    assert "KeyError" in watch.replay("x", fault.file.read_bytes())


def test_an_error_without_a_message_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_data: bytes) -> None:
        raise PetalError("")

    fake(monkeypatch, run)
    assert watch.run(tmp_path, ("x",), batches=1).tracebacks == watch.BATCH


def test_what_takes_for_ever_is_ended_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_data: bytes) -> None:
        while True:
            pass

    fake(monkeypatch, run)
    monkeypatch.setattr(watch, "HANGS_AFTER", 1)
    tally = watch.run(tmp_path, ("x",), batches=1)
    assert (tally.inputs, tally.tracebacks, tally.hangs) == (1, 0, 1)
    (fault,) = tally.faults.values()
    assert fault.kind == "hang"
    assert fault.file.read_bytes()


def test_what_only_waits_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, lambda _data: time.sleep(3600))
    monkeypatch.setattr(watch, "SLEEPS_AFTER", 1)
    assert watch.run(tmp_path, ("x",), batches=1).hangs == 1


def test_what_kills_the_process_or_takes_all_memory_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, lambda _data: os.kill(os.getpid(), signal.SIGSEGV))
    died = watch.run(tmp_path / "died", ("x",), batches=1)
    assert [fault.place for fault in died.faults.values()] == [f"killed by signal {int(signal.SIGSEGV)}"]
    fake(monkeypatch, lambda _data: bytes(watch.MEMORY))
    full = watch.run(tmp_path / "full", ("x",), batches=1)
    assert [fault.place.split()[0] for fault in full.faults.values()] == ["MemoryError"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_what_is_good(name: str) -> None:
    """One that refuses all in its first line would find nothing."""
    assert TARGETS[name].good
    for data in TARGETS[name].good:
        TARGETS[name].run(data)
