# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let Spack choose the packages of an environment: ask what there is to know, solve in a draft, tell what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import signal_hint
from ansible_collections.petal.hpc.plugins.module_utils._spack import lockfile, makers, messages, plan, stacks, unify
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import EnvironmentRequest, Node, Probe, SpackError
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import probe as probe_script


class Solver:
    """The solver of one environment.

    :param warn: takes a sentence for the user.
    :param error: makes an error of a message, with what is known of the environment.
    """

    def __init__(
        self,
        host: Host,
        spack: Spack,
        wanted: EnvironmentRequest,
        warn: Callable[[str], None],
        error: Callable[[str], SpackError],
    ) -> None:
        self._host = host
        self._spack = spack
        self._wanted = wanted
        self._warn = warn
        self._error = error

    def probe(self, prune: bool) -> Probe:
        """What Spack says of what is wanted. Raises SpackError where that can be seen to be impossible.

        :param prune: ask what the solver may leave out, too.
        """
        arguments = {
            "specs": list(self._wanted.specs),
            "compiler": self._wanted.compiler,
            "target": self._wanted.target,
            "prune": prune,
            "stacks": [{**asdict(one), "specs": list(stacks.with_mpi(one))} for one in self._wanted.stacks],
        }
        probed = Probe.from_dict(self._spack.inside(probe_script, arguments))
        makers.check_languages(self._wanted, probed)
        stacks.check(self._wanted, probed)
        return probed

    def solve(self, draft: Path, wanted: EnvironmentRequest, probed: Probe) -> dict[str, Any]:
        """Solve an environment in ``draft``, and give how that went. Raises SpackError with Spack's reason."""
        started = time.monotonic()
        scope = draft / "scope"
        self._spack.make_directory(draft)
        self._spack.make_directory(scope)
        (draft / "spack.lock").unlink(missing_ok=True)
        self._host.write(scope / "packages.yaml", plan.closed_packages(probed))
        environment = ["-e", str(draft), "concretize", "--force"]
        reason = where = ""
        attempts = unify.attempts(stacks.lists(wanted), bool(probed.closed))
        for count, attempt in enumerate(attempts, start=1):
            self._host.write(draft / "spack.yaml", stacks.spack_yaml(wanted, probed, attempt.unify))
            self._spack.give(draft / "spack.yaml")
            options = ["-C", str(scope)] if attempt.pruned else []
            status, output, problem = self._spack.call([*options, *environment])
            if status == 0 and (draft / "spack.lock").exists():
                several = attempt.unify != attempts[0].unify
                otherwise = makers.made_otherwise(wanted, probed, self._chosen(draft))
                self.tell(draft, several, otherwise)
                seconds = round(time.monotonic() - started, 1)
                figures = {"concretize_s": seconds, "pruned": attempt.pruned, "solves": count}
                return {**figures, "several": several, "otherwise": otherwise}
            if ended := signal_hint(status):
                raise self._error(messages.unsolved_message(self._wanted.name, ended))
            if attempt.tells:
                reason, where = problem or output, stacks.stack_that_was_solved(output)
        raise self._error(messages.refused_message(self._wanted.name, reason, where))

    def tell(self, draft: Path, several: bool, otherwise: Sequence[str]) -> None:
        """Warn of what was chosen though nobody asked for it (``makers.warnings``)."""
        for text in makers.warnings(self._wanted, self._chosen(draft), several, otherwise):
            self._warn(text)

    def _chosen(self, draft: Path) -> Mapping[str, Node]:
        return lockfile.parse_lock((draft / "spack.lock").read_text(encoding="utf-8"))
