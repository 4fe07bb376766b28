# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that install an environment: in its place, or off the volume first, on this host or on others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack import farm, farm_api, lockfile, plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Grounds, Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.environment_state_api import EnvironmentState
from ansible_collections.petal.hpc.plugins.module_utils._spack.feeding import Feed
from ansible_collections.petal.hpc.plugins.module_utils._spack.feeding_api import FeedFiles
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node, SpackError
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import install as install_script
from ansible_collections.petal.hpc.plugins.module_utils._spack.workshop import OLDEST, Workshop
from ansible_collections.petal.hpc.plugins.module_utils._spack.workshop_api import WorkshopFiles


@dataclass(frozen=True)
class Options:
    """How to work. jobs: 0 for as many as the host carries; timeout, wait: seconds, 0 for none.

    work_dir: empty for a Spack that works where it always does.
    parallel: whether several packages may be built at a time. cache_dir: directory of the host's own build cache, and
    of the stores in which packages are built for it; empty to build in their place. padded_length: of prefixes there.
    look_for_sources: whether to, before the first is built. grounds: where Spack works, once it is known. decided_by:
    directories of Spack, of its packages and of a site's recipes, by which solutions are kept in ``cache_dir``; none to
    keep none. base: file that says what is in place of the volume that this one was made from, of which nothing may be;
    empty for none. cache_limit: bytes that the cache may have, 0 for any number. farm: the nodes that build, none for
    this host. modules: whether Spack writes the module of each package as it installs. feed: the build cache that gets
    each package as it finishes, none for no other than the host's own.
    """

    spack: str
    work_dir: str = ""
    jobs: int = 0
    timeout: int = 0
    wait: float = 15.0
    fail_fast: bool = True
    prune: bool = True
    parallel: bool = True
    cache_dir: str = ""
    padded_length: int = 128
    look_for_sources: bool = True
    grounds: Grounds | None = None
    decided_by: Sequence[str] = ()
    base: str = ""
    cache_limit: int = 0
    farm: farm.Farm | None = None
    modules: bool = True
    feed: Feed | None = None


class Steps:
    """The installation of one environment.

    :param directory: of the environment's files.
    """

    def __init__(self, host: Host, spack: Spack, directory: Path, state: EnvironmentState, options: Options) -> None:
        self._host = host
        self._spack = spack
        self._directory = directory
        self._state = state
        self._options = options
        self.workshop = Workshop.below(options.cache_dir, str(directory), options.padded_length)

    def builds_apart(self) -> bool:
        """Whether packages are built off the volume, kept in the host's own cache, and brought over from there."""
        return bool(self._options.cache_dir) and self._state.version >= OLDEST

    @property
    def feed(self) -> FeedFiles | None:
        """What hands on what the host's own cache gets, where that is wanted and there is one."""
        wanted = self._options.feed
        if wanted is None or not self.builds_apart():
            return None
        return FeedFiles(self._host, self._spack, self._directory, self.workshop.cache, wanted)

    def _workshop_files(self) -> WorkshopFiles:
        return WorkshopFiles(self._host, self._spack, self._command(), self._directory, self.workshop)

    def _command(self) -> list[str]:
        """What runs Spack for an installation."""
        return [self._options.spack, *([] if self._options.modules else ["-c", plan.NO_MODULES])]

    def _install(self, jobs: int, fail_fast: bool) -> list[str]:
        """What has Spack install."""
        words = ["install"]
        if self._state.version >= plan.NEW_INSTALLER:
            script = self._directory / "install.py"
            self._spack.write(script, inspect.getsource(install_script))
            words = ["python", str(script)]
        words += ["--only-concrete", *(["--fail-fast"] if fail_fast else [])]
        return [*words, *plan.concurrency(jobs, self._state.version, self._options.parallel)]

    def commands(self, facts: Mapping[str, Any], from_source: Sequence[str], jobs: int) -> list[list[str]]:
        """The commands of the installation.

        :param facts: what ``scripts/state.py`` found out.
        :param from_source: what no cache is asked for.
        :param jobs: at once, on this host.
        """
        command, environment = self._command(), ["-e", str(self._directory)]
        # There may be more that cannot be moved: none of them shall end the builds that run beside it.
        fail_fast = self._options.fail_fast and not self._state.unmoved
        install = self._install(jobs, fail_fast)
        if self.builds_apart():
            missing = self._state.to_build()
            elsewhere = self._farm(facts, self._anywhere(missing, facts), fail_fast) if missing else None
            before = [] if elsewhere else farm_api.ends_earlier(self._host, self._options.cache_dir, self.workshop)
            files = self._workshop_files()
            return [*before, *files.steps(facts, from_source, missing, install, self._state.wanted(), elsewhere)]
        if self._options.farm:
            raise SpackError(farm.NO_CACHE)
        if facts["mirrors"]:
            # Mirrors that do not show the binaries of what shall be built from source.
            scope = self._directory / "scope"
            self._spack.make_directory(scope)
            self._host.write(scope / "mirrors.yaml", plan.mirrors(facts["mirrors"]), 0o600)
            self._spack.give(scope / "mirrors.yaml")
            return [[*command, "-C", str(scope), *environment, *install, *self._state.wanted()]]
        order = []
        if facts["mirrors"] is None:
            order = plan.source_order(self._state.nodes, from_source, self._state.needed())
        install = [*command, *environment, *install]
        return [*([*install, *plan.FROM_SOURCE, item] for item in order), [*install, *self._state.wanted()]]

    def _anywhere(self, missing: Sequence[Node], facts: Mapping[str, Any]) -> list[Node]:
        """What is to be built, with what is on the volume and not in the cache: other nodes do not see the volume."""
        wanted = {node.hash for node in missing} | set(facts.get("lacking", ()))
        return [node for node in lockfile.ordered(self._state.nodes) if node.hash in wanted]

    def _farm(
        self, facts: Mapping[str, Any], missing: Sequence[Node], fail_fast: bool
    ) -> Callable[[], list[list[str]]] | None:
        """What gives the commands that build on other nodes, where that is wanted."""
        wanted = farm.for_one(self._options.farm, self._options.parallel)
        if wanted is None:
            return None
        files = farm_api.FarmFiles(
            self._host, self._spack, self._directory, self.workshop, wanted, self._options.cache_dir
        )
        return lambda: files.steps(facts, self._state.nodes, missing, self._options.jobs, fail_fast)

    def clear(self) -> None:
        """Empty what was only needed while it ran: what was finished is in the cache."""
        self._workshop_files().clear()
        farm_api.clear(self._host, self._options.cache_dir, self.workshop)
