# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the everyday costs: build_volume for a seed that is there, beside a playbook that does nothing; a tiny build.

usage: hit.py [--rounds 7] [--builds 3]
The empty playbook and the hit take turns. The last line is the hit as a multiple of the empty run (medians), how many
tasks of a hit changed something, and the median seconds of a build of one pure-Python package in a store of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playing import Run, leftovers, play

MOUNT_DIR = Path("/petal-bench")
SEED = f"""\
cluster: {{name: bench-hit, provider: local}}
shared_storage: [{{name: software, mount_dir: {MOUNT_DIR}, ebs_settings: {{size: 1}}}}]
software:
  python_environments: [{{name: tiny, version: "1", packages: ["six==1.17.0"]}}]
"""
EMPTY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Say nothing
      ansible.builtin.debug: {msg: nothing}
"""


def seconds(work: Callable[[], Run]) -> float:
    """How long a playbook takes. Raises SystemExit with its output where it fails."""
    begun = time.monotonic()
    done = work()
    taken = time.monotonic() - begun
    if done.rc != 0:
        sys.exit(done.output)
    return taken


def changed(place: Path, store: Path) -> int:
    """Tasks of a hit that changed something, by the recap."""
    done = play("build_volume", "-v", seed=place / "seed.yaml", store=store)
    counts = re.findall(r"^localhost\s+:.*\bchanged=(\d+)", done.output, re.MULTILINE)
    if done.rc != 0 or "Found: snap-" not in done.output or len(counts) != 1:
        sys.exit(f"no hit:\n{done.output}")
    return int(counts[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--builds", type=int, default=3)
    given = parser.parse_args()
    there = MOUNT_DIR.exists()
    with tempfile.TemporaryDirectory(prefix="petal-bench-") as directory:
        place = Path(directory)
        seed, empty = place / "seed.yaml", place / "empty.yml"
        seed.write_text(SEED)
        empty.write_text(EMPTY)
        stores = [place / f"store-{number}" for number in range(max(1, given.builds))]
        # The first run of all fills caches that every other one finds.
        seconds(lambda: play(str(empty)))
        builds = []
        for store in stores:
            builds.append(seconds(lambda store=store: play("build_volume", seed=seed, store=store)))  # type: ignore[misc]
            print(f"a tiny build takes {builds[-1]:.1f} s", flush=True)
        store = stores[0]
        idle, hits = [], []
        for _round in range(given.rounds):
            idle.append(seconds(lambda: play(str(empty))))
            hits.append(seconds(lambda: play("build_volume", seed=seed, store=store)))
        count = changed(place, store)
        left = [line for one in stores for line in leftovers(one)]
    if not there:
        with contextlib.suppress(OSError):
            MOUNT_DIR.rmdir()
    if left:
        sys.exit("left behind: " + ", ".join(left))
    nothing, hit = statistics.median(idle), statistics.median(hits)
    print(f"an empty run takes {nothing:.2f} s, a hit {hit:.2f} s")
    print(f"hit_ratio={hit / nothing:.2f} changed={count} tiny_build_s={statistics.median(builds):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
