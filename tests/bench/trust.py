# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What signing and verifying add: to a hit, to an import and to the restore of a volume, with and without, in one run.

usage: trust.py [--rounds 7] [--mib 20]
Each row is a module in a process of its own, as Ansible runs it; both sides of a row take turns. The last line is the
time of a signature in milliseconds, and what verifying adds to each of the three, as a multiple of the time without.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules import run_module
from playing import ROOT
from stored import FINGERPRINT, ID

sys.path.insert(0, str(ROOT / "tests" / "trust"))
import forge

Side = Callable[[], Any]


def seconds(work: Side) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def removed(path: Path) -> None:
    """A snapshot out of a store, so that it can come again."""
    run_module("local_snapshot", store=path, state="absent", snapshot_id=ID, force=True)


def sides(place: Path, rounds: int, mib: int) -> tuple[float, dict[str, tuple[float, float]]]:
    """Seconds of a signature, and of each row without and with verifying; medians."""
    key, own = place / "maker", place / "own"
    forge.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    (place / "filler").write_bytes(os.urandom(mib << 20))
    forge.put(own, None, ID, {}, [f"data={place / 'filler'}"], wrong=False)
    unsigned, signed = place / "unsigned.tar", place / "signed.tar"
    export: dict[str, Any] = {"store": own, "state": "exported", "snapshot_id": ID}
    run_module("local_snapshot_archive", file=unsigned, **export)
    tried = [seconds(lambda: forge.sign(own, ID, key, forge.NAMESPACE, None)) for _round in range(rounds)]
    (own / "snapshots" / ID / "snapshot.json.sig").unlink()
    believed = {"unsigned": True}
    required = {"required": True, "signers": [{"name": "maker", "key": forge.fingerprint_of(key)}]}

    def hit(trust: dict[str, Any]) -> Side:
        asked: dict[str, Any] = {"fingerprint": FINGERPRINT, "sources": [{"type": "local", "priority": 1}]}
        return lambda: run_module("snapshot_info", store=own, trust=trust, **asked)

    def bring(file: Path, trust: dict[str, Any]) -> Side:
        given: dict[str, Any] = {"store": place / "other", "file": file, "trust": trust}
        return lambda: run_module("local_snapshot_archive", state="imported", **given)

    def restore(trust: dict[str, Any]) -> Side:
        volume: dict[str, Any] = {"store": own, "name": "bench", "snapshot_id": ID, "fingerprint": FINGERPRINT}
        return lambda: run_module("local_volume", trust=trust, **volume)

    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ("hit", "import", "restore")}
    for number in (0, 1):
        trust = (believed, required)[number]
        if number:
            run_module("local_snapshot_signature", store=own, snapshot_id=ID, key_file=key)
            run_module("local_snapshot_archive", file=signed, **export)
        for _round in range(rounds):
            found["hit"][number].append(seconds(hit(trust)))
            found["import"][number].append(seconds(bring((unsigned, signed)[number], trust)))
            removed(place / "other")
            found["restore"][number].append(seconds(restore(trust)))
            run_module("local_volume", store=own, name="bench", state="absent")
    medians = {name: (statistics.median(rows[0]), statistics.median(rows[1])) for name, rows in found.items()}
    return statistics.median(tried), medians


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mib", type=int, default=20, help="of the volume, at most 24")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="petal-bench-") as directory:
        signing, rows = sides(Path(directory), given.rounds, given.mib)
    for name, (without, verified) in rows.items():
        print(
            f"{name:8} {without * 1000:8.0f} ms without, {verified * 1000:8.0f} ms verified, x{verified / without:.2f}"
        )
    ratios = " ".join(f"{name}=x{verified / without:.2f}" for name, (without, verified) in rows.items())
    print(f"sign_ms={signing * 1000:.0f} {ratios}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
