"""Kill build_volume with SIGKILL at moments spread over a whole build, run it again plainly, and look at the outcome.

usage: kill_build.py [RUNS]

Each run must end in exactly one complete snapshot whose content is right, with no loop device, mount, volume or
temporary file left. The last line is ``runs=N good=N leaked=N``.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from leftovers import KILL, own_directory
from playing import leftovers, play, play_and_kill

SEED = """\
cluster: {name: kill-test, provider: local}
shared_storage: [{name: software, mount_dir: /shared, ebs_settings: {size: 1}}]
software:
  python_environments:
    - {name: small, version: "1", packages: ["six==1.17.0", "idna==3.10"]}
    - {name: small, version: "2", default: true, packages: ["packaging==25.0"]}
"""
EXPECTED = (
    ".petal/manifest.json",
    "modules/Core/small/1.lua",
    "modules/Core/small/2.lua",
    "envs/small/1/bin/python",
    "envs/small/2/bin/python",
    "bin/petal-node-setup",
)


def content_is_right(store: Path) -> str:
    """Restore the one snapshot and compare with what a build promises; an empty string where all is there."""
    snapshots = [path for path in store.glob("snapshots/snap-*") if path.is_dir()]
    if len(snapshots) != 1:
        return f"{len(snapshots)} snapshots instead of one"
    tags = json.loads((snapshots[0] / "snapshot.json").read_text())["tags"]
    if tags.get("petal:sharing") != "public":
        return f"the audit's verdict is missing in its tags: {tags}"
    with tempfile.TemporaryDirectory(dir=store) as scratch:
        archive = snapshots[0] / "volume.tar.zst"
        unpack = ["tar", "--extract", "--zstd", "--sparse", f"--file={archive}", f"--directory={scratch}"]
        subprocess.run(unpack, check=True)
        image = next(path for path in Path(scratch).rglob("*") if path.is_file())
        # -n: a check that repairs nothing; any finding is a fault of the snapshot.
        if subprocess.run(["e2fsck", "-fn", image], capture_output=True, check=False).returncode != 0:
            return "the file system of the snapshot is damaged"
        for path in EXPECTED:
            shown = subprocess.run(["debugfs", "-R", f"stat {path}", image], capture_output=True, text=True, check=True)
            if "Inode:" not in shown.stdout:
                return f"{path} is missing in the snapshot"
    return ""


def one_run(moment: float, store: Path, seed: Path) -> tuple[str, bool]:
    """Kill after so many seconds, run again; (what is wrong, whether something leaked)."""
    play_and_kill("build_volume", moment, seed=seed, store=store)
    again = play("build_volume", seed=seed, store=store)
    if again.rc != 0:
        return f"the rerun failed:\n{again.output[-3000:]}", False
    wrong = content_is_right(store)
    left = leftovers(store)
    return "; ".join([wrong] * bool(wrong) + [f"left behind: {left}"] * bool(left)), bool(left)


def main(runs: int) -> int:
    """One whole build to know how long it takes, then as many killed ones."""
    good = leaked = 0
    with own_directory(KILL) as directory:
        seed = directory / "seed.yaml"
        seed.write_text(SEED)
        started = time.monotonic()
        first = play("build_volume", seed=seed, store=directory / "whole")
        if first.rc != 0:
            print(first.output)
            return 1
        whole = time.monotonic() - started
        print(f"a whole build takes {whole:.1f} s", flush=True)
        for number in range(runs):
            moment = whole * (number + random.random()) / runs
            store = directory / f"run-{number}"
            wrong, leak = one_run(moment, store, seed)
            good += not wrong
            leaked += leak
            print(f"killed after {moment:5.1f} s: {wrong or 'one snapshot, right content, nothing left'}", flush=True)
    print(f"runs={runs} good={good} leaked={leaked}")
    return 0 if good == runs else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
