"""Concretize the Spack packages of every shipped seed with the real Spack: none names what does not exist.

    seeds_check.py [SEED…]          default: all seeds below seeds/ that have Spack packages

Spack comes from the mirror directory or from GitHub, by role petal.hpc.spack, and is kept in the user's cache for the
next run; module petal.hpc.spack_environment concretizes, with the target and compiler of the seed. Prints a line for
each seed and ends with ``seeds=N concretized=N``.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import spack_at_hand
from playing import ROOT, command, environment

from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed, Software
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import this_host
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import read_seed_file

PLAYBOOK = "tests/lab/seeds_check.yml"


def read(path: Path) -> Seed:
    """A valid seed. Raises SeedError."""
    document = read_seed_file(str(path))
    return Seed.from_mapping(document.data, this_host(), document.source)


def shipped() -> list[Path]:
    """The seeds of the collection that have Spack packages."""
    return [path for path in sorted((ROOT / "seeds").rglob("*.yaml")) if wants_spack(read(path).software)]


def wants_spack(software: Software) -> bool:
    return bool(software.spack_packages or software.build_from_source or software.stacks)


def results(arguments: Sequence[str], directory: Path, log: Path) -> Iterator[dict[str, Any]]:
    """Run the playbook and give each result as it comes."""
    seen: set[Path] = set()
    with log.open("a") as output:
        run = subprocess.Popen(
            arguments, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        running = True
        while running:
            running = run.poll() is None
            for path in sorted(directory.glob("*.json")):
                if path not in seen:
                    seen.add(path)
                    yield json.loads(path.read_text())
            time.sleep(0.3)


def line(found: dict[str, Any]) -> str:
    """What is said of a seed."""
    done, name = found["environment"], Path(found["seed"]).stem
    if not done.get("packages"):
        return f"FAILED {name:20} {found['message'] or 'no packages'}"
    how = "pruned" if done.get("pruned") else "unpruned"
    nodes, seconds, solves = len(done["packages"]), done["concretize_s"], done["solves"]
    return f"ok     {name:20} {nodes:4} nodes {seconds:7.1f} s  {how}, {solves} solves"


def main(seeds: Sequence[Path]) -> int:
    if reason := spack_at_hand.why_not():
        print(reason)
        return 1

    def refs(path: Path) -> tuple[str, str]:
        spack = read(path).software.spack
        return spack.version, spack.packages or ""

    good = 0
    root = spack_at_hand.CACHE / "seeds-check"
    with tempfile.TemporaryDirectory(prefix="petal-seeds-") as temporary:
        log = Path(temporary, "log")
        for number, (_refs, group) in enumerate(itertools.groupby(sorted(seeds, key=refs), key=refs)):
            directory = Path(temporary, str(number))
            directory.mkdir()
            given = {
                "seeds_check_seeds": [str(path.absolute()) for path in group],
                "seeds_check_root": str(root),
                "seeds_check_results": str(directory),
                **spack_at_hand.variables(),
            }
            for found in results([*command(PLAYBOOK), "-e", json.dumps(given)], directory, log):
                good += bool(found["environment"].get("packages"))
                print(line(found), flush=True)
        if good < len(seeds):
            print(log.read_text())
    print(f"seeds={len(seeds)} concretized={good}")
    return 0 if good == len(seeds) else 1


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main([Path(argument) for argument in sys.argv[1:]] or shipped()))
