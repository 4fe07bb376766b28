# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an installation on the nodes of a Slurm cluster, and its steps on this host."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack import farm, plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.farm import Farm, Plan, Tools
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node, SpackError
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import farm_host, farm_node, farm_pack
from ansible_collections.petal.hpc.plugins.module_utils._spack.workshop import Workshop

#: Where sites and ParallelCluster have Slurm beside the usual places.
PLACES = ("/opt/slurm/bin", "/usr/local/slurm/bin", "/usr/local/bin", "/usr/bin")


def tools() -> Tools:
    """The programs that are needed here. Raises SpackError."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    found = {name: shutil.which(name, path=path) for name in ("salloc", "srun", "scancel", "squeue", "make")}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        raise SpackError(
            f"{', '.join(missing)} is not found on {os.uname().nodename}: a build farm needs a host of the volume that "
            "submits jobs to Slurm, and GNU make. Take another build_host, install it, or leave build_farm out."
        )
    return Tools(**{name: str(place) for name, place in found.items()})


def clear(host: Host, cache_dir: str, workshop: Workshop) -> None:
    """Take away what an installation on nodes had; the logs of what failed stay until the next one."""
    shared = _shared(cache_dir, workshop)
    if not shared.is_dir():
        return
    _empty(host, shared, "logs")
    if not any((shared / "logs").iterdir()):
        shutil.rmtree(shared)


def ends_earlier(host: Host, cache_dir: str, workshop: Workshop) -> list[list[str]]:
    """The command that ends the jobs of an installation on nodes that was killed, and takes what it made there away;
    none where there was no such one.
    """
    shared = _shared(cache_dir, workshop)
    script = shared / _file(farm_host)
    return [[host.interpreter(), str(script), str(shared), "end"]] if script.exists() else []


def _empty(host: Host, directory: Path, kept: str) -> None:
    """Take away all that is in a directory but one thing."""
    for path in directory.iterdir():
        if path.name != kept:
            host.remove(path)


def _shared(cache_dir: str, workshop: Workshop) -> Path:
    return Path(cache_dir, "farm", Path(workshop.store).name)


class FarmFiles:
    """The installation of one environment on nodes.

    :param directory: of the environment's files, on this host.
    :param workshop: of the host, whose cache all nodes have to see.
    """

    def __init__(
        self, host: Host, spack: Spack, directory: Path, workshop: Workshop, wanted: Farm, cache_dir: str
    ) -> None:
        self._host = host
        self._spack = spack
        self._directory = directory
        self._workshop = workshop
        for path, what in ((str(directory), "work_dir"), (cache_dir, "cache_dir")):
            farm.plain(path, what)
        self._sources = Path(cache_dir, "sources")
        self._shared = _shared(cache_dir, workshop)
        self._plan = Plan(
            wanted, tools(), self._shared.name, str(self._shared), f"{directory}/farm/Makefile", workshop.cache
        )

    def steps(
        self,
        facts: Mapping[str, Any],
        nodes: Mapping[str, Node],
        missing: Sequence[Node],
        jobs: int,
        fail_fast: bool,
    ) -> list[list[str]]:
        """The commands that build what no cache has; every package is in the host's own cache then.

        :param facts: what ``scripts/state.py`` found out.
        :param nodes: all of the environment. missing: those that are to be built, dependencies first.
        :param jobs: at once for one package; 0 for as many as its node carries.
        """
        owner = self._spack.owner()
        makefile, shared = Path(self._plan.makefile), self._shared
        shutil.rmtree(makefile.parent, ignore_errors=True)
        if shared.is_dir():
            # The nodes that a killed one was at still have what it made there.
            _empty(self._host, shared, "nodes")
        for path in (Path(self._workshop.cache), self._sources, makefile.parent, shared):
            self._spack.make_directory(path)
        # The key by which packages are signed is in there.
        shared.chmod(0o700)
        for name in ("nodes", "logs"):
            self._spack.make_directory(shared / name)
        keys = {node.hash for node in missing}
        there = [node for node in nodes.values() if node.hash not in keys]
        self._write("host.json", json.dumps(self._plan.host_request(owner, there, fail_fast)))
        self._write("request.json", json.dumps(self._request(owner, jobs, facts)))
        self._write("pack.json", json.dumps(self._packing(owner, facts, list(keys))))
        self._write("launch", self._plan.launcher(), 0o700)
        for script in (farm_host, farm_node, farm_pack):
            self._write(_file(script), inspect.getsource(script))
        ours = [self._host.interpreter(), str(shared / _file(farm_host)), str(shared)]
        spack = [self._spack.command, "-e", str(self._directory)]
        return [
            [*ours, "probe"],
            [*spack, "python", str(shared / _file(farm_pack)), str(shared / "pack.json")],
            [*spack, *farm.depfile(self._plan.makefile, missing)],
            [*ours, "make"],
        ]

    def _request(self, owner: int, jobs: int, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What ``scripts/farm_node.py`` is asked."""
        return {
            "id": f"{self._plan.key}-{int(time.time() * 1000)}",
            "local": self._plan.local(owner),
            "cache": self._workshop.cache,
            "system": farm_node.system(),
            "needs": list(facts["compilers"]),
            "install": ["install", "--only-concrete", "--use-buildcache", "package:never,dependencies:only"],
            "jobs": jobs,
            "memory_per_job": plan.MEMORY_PER_JOB,
        }

    def _packing(self, owner: int, facts: Mapping[str, Any], missing: Sequence[str]) -> dict[str, Any]:
        """What ``scripts/farm_pack.py`` is asked."""
        local = self._plan.local(owner)
        there = replace(self._workshop, store=f"{local}/store")
        config = json.loads(there.config(facts["root"]))["config"]
        # What was built there is not asked for by its name: no package that is to be built comes from a cache.
        own = json.loads(there.mirrors({}, (), building=True))["mirrors"]
        return {
            "environment": str(self._directory),
            "missing": list(missing),
            "pack": str(self._shared / "pack.tar"),
            "local": local,
            "sources": str(self._sources),
            "settings": {
                "config": {**config, "source_cache": str(self._sources)},
                "mirrors": own,
                "others": facts["mirrors"] or {},
            },
        }

    def _write(self, name: str, text: str, mode: int = 0o600) -> None:
        self._host.write(self._shared / name, text, mode)
        self._spack.give(self._shared / name)


def _file(script: ModuleType) -> str:
    return str(script.__name__).rpartition(".")[2] + ".py"
