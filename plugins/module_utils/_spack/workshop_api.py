# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of the place where an environment's packages are built, and the commands that build there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack import plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node
from ansible_collections.petal.hpc.plugins.module_utils._spack.workshop import Workshop, installed_only


class WorkshopFiles:
    """The workshop of one environment.

    :param command: what runs Spack for an installation.
    :param directory: of the environment's files.
    :param workshop: where the packages are built.
    """

    def __init__(self, host: Host, spack: Spack, command: Sequence[str], directory: Path, workshop: Workshop) -> None:
        self._host = host
        self._spack = spack
        self._command = command
        self._directory = directory
        self._workshop = workshop

    def steps(
        self,
        facts: Mapping[str, Any],
        from_source: Sequence[str],
        missing: Sequence[Node],
        install: Sequence[str],
        wanted: Sequence[str] = (),
        elsewhere: Callable[[], list[list[str]]] | None = None,
    ) -> list[list[str]]:
        """The commands of an installation: build what no cache has, then bring everything to its place.

        :param facts: what ``scripts/state.py`` found out.
        :param from_source: specs that no cache is asked for.
        :param missing: what is to be built, dependencies first.
        :param install: how Spack installs.
        :param wanted: what is brought to its place; nothing for what the environment asks for.
        :param elsewhere: gives the commands that build it on other hosts, where that is wanted.
        """
        self.clear()
        workshop = self._workshop
        for path in (workshop.cache, workshop.store):
            self._spack.make_directory(Path(path))
        others = facts["mirrors"] or {}
        building = {
            "config.yaml": workshop.config(facts["root"]),
            "mirrors.yaml": workshop.mirrors(others, from_source, building=True),
        }
        if facts.get("lacking"):
            # Of the volume that this one was made from, say. What is built on that cannot be moved to longer paths.
            building["upstreams.yaml"] = workshop.upstreams(self._volume(facts["database"]))
        moving = {"mirrors.yaml": workshop.mirrors(others, from_source, building=False)}
        build, move = (self._scope(name, files) for name, files in (("building", building), ("moving", moving)))
        steps = [[*move, *_all(install), "--use-buildcache", "only", *wanted]]
        if missing and elsewhere:
            steps = [*elsewhere(), *steps]
        elif missing:
            steps.insert(0, [*build, *install, *plan.FROM_SOURCE, *(f"{node.name}/{node.hash}" for node in missing)])
        return steps

    def _volume(self, database: str) -> str:
        """A store for Spack to take from, of which there is the database alone: what is installed on the volume."""
        directory = self._directory / "volume"
        index = directory / ".spack-db" / "index.json"
        self._spack.make_directory(index.parent)
        self._host.write(index, installed_only(Path(database).read_text(encoding="utf-8")))
        self._spack.give(index)
        return str(directory)

    def _scope(self, name: str, files: Mapping[str, str]) -> list[str]:
        """The command that runs Spack for this environment with settings of its own."""
        scope = self._directory / name
        self._spack.make_directory(scope)
        for file, text in files.items():
            # Mirrors may have the names of secrets in them.
            self._host.write(scope / file, text, 0o600)
            self._spack.give(scope / file)
        return [*self._command, "-C", str(scope), "-e", str(self._directory)]

    def clear(self) -> None:
        """Empty the store: what was finished in it is in the cache."""
        shutil.rmtree(self._workshop.store, ignore_errors=True)


def _all(install: Sequence[str]) -> list[str]:
    """The same, but one package that cannot be had from a cache does not hide others."""
    return [word for word in install if word != "--fail-fast"]
