# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a Spack environment on this host: solve it, install it detached, and say what became of it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._spack import lockfile, messages, plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.command.api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    EXTERNAL,
    Node,
    Package,
    Place,
    Probe,
    SpackError,
    Wanted,
    progress,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.plan import Brought
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import BUILDING, DONE, Progress, read_output
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import probe as probe_script
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import state as state_script
from ansible_collections.petal.hpc.plugins.module_utils._spack.session.api import KILLED, Outcome, Session

PRESENT = "present"
CONCRETIZED = "concretized"
STARTED = "started"
FINISHED = "finished"
STATES = (CONCRETIZED, STARTED, FINISHED, PRESENT)

POLL = 0.3
# A session that is killed this often in a row without finishing a package is not started again.
DEATHS = 3
_LOG_LIMIT = 64 * 1024**2


@dataclass(frozen=True)
class Options:
    """How to work. jobs: 0 for as many as the host carries; timeout, wait: seconds, 0 for none."""

    spack: str
    work_dir: str
    jobs: int = 0
    timeout: int = 0
    wait: float = 15.0
    fail_fast: bool = True
    prune: bool = True


class Environment:
    """One environment, whose files are in ``WORK_DIR/envs/NAME``."""

    def __init__(self, module: AnsibleModule, wanted: Wanted, options: Options) -> None:
        self._module = module
        self._check = bool(module.check_mode)
        self._wanted = wanted
        self._options = options
        self._host = Host(module.run_command)
        self._spack = Spack(self._host, options.spack, Path(options.work_dir))
        self.directory = Path(options.work_dir, "envs", wanted.name)
        self._lock = self.directory / "spack.lock"
        self._state = self.directory / "state.json"
        self._session = Session(self._host, self.directory / "session", self.directory / "install.log")
        self._record: dict[str, Any] = {}
        self._nodes: dict[str, Node] = {}
        self._changed = False

    # What is asked for

    def ensure(self, state: str) -> dict[str, Any]:
        """Bring the environment to a state: ``concretized``, ``started`` (an installation runs), ``present`` (waits
        for its end as long as the options say) or ``finished`` (the same, but starts nothing).

        Returns ``changed``, ``environment``, ``progress`` and ``diff`` (see the module's RETURN). Raises SpackError.
        """
        doing = f"making the Spack environment {self._wanted.name}"
        if not self._spack.is_there():
            return self._without_spack()
        with explained(doing):
            # Everybody reads what is built here, whatever the umask of the connection.
            os.umask(0o022)
            if self._check:
                return self._preview()
            self._spack.make_directory(self.directory)
            with self._host.lock(self.directory / "lock", doing):
                return self._ensure(state)

    def _ensure(self, state: str) -> dict[str, Any]:
        if not self._load():
            if state == FINISHED:
                raise SpackError(
                    f"the environment {self._wanted.name} was not started; run it with state=present first"
                )
            self._solve()
        if state == CONCRETIZED:
            return self._result(self._complete())
        if not self._session.running():
            outcome = self._session.outcome()
            if outcome is not None and outcome.reason != KILLED:
                return self._conclude(outcome)
            if self._complete():
                return self._result(True)
            if state == FINISHED and outcome is None:
                raise SpackError(f"no installation of {self._wanted.name} runs; run it with state=present")
            if not self._start(outcome):
                return self._result(True)
        return self._join(0.0 if state == STARTED else self._options.wait)

    # Solving

    def _load(self) -> bool:
        """Read what is known of the environment; False when it has to be solved."""
        try:
            self._record = self._host.read_json(self._state)
            lock = self._lock.read_text(encoding="utf-8")
        except (OSError, PetalError):
            self._record = {}
            return False
        if self._record.get("digest") != self._digest():
            return False
        self._nodes = lockfile.parse_lock(lock)
        return True

    def _digest(self) -> str:
        """Digest of all that decides what the solver chooses."""
        sources = self._spack.sources(self._record.get("root", ""), self._record.get("repositories", ()))
        return plan.digest(self._wanted, sources)

    def _solve(self) -> None:
        """Let Spack choose, in a draft; a running installation of other specs goes on until that has succeeded."""
        draft = self.directory / "draft"
        probed, solution = self._solution(draft)
        self._session.end()
        self._keep_history()
        history, places = self._record.get("history", {}), self._record.get("places", {})
        self._session.clear()
        for name in ("spack.yaml", "spack.lock"):
            (draft / name).replace(self.directory / name)
        self._record = {**solution, "history": history, "places": places, "deaths": 0}
        self._record.update(root=probed.root, repositories=list(probed.repositories), version=list(probed.version))
        self._record["digest"] = self._digest()
        self._nodes = lockfile.parse_lock(self._lock.read_text(encoding="utf-8"))
        self._save()
        self._changed = True

    def _solution(self, draft: Path) -> tuple[Probe, dict[str, Any]]:
        """A solved environment in ``draft``, and how it was found. Raises SpackError with Spack's reason."""
        started = time.monotonic()
        arguments = {
            "specs": list(self._wanted.specs),
            "compiler": self._wanted.compiler,
            "target": self._wanted.target,
            "prune": self._options.prune,
        }
        probed = Probe.from_dict(self._spack.inside(probe_script, arguments))
        scope = draft / "scope"
        self._spack.make_directory(draft)
        self._spack.make_directory(scope)
        (draft / "spack.lock").unlink(missing_ok=True)
        self._host.write(draft / "spack.yaml", plan.spack_yaml(self._wanted, probed))
        self._spack.give(draft / "spack.yaml")
        self._host.write(scope / "packages.yaml", plan.closed_packages(probed))
        environment = ["-e", str(draft), "concretize", "--force"]
        attempts = [["-C", str(scope), *environment]] if probed.closed else []
        attempts.append(environment)
        for count, attempt in enumerate(attempts, start=1):
            status, output, problem = self._spack.call(attempt)
            if status == 0 and (draft / "spack.lock").exists():
                pruned = bool(probed.closed) and count == 1
                seconds = round(time.monotonic() - started, 1)
                return probed, {"concretize_s": seconds, "pruned": pruned, "solves": count}
        # Only the solver that was free to choose says why; the other one may have been told too little.
        raise SpackError(messages.refused_message(self._wanted.name, problem or output), self._failure(()))

    # Installing

    def _start(self, before: Outcome | None) -> bool:
        """Start the installation, from where a killed one was; False when nothing is left to do."""
        self._session.end()
        finished = self._keep_history()
        if before is not None:
            deaths = 0 if finished else int(self._record.get("deaths", 0)) + 1
            self._record["deaths"] = deaths
            if deaths >= DEATHS:
                working = [item.label for item in self._progress().in_state(BUILDING)]
                self._record["deaths"] = 0
                self._session.clear()
                self._save()
                message = messages.ended_message(self._wanted.name, working, str(self._session.log), None)
                raise SpackError(message, self._failure(()))
        facts = self._facts(self.directory, finished)
        needed = self._needed()
        unmarked = [key for key, node in self._nodes.items() if node.root and not facts["nodes"][key]["explicit"]]
        self._save()
        if not needed and not [key for key in unmarked if self._nodes[key].external is None]:
            self._session.clear()
            return False
        key = f"{self._wanted.name}-{int(time.time() * 1000)}"
        self._session.start(key, self._steps(facts, needed), self._options.timeout, {"needed": sorted(needed)})
        self._changed = True
        return True

    def _facts(self, directory: Path, adopt: Sequence[str] = ()) -> dict[str, Any]:
        """What Spack's store and mirrors have of the environment; takes over what a killed session had finished."""
        from_source = list(self._wanted.from_source)
        arguments = {"environment": str(directory), "adopt": list(adopt), "from_source": from_source}
        facts = self._spack.inside(state_script, arguments)
        self._record["places"] = {
            key: {name: value[name] for name in ("prefix", "installed", "cached", "deprecated")}
            for key, value in facts["nodes"].items()
        }
        self._record["database"] = facts["database"]
        deprecated = [node.label for key, node in self._nodes.items() if self._places()[key].deprecated]
        if deprecated:
            self._module.warn(f"Spack calls these versions deprecated: {', '.join(sorted(set(deprecated)))}")
        return facts

    def _steps(self, facts: Mapping[str, Any], needed: set[str]) -> list[list[str]]:
        """The commands of the installation."""
        new = tuple(self._record["version"]) >= plan.NEW_INSTALLER
        jobs = plan.jobs(len(os.sched_getaffinity(0)), _memory(), self._options.jobs)
        spack, environment = self._options.spack, ["-e", str(self.directory)]
        install = ["install", "--only-concrete", *(["--fail-fast"] if self._options.fail_fast else []), f"-j{jobs}"]
        if facts["mirrors"]:
            # Mirrors that do not show the binaries of what shall be built from source.
            scope = self.directory / "scope"
            self._spack.make_directory(scope)
            self._host.write(scope / "mirrors.yaml", plan.mirrors(facts["mirrors"]), 0o600)
            self._spack.give(scope / "mirrors.yaml")
            return [[spack, "-C", str(scope), *environment, *install]]
        steps = []
        if facts["mirrors"] is None and not new:
            order = plan.source_order(self._nodes, self._wanted.from_source, needed)
            never = ["--use-buildcache", "package:never,dependencies:auto"]
            steps = [[spack, *environment, *install, *never, item] for item in order]
        return [*steps, [spack, *environment, *install]]

    def _join(self, wait: float) -> dict[str, Any]:
        """Wait for the running installation, at most so many seconds."""
        deadline = time.monotonic() + wait
        while self._session.running():
            if time.monotonic() >= deadline:
                return self._result(False)
            time.sleep(POLL)
        outcome = self._session.outcome()
        if outcome is None or outcome.reason == KILLED:
            # The next call takes it up again: this one may be about to be ended by the same hand.
            return self._result(False)
        return self._conclude(outcome)

    def _conclude(self, outcome: Outcome) -> dict[str, Any]:
        """Take the result of a session into the books, once."""
        found = self._progress()
        text_log = str(self._session.log)
        self._keep_history(outcome.seconds)
        self._record["deaths"] = 0
        self._save()
        self._session.end()
        self._session.clear()
        if outcome.reason == "timeout":
            working = [item.label for item in found.in_state(BUILDING)]
            message = messages.ended_message(self._wanted.name, working, text_log, self._options.timeout)
            raise SpackError(message, self._failure(()))
        if outcome.status == 0 and self._complete():
            self._changed = True
            return self._result(True)
        logs = [_tail_text(Path(item.log)) for item in found.in_state("failed")]
        failed = messages.failures(found, self._nodes.values(), logs)
        message = messages.failed_message(self._wanted.name, failed, found.errors, text_log, os.uname().nodename)
        raise SpackError(message, self._failure([item.to_dict() for item in failed]))

    # The books

    def _progress(self) -> Progress:
        return read_output(self._session.text().splitlines())

    def _keep_history(self, seconds: float = 0.0) -> list[str]:
        """Note what the last session brought; gives the hashes of what it reported as finished."""
        found = plan.brought(self._progress(), self._nodes)
        history = self._record.setdefault("history", {})
        for key, item in found.items():
            history[key] = asdict(item)
        self._record["install_s"] = round(float(self._record.get("install_s", 0)) + seconds, 1)
        # After a restart of the host nobody knows what of it reached the disk.
        return sorted(found) if self._session.same_boot() else []

    def _places(self) -> dict[str, Place]:
        known = {key: Place(**value) for key, value in self._record.get("places", {}).items()}
        return {key: known.get(key, Place("", False)) for key in self._nodes}

    def _needed(self) -> set[str]:
        places = self._places()
        installed = [key for key, place in places.items() if place.installed]
        return lockfile.needed(self._nodes, installed, [key for key, place in places.items() if place.cached])

    def _complete(self) -> bool:
        """Whether all is there: by Spack's database and on the disk; Spack itself need not be asked."""
        database = self._record.get("database")
        if not database:
            return False
        try:
            installed = lockfile.parse_database(Path(database).read_text(encoding="utf-8"))
        except OSError:
            return False
        for key, place in self._record["places"].items():
            prefix = installed.get(key, "")
            there = bool(prefix) and Path(prefix, ".spack", "spec.json").is_file()
            place.update(installed=there and key in self._nodes, prefix=prefix or place["prefix"])
        return not self._needed() and set(self._nodes) <= set(self._record["places"])

    def _save(self) -> None:
        self._host.write_json(self._state, self._record)

    # Results

    def _result(self, finished: bool) -> dict[str, Any]:
        packages = self._packages()
        told = self._told(finished, packages)
        if self._module._diff and self._changed:
            header = f"Spack environment {self._wanted.name}"
            before = [item for item in packages if item.origin != "source" and item.origin != "cache"]
            told["diff"] = {
                "before_header": header,
                "after_header": header,
                "before": plan.listing(before),
                "after": plan.listing(packages),
            }
        return told

    def _told(self, finished: bool, packages: Sequence[Package]) -> dict[str, Any]:
        record = {
            "name": self._wanted.name,
            "changed": self._changed,
            "finished": finished,
            "path": str(self.directory),
            "lock": str(self._lock),
            "log": str(self._session.log),
            "packages": [item.to_dict() for item in packages],
            "failed": [],
            **{key: self._record.get(key) for key in ("concretize_s", "pruned", "solves", "install_s")},
        }
        return {"changed": self._changed, "environment": record, "progress": self._how_far(finished, packages)}

    def _how_far(self, finished: bool, packages: Sequence[Package]) -> dict[str, Any]:
        real = [item for item in packages if item.origin != EXTERNAL]
        if finished:
            return progress(len(real), len(real), [])
        found = self._progress() if not self._check else Progress()
        done = {key for key, item in found.by_hash(self._nodes).items() if item.state == DONE}
        done |= {key for key, place in self._places().items() if place.installed}
        working = [f"{item.label} {item.phase}".strip() for item in found.in_state(BUILDING)]
        return progress(len([item for item in real if item.hash in done]), len(real), working)

    def _packages(self) -> list[Package]:
        history = {key: Brought(**value) for key, value in self._record.get("history", {}).items()}
        return plan.packages(self._nodes, self._places(), history)

    def _failure(self, failed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        record = dict(self._told(False, self._packages())["environment"])
        # A task that repeats until it is finished stops here.
        record.update(finished=True, failed=list(failed))
        return record

    # Check mode

    def _preview(self) -> dict[str, Any]:
        """What would be installed and from where; nothing but Spack's own caches changes."""
        if self._load() and self._complete():
            return self._result(True)
        self._changed = True
        if self._nodes:
            self._facts(self.directory)
            return self._result(False)
        with self._spack.scratch() as draft:
            _probed, solution = self._solution(draft)
            self._record = {**solution, "history": self._record.get("history", {})}
            self._nodes = lockfile.parse_lock((draft / "spack.lock").read_text(encoding="utf-8"))
            self._facts(draft)
        return self._result(False)

    def _without_spack(self) -> dict[str, Any]:
        spack = self._options.spack
        if not self._check:
            raise SpackError(f"there is no spack at {spack}; the role petal.hpc.spack installs it")
        # Spack itself would be installed first.
        self._changed = True
        return self._told(False, [])


def _tail_text(path: Path) -> str:
    """The last part of a log, as text."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _LOG_LIMIT))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
