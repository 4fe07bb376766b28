# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change costs: a seed's first build, the seed with one package more, and the seed again from the host's cache.

usage: change.py [--sleep SECONDS] [--functions N]
Packages are those of tests/lab/package_graph.py, of --functions functions each, which also wait --sleep seconds. The
host's own cache is a new one. The last line is the build with one package more as a part of the first build, the
seconds of a whole build that finds all of its packages in the cache, and the first build as a multiple of its
installing alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import package_graph
import spack_at_hand
import yaml
from playing import leftovers, play

MOUNT_DIR = Path("/petal-change")
#: Where builds for that directory keep Spack's own caches.
WORK = Path("/var/cache/petal/spack")


def build(place: Path, specs: tuple[str, ...], **more: Any) -> tuple[float, float]:
    """The seconds that a build of these specs takes, and of them those of installing. Ends with its output where it
    fails.
    """
    seed = {
        "cluster": {"name": "bench-change", "provider": "local"},
        "shared_storage": [{"name": "software", "mount_dir": str(MOUNT_DIR), "ebs_settings": {"size": 4}}],
        "software": {"spack_packages": list(specs)},
    }
    path = place / "seed.yaml"
    path.write_text(yaml.safe_dump(seed))
    installed, begun = installing(), time.monotonic()
    done = play("build_volume", "-e", json.dumps({**more, "seed": str(path)}))
    taken = time.monotonic() - begun
    if done.rc != 0 or "Built: snap-" not in done.output:
        sys.exit(done.output)
    return taken, installing() - installed


def installing() -> float:
    """The seconds for which Spack itself has installed so far, in all builds for that directory."""
    states = WORK.glob(f"_{MOUNT_DIR.name}_*/**/envs/*/state.json")
    return sum(float(json.loads(path.read_text())["install_s"]) for path in states)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sleep", type=float, default=0)
    parser.add_argument("--functions", type=int, default=400)
    given = parser.parse_args()
    if reason := spack_at_hand.why_not():
        sys.exit(reason)
    there = MOUNT_DIR.exists()
    for old in WORK.glob(f"_{MOUNT_DIR.name}_*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix="petal-bench-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        repository = package_graph.write(place / "graph", given.functions, given.sleep)
        variables = {
            "store": str(place / "store"),
            "software_volume_own_cache": str(place / "own"),
            "spack_repositories": {package_graph.NAMESPACE: str(repository)},
            **spack_at_hand.variables(),
        }
        first, installed = build(place, package_graph.SPECS[:-1], **variables)
        print(f"the first build takes {first:.1f} s, {installed:.1f} s of them installing", flush=True)
        more, new = build(place, package_graph.SPECS, **variables)
        print(f"with one package more it takes {more:.1f} s, {new:.1f} s of them installing", flush=True)
        again, taken = build(place, package_graph.SPECS[:-1], force=True, base="none", **variables)
        print(f"from the cache it takes {again:.1f} s, {taken:.1f} s of them installing", flush=True)
        left = leftovers(place / "store")
    if not there:
        with contextlib.suppress(OSError):
            MOUNT_DIR.rmdir()
    if left:
        sys.exit("left behind: " + ", ".join(left))
    print(
        f"change_ratio={more / first:.2f} from_cache_s={again:.1f} from_source_ratio={first / installed:.2f}",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
