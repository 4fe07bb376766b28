# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python -m fuzzing [--minutes N] [--workers N] [--number N] [--found DIR] [TARGET…]
       python -m fuzzing --replay FILE [TARGET]

Hostile input for all that reads what others have written, for some minutes; the last line is inputs=N tracebacks=N
hangs=N, and the status is 0 where nothing was found. What was found is in DIR, with how to try one again.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from fuzzing import watch
from fuzzing.targets import ROOT, TARGETS


def main() -> int:
    """The command."""
    words = argparse.ArgumentParser(prog="fuzzing", description=(__doc__ or "").partition("\n\n")[2])
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    words.add_argument("--number", type=int, default=None, help="the same number makes the same inputs")
    words.add_argument("--found", type=Path, default=ROOT / ".cache" / "fuzz")
    words.add_argument("--replay", type=Path, metavar="FILE")
    words.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    given = words.parse_args()
    for name in given.targets:
        if name not in TARGETS:
            words.error(f"unknown target {name}: expected one of {', '.join(TARGETS)}")
    if given.replay:
        return replay(given.replay, given.targets)
    number = secrets.randbelow(10**6) if given.number is None else given.number
    for file in given.found.glob("*-????????????*"):
        file.unlink()
    names = tuple(given.targets) or tuple(TARGETS)
    print(f"{given.minutes:g} min, {given.workers} workers, {len(names)} targets, --number {number}", flush=True)
    tally = watch.run(
        given.found,
        names,
        seconds=given.minutes * 60,
        workers=given.workers,
        number=number,
        say=lambda line: print(line, flush=True),
    )
    for fault in tally.faults.values():
        print(f"{fault.kind}  {fault.target}: {fault.place}\n    again: make fuzz REPLAY={fault.file}")
    print(tally)
    return 0 if tally.good else 1


def replay(file: Path, targets: list[str]) -> int:
    """Try one input again. Its target is the first part of its name, where no other is named."""
    target = targets[0] if targets else file.name.rpartition("-")[0]
    if target not in TARGETS:
        print(f"the name of {file} says no target: name it behind the file", file=sys.stderr)
        return 2
    told = watch.replay(target, file.read_bytes())
    print(told or f"{target}: all is well")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
