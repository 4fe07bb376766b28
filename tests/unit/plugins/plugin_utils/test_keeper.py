"""The process that keeps a lock alive: it renews, ends with the playbook, and says what stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.plugin_utils import keeper, running
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import process_identity


@pytest.fixture
def playbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for ansible-playbook, with an output of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=output)
    yield process
    process.kill()
    process.wait()


def until(happens: Callable[[], object], seconds: float = 15) -> bool:
    """Whether something happens in time."""
    end = time.monotonic() + seconds
    while not happens() and time.monotonic() < end:
        time.sleep(0.1)
    return bool(happens())


def start(
    playbook: subprocess.Popen[bytes],
    beats: Path,
    *,
    fails_at: int = 1000,
    says: str = "",
    given_up: Path | None = None,
) -> tuple[running.Note, str]:
    """Start it with a beat that leaves a line; each beat is one more."""
    holder = process_identity(playbook.pid)
    note = running.Note(holder, "test")
    note.write("The build b1 was interrupted: it stays.")

    def beat() -> str:
        with beats.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        if len(beats.read_text().splitlines()) >= fails_at:
            raise RuntimeError("no way there")
        return says

    return note, keeper.start(
        note,
        (playbook.pid, str(holder["start_time"])),
        beat,
        interval=1,
        give_up=given_up.touch if given_up else None,
    )


def ended(beats: Path) -> bool:
    """Whether the process that wrote the beats is gone."""
    pid = int(beats.read_text().split()[0])
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_renews_while_the_playbook_lives_and_says_what_stays_when_it_is_ended(
    playbook: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    beats, output = tmp_path / "beats", tmp_path / "output"
    _note, problem = start(playbook, beats)
    assert problem == ""
    assert until(lambda: len(beats.read_text().splitlines()) >= 3)
    assert output.read_bytes() == b""
    playbook.send_signal(number)
    # Nobody has waited for it yet: a zombie does not live.
    assert until(lambda: output.read_text() == "The build b1 was interrupted: it stays.\n"), output.read_text()
    assert until(lambda: ended(beats))


def test_it_ends_silently_when_the_build_is_over(playbook: subprocess.Popen[bytes], tmp_path: Path) -> None:
    beats = tmp_path / "beats"
    note, problem = start(playbook, beats)
    assert problem == ""
    note.take()
    assert until(lambda: ended(beats))
    assert (tmp_path / "output").read_bytes() == b""


def test_it_ends_when_somebody_else_has_the_lock(playbook: subprocess.Popen[bytes], tmp_path: Path) -> None:
    beats = tmp_path / "beats"
    assert start(playbook, beats, says="far holds it now")[1] == "far holds it now"
    assert until(lambda: ended(beats))
    assert (tmp_path / "output").read_bytes() == b""


def test_a_first_beat_that_does_not_get_through_is_told(playbook: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert start(playbook, tmp_path / "beats", fails_at=1)[1] == "no way there"


def test_one_that_fails_later_is_tried_again(playbook: subprocess.Popen[bytes], tmp_path: Path) -> None:
    beats = tmp_path / "beats"
    assert start(playbook, beats, fails_at=2)[1] == ""
    assert until(lambda: len(beats.read_text().splitlines()) >= 3)


def test_nobody_waits_for_it(tmp_path: Path) -> None:
    """Pipes of the worker are let go of: who reads the playbook's output sees its end."""
    code = """
import os, sys, time
from ansible_collections.petal.hpc.plugins.plugin_utils import keeper, running
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import process_identity
me = process_identity(os.getpid())
print(repr(keeper.start(running.Note(me, "x"), (os.getpid(), str(me["start_time"])), lambda: "", 1)))
"""
    began = time.monotonic()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "''", done.stderr
    assert time.monotonic() - began < 20


def test_who_is_told_to_end_waits_until_the_lock_is_given_up(playbook: subprocess.Popen[bytes], tmp_path: Path) -> None:
    beats, given_up = tmp_path / "beats", tmp_path / "given up"
    note, problem = start(playbook, beats, given_up=given_up)
    assert problem == ""
    assert running.leave(playbook.pid) == ["The build b1 was interrupted: it stays."]
    # Although it still runs.
    assert given_up.exists()
    assert until(lambda: ended(beats))
    assert list(note.path.parent.iterdir()) == []
    # Said once, by whoever comes first.
    assert running.leave(playbook.pid) == running.take_all(playbook.pid) == []
    assert (tmp_path / "output").read_bytes() == b""


def test_where_nobody_keeps_the_lock_it_ends_all_the_same(playbook: subprocess.Popen[bytes]) -> None:
    note = running.Note(process_identity(playbook.pid), "test")
    note.write("It stays.")
    assert running.leave(playbook.pid, patience=0.2) == ["It stays."]
    assert list(note.path.parent.iterdir()) == []


TOLD = """
import os, signal, sys, time
from ansible_collections.petal.hpc.plugins.plugin_utils import running
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import process_identity

# What was started in the background of a script ignores it, and so would this.
signal.signal(signal.SIGINT, signal.default_int_handler)
running.PATIENCE = 0.2
running.leave_at_signals(print)
running.Note(process_identity(os.getpid()), "test").write("It stays.")
child = os.fork()
os.write(1, b"there\\n")
time.sleep(60)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_process_that_is_told_to_end_says_it_once_and_ends_so(number: int, status: int, tmp_path: Path) -> None:
    """With what it has forked, to which the same is told."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", TOLD],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _process in range(2)] == ["there\n"] * 2
    os.killpg(process.pid, number)
    assert process.stdout.read() == "It stays.\n"
    assert process.wait(15) == status
