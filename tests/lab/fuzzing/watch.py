# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs targets in processes that may hang, die or eat memory, and keeps what made them.

An input stands in memory shared with the parent before it is read, so whatever becomes of the process, it is known. The
kernel ends a process by SIGPROF when one input has taken HANGS_AFTER seconds of processor time, also inside of re; one
that sleeps is ended by the parent. Seconds of the clock decide nothing else: a slow machine finds the same.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import itertools
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from fuzzing import targets
from fuzzing.targets import TARGETS, Target

#: Processor seconds for one input: a hundred times what the worst of them takes.
HANGS_AFTER = 20
#: Seconds of the clock after which a process that does nothing is ended.
SLEEPS_AFTER = 300
SAYS_EVERY = 15
#: Bytes of memory of a process.
MEMORY = 4 * 1024**3
#: Inputs of one target in a row. A dear one has a tenth.
BATCH = 200

# Inputs, tracebacks, and of the present input: whether there is one, its target and its length.
_HEAD = struct.Struct("=QQ?IQ")
_ROOM = 4 * 1024 * 1024


@dataclass(frozen=True)
class Fault:
    """A kind of fault and one input that shows it. place: where it was raised; file: where the input was put."""

    kind: str
    target: str
    place: str
    file: Path


@dataclass
class Tally:
    """What came of all inputs. tracebacks and hangs count inputs, faults has one for each kind of fault."""

    inputs: int = 0
    tracebacks: int = 0
    hangs: int = 0
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.tracebacks and not self.hangs

    def __str__(self) -> str:
        return f"inputs={self.inputs} tracebacks={self.tracebacks} hangs={self.hangs}"


def place_of(error: BaseException) -> str:
    """Where in the project an exception comes from: FILE:LINE, or of whatever raised it where that is not ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/plugins/" in frame.filename or "/roles/" in frame.filename]
    frame = (ours or list(frames))[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


class _Slot:
    """Memory in which a worker says what it is at."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, _HEAD.size + _ROOM)
        self.inputs = self.tracebacks = 0

    def enter(self, target: int, data: bytes) -> None:
        kept = data[:_ROOM]
        self.memory[_HEAD.size : _HEAD.size + len(kept)] = kept
        self.inputs += 1
        self._write(True, target, len(kept))

    def leave(self, failed: bool) -> None:
        self.tracebacks += failed
        self._write(False, 0, 0)

    def _write(self, busy: bool, target: int, length: int) -> None:
        self.memory[: _HEAD.size] = _HEAD.pack(self.inputs, self.tracebacks, busy, target, length)

    def read(self) -> tuple[int, int, bool, int, bytes]:
        inputs, tracebacks, busy, target, length = _HEAD.unpack(self.memory[: _HEAD.size])
        return inputs, tracebacks, busy, target, self.memory[_HEAD.size : _HEAD.size + length]


def keep(found: Path, kind: str, target: str, place: str, data: bytes, told: str) -> Fault:
    """Put an input where it can be tried again, with what came of it beside it."""
    found.mkdir(parents=True, exist_ok=True)
    file = found / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}"
    file.write_bytes(data)
    file.with_suffix(".txt").write_text(f"{kind}: {target}: {place}\n\n{told}", encoding="utf-8", errors="replace")
    return Fault(kind, target, place, file)


# -- in a worker ----------------------------------------------------------------------------------------------------


