# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a Spack environment on this host: solve it, install it detached, and say what became of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._spack import messages, plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.base import parse_record
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.ends_api import Ending, memory
from ansible_collections.petal.hpc.plugins.module_utils._spack.environment_state_api import EnvironmentState
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    CACHE,
    EXTERNAL,
    SOURCE,
    EnvironmentRequest,
    Package,
    Probe,
    SpackError,
    progress,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import (
    BUILDING,
    DONE,
    FAILED,
    NO_BINARY,
    Progress,
    read_output,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.retention_api import keep_small
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import state as state_script
from ansible_collections.petal.hpc.plugins.module_utils._spack.session_api import (
    KILLED,
    TERMINATED,
    TIMEOUT,
    Outcome,
    Session,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.solutions_api import Solutions
from ansible_collections.petal.hpc.plugins.module_utils._spack.solver_api import Solver
from ansible_collections.petal.hpc.plugins.module_utils._spack.sources_api import look
from ansible_collections.petal.hpc.plugins.module_utils._spack.steps_api import Options, Steps

PRESENT = "present"
CONCRETIZED = "concretized"
STARTED = "started"
FINISHED = "finished"
STATUS = "status"
# What ``status`` says too, of one that was not solved.
ABSENT = "absent"
STATES = (ABSENT, CONCRETIZED, STARTED, FINISHED, PRESENT, STATUS)

# What ``status`` says, beside ``finished``.
RUNNING = "running"
STOPPED = "stopped"

POLL = 0.3
# A session that is killed this often in a row without finishing a package is not started again.
DEATHS = 3
_LOG_LIMIT = 64 * 1024**2


class Environment:
    """One environment, whose files are in ``WORK_DIR/envs/NAME``, or where Spack has its own."""

    def __init__(self, module: AnsibleModule, wanted: EnvironmentRequest, options: Options) -> None:
        self._module = module
        self._check = bool(module.check_mode)
        self._wanted = wanted
        self._host = Host(module.run_command)
        self._spack = Spack(self._host, options.spack, Path(options.work_dir) if options.work_dir else None)
        grounds = self._spack.find_grounds(options.grounds)
        self._options = replace(options, grounds=grounds)
        self._directory = Path(grounds.environments, wanted.name)
        self._session = Session(self._host, self._directory / "session", self._directory / "install.log")
        self._state = EnvironmentState(self._host, self._spack, self._directory)
        self._steps = Steps(self._host, self._spack, self._directory, self._state, options)
        self._solutions = Solutions(self._spack, options.cache_dir, options.decided_by, options.prune)
        self._solver = Solver(self._host, self._spack, wanted, module.warn, self._error)
        # That of a compiler which had to be built apart.
        self._first: Environment | None = None
        self._changed = False

    # What is asked for

    def ensure(self, state: str) -> dict[str, Any]:
        """Bring the environment to a state: ``concretized``, ``started`` (an installation runs), ``present`` (waits
        for its end as long as the options say), ``finished`` (the same, but starts nothing) or ``absent``. ``status``
        only looks.

        Returns ``changed``, ``environment``, ``progress`` and ``diff`` (see the module's RETURN). Raises SpackError.
        """
        if not self._spack.is_there() and (state not in (ABSENT, STATUS) or not self._spack.grounds.environments):
            return self._without_spack(state)
        self._state.refuse_others()
        if state == STATUS:
            return self._status()
        if state == ABSENT:
            return self._remove()
        doing = f"making the Spack environment {self._wanted.name}"
        with explained(doing):
            # Everybody reads what is built here, whatever the umask of the connection.
            os.umask(0o022)
            if self._check:
                return self._preview()
            self._spack.make_directory(self._directory)
            with self._host.lock(self._directory / "lock", doing):
                return self._ensure(state)

    def _ensure(self, state: str) -> dict[str, Any]:
        if not self._load():
            earlier = self._solve(state)
            if earlier is not None:
                return earlier
        if state == CONCRETIZED:
            return self._result(self._state.complete())
        if not self._session.running():
            outcome = self._session.outcome()
            if outcome is not None and outcome.reason != KILLED:
                concluded = self._conclude(outcome)
                if concluded is not None:
                    return concluded
            elif self._state.complete():
                return self._result(True)
            elif state == FINISHED and outcome is None:
                raise self._error(f"no installation of {self._wanted.name} runs; run it with state=present")
            elif not self._start(outcome):
                return self._result(True)
        return self._join(0.0 if state == STARTED else self._options.wait)

    def _load(self) -> bool:
        """Whether the environment is solved, and as it is wanted."""
        if not self._state.load(self._wanted):
            return False
        apart = self._state.apart
        if apart is None:
            return True
        self._first = Environment(self._module, apart, self._options)
        return self._first._load() and self._first._state.complete()

    # Solving

    def _solve(self, state: str) -> dict[str, Any] | None:
        """Let Spack choose, in a draft; a running installation of other specs goes on until that has succeeded.

        Gives the result of the compiler's environment where that has to be finished first.
        """
        draft = self._directory / "draft"
        if state != FINISHED and self._take(draft):
            return None
        probed = self._solver.probe(self._options.prune)
        wanted, apart = self._wanted, plan.compiler_apart(self._wanted, probed)
        if apart is not None:
            self._first = Environment(self._module, apart, self._options)
            earlier = self._first.ensure(state)
            self._changed = bool(earlier["changed"])
            if not earlier["environment"]["finished"]:
                return earlier
            wanted, probed = plan.with_compiler_built(self._wanted, probed, self._first.compiler())
            if not wanted.specs and not wanted.stacks:
                return earlier
        elif state == FINISHED:
            raise self._error(f"the environment {self._wanted.name} was not started; run it with state=present first")
        figures = self._solver.solve(draft, wanted, probed)
        if apart is None:
            self._solutions.put(self._wanted, draft, probed, figures)
        self._adopt(draft, probed, figures, apart)
        return None

    def _take(self, draft: Path) -> bool:
        """Take what was chosen before for the same; False where there is nothing."""
        self._spack.make_directory(draft)
        found = self._solutions.take(self._wanted, draft)
        if found is None:
            return False
        self._solver.tell(draft, found.several, found.otherwise)
        self._adopt(draft, found.probe, found.figures, None)
        return True

    def _adopt(self, draft: Path, probe: Probe, figures: Mapping[str, Any], apart: EnvironmentRequest | None) -> None:
        self._session.end()
        self._keep()
        self._session.clear()
        self._state.replace(draft, self._wanted, probe, figures, apart)
        self._changed = True

    def compiler(self) -> Package:
        """The compiler that this environment is for."""
        return next(item for item in self._state.packages() if item.explicit)

    # Installing

    def _start(self, before: Outcome | None) -> bool:
        """Start the installation, from where a killed one was; False when nothing is left to do."""
        self._session.end()
        progressed = self._keep()
        if before is not None and self._state.died(progressed) >= DEATHS:
            found = self._progress()
            self._state.died(True)
            self._session.clear()
            self._state.save()
            raise self._error(self._ending().killed(found, self._session.log))
        facts = self._facts(self._directory)
        self._state.save()
        if not self._state.needed() and not self._state.unmarked():
            self._session.clear()
            return False
        if self._options.look_for_sources:
            missing = look(self._spack, self._state, self._directory, self._module.warn)
            if missing:
                raise self._error(missing)
            self._state.save()
        key = f"{self._wanted.name}-{int(time.time() * 1000)}"
        feed = self._steps.feed
        self._session.start(
            key,
            self._steps.commands(facts, self._from_source(), self._jobs()),
            self._options.timeout,
            list(self._ending().watched()),
            feed.command(self._state.nodes.values()) if feed else (),
        )
        self._changed = True
        return True

    def _facts(self, directory: Path) -> dict[str, Any]:
        """What Spack's store and mirrors have of the environment; takes over what a killed session had finished."""
        base = self._base()
        arguments = {
            "environment": str(directory),
            "adopt": [] if self._check else self._state.finished,
            "from_source": self._from_source(),
            "cache": self._steps.workshop.cache if self._steps.builds_apart() else "",
            "base": sorted(base["packages"]) if base else [],
            "use": not self._check,
        }
        facts = self._spack.inside(state_script, arguments)
        self._state.enter(facts, base["id"] if base else "")
        deprecated = self._state.deprecated()
        if deprecated:
            self._module.warn(f"Spack calls these versions deprecated: {', '.join(deprecated)}")
        of_system = plan.of_system(self._state.nodes)
        if of_system:
            self._module.warn(messages.of_system_message(of_system))
        return facts

    def _base(self) -> dict[str, Any] | None:
        """What is in place of the volume that this one was made from, and was not taken over yet."""
        if self._check or not self._options.base:
            return None
        try:
            found = parse_record(self._host.read_json(Path(self._options.base)))
        except FileNotFoundError:
            return None
        return None if self._state.has_taken(found["id"]) else found

    def _from_source(self) -> list[str]:
        """What no cache is asked for: what the user says, and what could not be moved from one to here."""
        return [*self._wanted.from_source, *self._state.unmoved]

    def _jobs(self) -> int:
        return plan.jobs(len(os.sched_getaffinity(0)), memory(), self._options.jobs)

    def _ending(self) -> Ending:
        others = {self._spack.grounds.stage: "sources and builds"}
        if self._steps.builds_apart():
            others[self._options.cache_dir] = "the host's own cache, and what is built for it"
        return Ending(self._wanted.name, self._state.store, others, self._jobs(), self._state.version)

    def _join(self, wait: float) -> dict[str, Any]:
        """Wait for the running installation, at most so many seconds."""
        deadline = time.monotonic() + wait
        while True:
            while self._session.running():
                if time.monotonic() >= deadline:
                    return self._result(False)
                time.sleep(POLL)
            outcome = self._session.outcome()
            if outcome is None or outcome.reason == KILLED:
                # The next call takes it up again: this one may be about to be ended by the same hand.
                return self._result(False)
            concluded = self._conclude(outcome)
            if concluded is not None:
                return concluded

    def _conclude(self, outcome: Outcome) -> dict[str, Any] | None:
        """Take the result of a session into the state, once; None where another session goes on with the rest."""
        found, log = self._progress(), str(self._session.log)
        logs = [_tail_text(Path(item.log)) for item in found.in_state(FAILED)]
        unmoved = _unmoved(found, logs)
        self._keep(outcome.seconds)
        self._state.died(True)
        again = (
            self._state.note_unmoved(unmoved)
            and len(unmoved) == len(logs)
            and outcome.reason not in (TIMEOUT, TERMINATED)
        )
        told = self._state.unmoved
        if outcome.status == 0:
            self._state.forget_unmoved()
        self._state.save()
        self._session.end()
        self._session.clear()
        self._leave_workshop()
        if outcome.status != 0 and again and self._start(None):
            return None
        if told:
            nodes = [node for node in self._state.nodes.values() if not node.external]
            for message in messages.from_source_messages(told, nodes):
                self._module.warn(message)
        working = [item.label for item in found.in_state(BUILDING)]
        if outcome.reason == TERMINATED:
            raise self._error(messages.terminated_message(self._wanted.name, working, log))
        if outcome.reason == TIMEOUT:
            raise self._error(messages.ended_message(self._wanted.name, working, log, self._options.timeout))
        if outcome.status == 0 and self._state.complete():
            self._changed = True
            return self._result(True)
        failed = messages.failures(found, self._state.nodes.values(), logs)
        message = self._ending().message(outcome, found, failed, logs, self._session)
        raise self._error(message, [item.to_dict() for item in failed])

    def _leave_workshop(self) -> None:
        """Take away what was only needed while it ran, and say what there is to say of the caches."""
        feed = self._steps.feed
        problem = feed.fed(self._session.running()).problem() if feed else ""
        if problem:
            self._module.warn(f"{problem.rstrip('.')}.")
        if self._steps.builds_apart():
            self._steps.clear()
            for said in keep_small(self._host, self._steps.workshop.cache, self._options.cache_limit):
                self._module.warn(said)

    def _progress(self) -> Progress:
        return read_output(*self._session.lines())

    def _keep(self, seconds: float = 0.0) -> bool:
        """Note what the last session brought; True when it finished something."""
        # After a restart of the host nobody knows what of it reached the disk.
        return self._state.take(self._progress(), seconds, trusted=self._session.same_boot())

    # Results

    def _result(self, finished: bool) -> dict[str, Any]:
        packages = self._packages()
        told = self._told(finished, packages)
        if self._module._diff and self._changed:
            told["diff"] = self._difference([item for item in packages if item.origin not in (SOURCE, CACHE)], packages)
        return told

    def _difference(self, before: Sequence[Package], after: Sequence[Package]) -> dict[str, str]:
        header = f"Spack environment {self._wanted.name}"
        return {
            "before_header": header,
            "after_header": header,
            "before": plan.listing(before),
            "after": plan.listing(after),
        }

    def _told(self, finished: bool, packages: Sequence[Package]) -> dict[str, Any]:
        record = {
            "name": self._wanted.name,
            "specs": list(self._wanted.specs),
            "changed": self._changed,
            "finished": finished,
            "path": str(self._directory),
            "lock": str(self._state.lock),
            "log": str(self._session.log),
            "packages": [item.to_dict() for item in packages],
            "tools": [item.to_dict() for item in self._tools()],
            "failed": [],
            "handed_on": self._handed_on(),
            **self._state.figures,
        }
        return {"changed": self._changed, "environment": record, "progress": self._how_far(finished, packages)}

    def _handed_on(self) -> dict[str, Any] | None:
        """How far the cache is that gets each package as it finishes; None where there is none."""
        feed = self._steps.feed
        if feed is None:
            return None
        fed = feed.fed(self._session.running())
        return {**fed.to_dict(), "line": fed.line()}

    def _how_far(self, finished: bool, packages: Sequence[Package], look: bool = False) -> dict[str, Any]:
        real = [item for item in packages if item.origin != EXTERNAL]
        if finished:
            return progress(len(real), len(real), [])
        found = self._progress() if look or not self._check else Progress()
        done = {key for key, item in found.by_hash(self._state.nodes).items() if item.state == DONE}
        done |= {key for key, place in self._state.places.items() if place.installed}
        working = [found.at_work(item) for item in found.in_state(BUILDING)]
        return progress(len([item for item in real if item.hash in done]), len(real), working)

    def _packages(self) -> list[Package]:
        first = self._first._packages() if self._first is not None else []
        known = {item.hash for item in first}
        # The compiler of that environment is an external one of this.
        places = {item.prefix for item in first if item.origin != EXTERNAL}
        mine = [item for item in self._state.packages() if item.hash not in known and item.prefix not in places]
        return [*first, *mine]

    def _tools(self) -> list[Package]:
        return [*(self._first._tools() if self._first is not None else []), *self._state.tools()]

    def _error(self, message: str, failed: Sequence[Mapping[str, Any]] = ()) -> SpackError:
        record = dict(self._told(False, self._packages())["environment"])
        feed = self._steps.feed
        kept = feed.fed(self._session.running()).kept() if feed else ""
        message = f"{message} {kept}" if kept else message
        # A task that repeats until it is finished stops here.
        record.update(finished=True, failed=list(failed))
        return SpackError(message, record)

    # Questions

    def _status(self) -> dict[str, Any]:
        """What it is at, by its files. Takes no lock, so that it can be asked while another call waits."""
        apart = Environment(self._module, EnvironmentRequest(plan.compiler_name(self._wanted.name), ()), self._options)
        solved, running = self._state.read(), self._session.running()
        if not running and apart._session.running():
            return apart._status()
        if self._state.apart is not None:
            self._first = apart
            apart._state.read()
        outcome = None if running else self._session.outcome()
        found = self._progress()
        logs = [_tail_text(Path(item.log)) for item in found.in_state(FAILED)]
        failed = [item for item in messages.failures(found, self._state.nodes.values(), logs) if not running]
        failed = [item for item in failed if item.hash in self._state.nodes]
        if running:
            status = RUNNING
        elif not solved:
            status = ABSENT
        elif self._state.complete() or (outcome is not None and outcome.status == 0):
            status, failed = FINISHED, []
        else:
            status = FAILED if failed else STOPPED
        finished, packages = status == FINISHED, self._packages()
        told = self._told(finished, packages)
        told["environment"]["failed"] = [item.to_dict() for item in failed]
        told["progress"] = self._how_far(finished, packages, look=True)
        return {**told, "status": status, "log_tail": messages.tail(_tail_text(self._session.log))}

    # Taking it away

    def _remove(self) -> dict[str, Any]:
        """End its installation and remove its files. What is installed stays: others may need it."""
        every = [self] if self._directory.is_dir() else []
        if every and (not self._state.read() or self._state.apart is not None):
            apart = EnvironmentRequest(plan.compiler_name(self._wanted.name), ())
            self._first = Environment(self._module, apart, self._options)
            every += [self._first] if self._first._state.is_there() else []
            self._first._state.read()
        packages = self._packages()
        self._changed = bool(every)
        for environment in [] if self._check else every:
            doing = f"removing the Spack environment {environment._wanted.name}"
            with explained(doing), self._host.lock(environment._directory / "lock", doing):
                environment._session.end()
                shutil.rmtree(environment._directory)
        told = self._told(True, [])
        return {**told, "diff": self._difference(packages, [])} if self._module._diff and self._changed else told

    # Check mode

    def _preview(self) -> dict[str, Any]:
        """What would be installed and from where; nothing but Spack's own caches changes."""
        solved = self._load()
        if solved and self._state.complete():
            return self._result(True)
        self._changed = True
        if solved:
            self._facts(self._directory)
            return self._result(False)
        probed = self._solver.probe(self._options.prune)
        wanted, apart = self._wanted, plan.compiler_apart(self._wanted, probed)
        if apart is not None:
            self._first = Environment(self._module, apart, self._options)
            earlier = self._first.ensure(PRESENT)
            if not earlier["environment"]["finished"]:
                self._module.warn(f"What {self._wanted.compiler} builds can be told once that compiler is there.")
                return earlier
            wanted, probed = plan.with_compiler_built(self._wanted, probed, self._first.compiler())
        with self._spack.scratch() as draft:
            figures = {**self._solver.solve(draft, wanted, probed), "version": list(probed.version)}
            self._state.preview(draft / "spack.lock", figures)
            self._facts(draft)
        return self._result(False)

    def _without_spack(self, state: str) -> dict[str, Any]:
        if not self._check or state == STATUS:
            raise self._error(
                f"there is no spack at {self._options.spack}; expected the command of a Spack that is installed here, "
                "as the role petal.hpc.spack does it"
            )
        # Spack itself would be installed first.
        self._changed = state != ABSENT
        return self._told(False, [])


def _unmoved(found: Progress, logs: Sequence[str]) -> dict[str, int | None]:
    """What failed because of what a cache has of it: by name, with the characters by which the prefix here is longer;
    None where a cache has nothing that may be used.

    :param logs: of what failed, in its order.
    """
    failed = found.in_state(FAILED)
    differences = [(item, messages.longer_by(log, item.name, found.errors)) for item, log in zip(failed, logs)]
    return {item.name: longer for item, longer in differences if longer is not None or item.phase == NO_BINARY}


def _tail_text(path: Path) -> str:
    """The last part of a log, as text."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _LOG_LIMIT))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
