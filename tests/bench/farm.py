# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the same packages take to be built on one, two and four nodes of a mini cluster on this machine.

usage: farm.py [--sleep SECONDS] [--functions N]
Packages are those of tests/lab/package_graph.py, of --functions functions each, which also wait --sleep seconds: the
nodes share this machine's processors, so what is compared is the order of work and what the farm adds to it. Every
build has an empty cache and counts from its beginning to the last package in its place, solving apart. The last line
has the seconds of each, and those of the longest chain of packages of the lock file, each with the seconds that its own
build took where it had a node to itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import few_recipes
import package_graph
import spack_at_hand
from farm_lab import FarmLab, cluster_for
from minicluster.cluster import reason_not_to
from spack_lab import Lab, made_at

from ansible_collections.petal.hpc.plugins.module_utils._report.model import Step
from ansible_collections.petal.hpc.plugins.module_utils._report.schedule import critical_path

NODES = (1, 2, 4)
#: What the graph takes from the operating system.
TOOLS = {"cmake": "cmake@3.25.1", "gmake": "gmake@4.3"}


def prepare(lab: Lab, functions: int, sleep: float) -> None:
    """Let the lab's Spack know the graph, and nothing that is not needed for it."""
    mirror = spack_at_hand.mirror_dir()
    assert mirror is not None
    few_recipes.write(mirror, lab.root / "recipes", ["cmake"])
    repository = package_graph.write(lab.root / "graph", functions, sleep)
    repositories = {
        package_graph.NAMESPACE: str(repository),
        "builtin": f"{lab.root}/recipes/repos/spack_repo/builtin",
    }
    (lab.site / "repos.yaml").write_text(json.dumps({"repos:": repositories}))
    settings = lab.site / "packages.yaml"
    packages = json.loads(settings.read_text())["packages"]
    for name, spec in TOOLS.items():
        packages[name] = {"buildable": False, "externals": [{"spec": spec, "prefix": "/usr"}]}
    settings.write_text(json.dumps({"packages": packages}))


def empty(farm: FarmLab, name: str) -> None:
    """Forget all that was built; the cache's directory itself is mounted on the nodes."""
    for path in (farm.lab.tree, farm.lab.environment(name)):
        shutil.rmtree(path, ignore_errors=True)
    for path in farm.cache.iterdir():
        shutil.rmtree(path)


def build(farm: FarmLab, nodes: int) -> dict[str, Any]:
    """Build the graph on so many nodes; the environment as the module returns it."""
    others = [f"c{number}" for number in range(nodes + 1, max(NODES) + 1)]
    options = ["--exclusive", *([f"--exclude={','.join(others)}"] if others else [])]
    empty(farm, "graph")
    built = farm.run(**farm.arguments("graph", *package_graph.SPECS, farm={"options": options}, wait_s=7200))
    found: dict[str, Any] = built["environment"]
    return found


def steps(packages: Iterable[Mapping[str, Any]]) -> list[Step]:
    """What was built, with what each package waited for."""
    return [
        Step(
            key=item["hash"],
            name=item["name"],
            version=item["version"],
            manager="spack",
            origin=item["origin"],
            needs=(*item["dependencies"], *item["build_dependencies"]),
            seconds=item["seconds"],
            started=item["started"],
            ended=item["ended"],
        )
        for item in packages
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sleep", type=float, default=20)
    parser.add_argument("--functions", type=int, default=4)
    given = parser.parse_args()
    reason = reason_not_to() or ("" if spack_at_hand.mirror_dir() else spack_at_hand.no_mirror())
    if reason:
        sys.exit(reason)
    took = {}
    with tempfile.TemporaryDirectory(prefix="petal-bench-") as directory:
        for lab in made_at(Path(directory, "lab")):
            prepare(lab, given.functions, given.sleep)
            with cluster_for(lab, compute=max(NODES)) as farm:
                chain = None
                for nodes in NODES:
                    found = build(farm, nodes)
                    took[nodes] = float(found["install_s"])
                    made = [item for item in (*found["packages"], *found["tools"]) if item["origin"] == "source"]
                    chain = chain or critical_path(steps(made))
                    print(f"{len(made)} packages on {nodes} nodes: {took[nodes]:.1f} s", flush=True)
    assert chain is not None
    print(f"the longest chain has {len(chain.keys)} packages", flush=True)
    seconds = " ".join(f"nodes{nodes}={taken:.0f}" for nodes, taken in took.items())
    print(f"{seconds} critical_path={chain.seconds:.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