def _work(slot: _Slot, found: Path, names: Sequence[str], number: int, more: Callable[[int], bool]) -> None:
    """Batches of inputs, target by target, as long as there are to be more. Never returns."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    known: set[str] = set()
    batch = 0
    while more(batch):
        target = TARGETS[names[batch % len(names)]]
        _batch(slot, found, target, number * 1_000_003 + batch, known)
        batch += 1


def _batch(slot: _Slot, found: Path, target: Target, number: int, known: set[str]) -> None:
    index = list(TARGETS).index(target.name)

    def one(data: bytes) -> None:
        slot.enter(index, data)
        error = attempt(target, data)
        slot.leave(error is not None)
        if error is not None and place_of(error) not in known:
            known.add(place_of(error))
            keep(found, "traceback", target.name, place_of(error), data, "".join(traceback.format_exception(error)))

    examples = max(1, BATCH // 10) if target.dear else BATCH
    quiet = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    seed(number)(quiet(given(target.inputs)(one)))()


def attempt(target: Target, data: bytes) -> BaseException | None:
    """Give a target one input; what it raises that is no answer. Past HANGS_AFTER the process is ended."""
    signal.setitimer(signal.ITIMER_PROF, HANGS_AFTER)
    try:
        target.check(data)
    except Exception as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


# -- in the parent --------------------------------------------------------------------------------------------------


@dataclass
class _Worker:
    slot: _Slot
    process: int
    seen: int = 0
    since: float = 0.0


def _start(run: Callable[[_Slot], None]) -> _Worker:
    slot = _Slot()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            faulthandler.disable()
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            run(slot)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return _Worker(slot, process, since=time.monotonic())


@contextlib.contextmanager
def _scratch() -> Iterator[None]:
    """A directory for all files of workers, which goes with what killed ones have left."""
    with tempfile.TemporaryDirectory(prefix="petal-fuzz-") as directory:
        before = os.environ.get(targets.SCRATCH)
        os.environ[targets.SCRATCH] = directory
        try:
            yield
        finally:
            os.environ.pop(targets.SCRATCH)
            if before is not None:
                os.environ[targets.SCRATCH] = before


def run(
    found: Path,
    names: Sequence[str] = tuple(TARGETS),
    *,
    seconds: float = 0.0,
    batches: int = 0,
    workers: int = 1,
    number: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> Tally:
    """Fuzz targets for some seconds, or with so many batches for each worker.

    :param found: a directory for the inputs that are faults. number: other numbers make other inputs.
    """
    tally = Tally()
    end = time.monotonic() + seconds
    turns = itertools.count(number * 1000)
    running: list[_Worker] = []

    def begin() -> None:
        mine = next(turns)
        turned = tuple(names[(mine + place) % len(names)] for place in range(len(names)))
        more = (lambda batch: batch < batches) if batches else (lambda _batch: time.monotonic() < end)
        running.append(_start(lambda slot: _work(slot, found, turned, mine, more)))

    with _scratch():
        try:
            for _worker in range(workers):
                begin()
            told = time.monotonic()
            while running:
                time.sleep(0.02 if batches else 0.2)
                for worker in [one for one in running if _watch(one, tally, found)]:
                    running.remove(worker)
                # In place of one that was ended. A run with a fixed number of batches has failed by then anyway.
                while not batches and len(running) < workers and time.monotonic() < end:
                    begin()
                if time.monotonic() - told > SAYS_EVERY:
                    told = time.monotonic()
                    say(_so_far(tally, running))
        finally:
            for worker in running:
                os.kill(worker.process, signal.SIGKILL)
                os.waitpid(worker.process, 0)
    for file in sorted(found.glob("*.txt")):
        kind, target, place = file.read_text(encoding="utf-8").splitlines()[0].split(": ", 2)
        tally.faults.setdefault((target, place), Fault(kind, target, place, file.with_suffix("")))
    return tally


def _so_far(tally: Tally, running: Sequence[_Worker]) -> str:
    now = Tally(tally.inputs, tally.tracebacks, tally.hangs)
    for worker in running:
        inputs, tracebacks, _busy, _target, _data = worker.slot.read()
        now.inputs += inputs
        now.tracebacks += tracebacks
    return str(now)


def _watch(worker: _Worker, tally: Tally, found: Path) -> bool:
    """Whether a worker has come to an end, its own or another. What it did is added up then."""
    process, status = os.waitpid(worker.process, os.WNOHANG)
    inputs, tracebacks, busy, index, data = worker.slot.read()
    if process == 0:
        if inputs != worker.seen:
            worker.seen, worker.since = inputs, time.monotonic()
        if time.monotonic() - worker.since <= SLEEPS_AFTER:
            return False
        os.kill(worker.process, signal.SIGKILL)
        os.waitpid(worker.process, 0)
        status = signal.SIGPROF
    tally.inputs += inputs
    tally.tracebacks += tracebacks
    target = list(TARGETS)[index]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        tally.hangs += 1
        keep(found, "hang", target, "it does not come to an end", data, "")
    elif os.WIFSIGNALED(status) and busy:
        tally.tracebacks += 1
        keep(found, "traceback", target, f"killed by signal {os.WTERMSIG(status)}", data, "")
    elif status:
        raise RuntimeError(f"a worker ended with status {status}, and not at an input: see above")
    return True


def replay(target: str, data: bytes) -> str:
    """What comes of one input, in a process of its own: empty where all is well."""
    with _scratch():
        found = Path(os.environ[targets.SCRATCH], "found")

        def once(slot: _Slot) -> None:
            slot.enter(list(TARGETS).index(target), data)
            error = attempt(TARGETS[target], data)
            slot.leave(error is not None)
            if error is not None:
                told = "".join(traceback.format_exception(error))
                keep(found, "traceback", target, place_of(error), data, told)

        tally = Tally()
        worker = _start(once)
        while not _watch(worker, tally, found):
            time.sleep(0.005)
        return "\n".join(file.read_text(encoding="utf-8") for file in _told(found))


def _told(found: Path) -> Iterator[Path]:
    yield from sorted(found.glob("*.txt"))
