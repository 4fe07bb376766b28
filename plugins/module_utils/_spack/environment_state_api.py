# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of an environment from one call to the next: its lock, its packages' places, how they came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack import lockfile, plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    BASE,
    EnvironmentRequest,
    Node,
    Package,
    Place,
    Probe,
    SpackError,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.plan import Brought
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import Progress


class EnvironmentState:
    """The files of one environment in its directory: spack.yaml and spack.lock are Spack's, state.json is ours.

    nodes: the packages of the lock by hash; empty for an environment that was not solved yet.
    """

    def __init__(self, host: Host, spack: Spack, directory: Path) -> None:
        self._host = host
        self._spack = spack
        self._directory = directory
        self._state = directory / "state.json"
        self._record: dict[str, Any] = {}
        self.lock = directory / "spack.lock"
        self.nodes: dict[str, Node] = {}

    def refuse_others(self) -> None:
        """Raise SpackError where there is an environment that somebody else has made: it is not ours to replace."""
        if (self._directory / "spack.yaml").exists() and not self.is_there():
            raise SpackError(
                f"there is an environment at {self._directory} that this module has not made. Take another name, or "
                "remove that one (spack env remove)."
            )

    def is_there(self) -> bool:
        """Whether this module has begun it: Spack's own environments have no such lock."""
        return (self._directory / "lock").exists()

    def load(self, wanted: EnvironmentRequest) -> bool:
        """Read them; False when the environment has to be solved: nothing is there, or something else was wanted."""
        return self.read() and self._record.get("digest") == self._digest(wanted)

    def read(self) -> bool:
        """Read them, whatever is wanted; False when nothing was solved yet."""
        try:
            self._record = self._host.read_json(self._state)
            self.nodes = lockfile.parse_lock(self.lock.read_text(encoding="utf-8"))
        except (OSError, PetalError):
            self._record, self.nodes = {}, {}
            return False
        return True

    def _digest(self, wanted: EnvironmentRequest) -> str:
        """Digest of all that decides what the solver chooses."""
        sources = self._spack.sources(self._record.get("root", ""), self._record.get("repositories", ()))
        return plan.digest(wanted, sources)

    def replace(
        self,
        draft: Path,
        wanted: EnvironmentRequest,
        probe: Probe,
        figures: Mapping[str, Any],
        apart: EnvironmentRequest | None,
    ) -> None:
        """Take a new solution over.

        :param draft: directory with its spack.yaml and spack.lock.
        :param figures: how it was found.
        :param apart: the environment of its compiler, where that was built apart.
        """
        kept: dict[str, Any] = {
            key: self._record[key] for key in ("history", "finished", "base") if key in self._record
        }
        for name in ("spack.yaml", "spack.lock"):
            (draft / name).replace(self._directory / name)
        self.preview(self.lock, {**figures, **kept})
        self._record.update(root=probe.root, repositories=list(probe.repositories), version=list(probe.version))
        self._record["apart"] = asdict(apart) if apart else None
        self._record["digest"] = self._digest(wanted)
        self.save()

    @property
    def apart(self) -> EnvironmentRequest | None:
        """The environment of its compiler, where that was built apart."""
        value = self._record.get("apart")
        return EnvironmentRequest.from_dict(value) if value else None

    def preview(self, lock: Path, figures: Mapping[str, Any]) -> None:
        """Look at a solution without writing anything."""
        self._record = {"history": self._record.get("history", {}), **figures}
        self.nodes = lockfile.parse_lock(lock.read_text(encoding="utf-8"))

    def save(self) -> None:
        self._host.write_json(self._state, self._record)

    @property
    def version(self) -> tuple[int, ...]:
        """Of the Spack that solved it."""
        return tuple(self._record.get("version", ()))

    @property
    def store(self) -> Path:
        """Where its packages are installed, once Spack was asked: the directory above that of Spack's database."""
        return Path(self._record["database"]).parent.parent if self._record.get("database") else self._directory

    @property
    def figures(self) -> dict[str, Any]:
        """concretize_s, pruned, solves, install_s; None for what there was not."""
        return {key: self._record.get(key) for key in ("concretize_s", "pruned", "solves", "install_s")}

    # What a session brought

    def take(self, found: Progress, seconds: float = 0.0, trusted: bool = True) -> bool:
        """Note what a session brought; True when it finished something.

        :param seconds: how long it ran.
        :param trusted: whether what it reported as finished is on the disk for sure.
        """
        history = self._record.setdefault("history", {})
        brought = plan.brought(found, self.nodes)
        # What the volume began with may be brought once more to where others are built: it is in its place.
        begun = {key for key, item in history.items() if item["origin"] == BASE}
        history.update({key: asdict(item) for key, item in brought.items() if key not in begun})
        if trusted:
            self._record["finished"] = sorted({*self._record.get("finished", ()), *brought})
        self._record["install_s"] = round(float(self._record.get("install_s") or 0) + seconds, 1)
        return bool(brought)

    @property
    def finished(self) -> list[str]:
        """Hashes of what sessions reported as finished since Spack's database was last compared."""
        return [key for key in self._record.get("finished", ()) if key in self.nodes]

    @property
    def unmoved(self) -> dict[str, int | None]:
        """Packages by name that caches have and that could not be moved to this store, with the characters by which
        its prefixes are longer; None where what a cache has may not be used.
        """
        return dict(self._record.get("unmoved", {}))

    def note_unmoved(self, found: Mapping[str, int | None]) -> bool:
        """Note more of them; True when one is new."""
        known = self.unmoved
        self._record["unmoved"] = {**known, **found}
        return not set(found) <= set(known)

    def forget_unmoved(self) -> None:
        """The next installation asks the caches again: they may have been filled anew."""
        self._record.pop("unmoved", None)

    def died(self, alive: bool) -> int:
        """Count the sessions in a row that were killed without finishing anything; ``alive`` begins anew."""
        self._record["deaths"] = 0 if alive else int(self._record.get("deaths", 0)) + 1
        return int(self._record["deaths"])

    # Where packages are

    def has_taken(self, base: str) -> bool:
        """Whether the packages that a volume was begun with were taken over: once, as later some may be half built."""
        return bool(self._record.get("base") == base)

    def enter(self, facts: Mapping[str, Any], base: str = "") -> None:
        """Note what Spack's store and mirrors have: the answer of ``scripts/state.py``.

        :param base: which volume's packages it was asked to take over.
        """
        if base:
            history = self._record.setdefault("history", {})
            history.update({key: asdict(Brought(BASE, None)) for key in facts.get("taken", ())})
            self._record["base"] = base
        self._record["places"] = {key: asdict(Place(**value)) for key, value in facts["nodes"].items()}
        self._record["database"] = facts["database"]
        self._record.pop("finished", None)

    @property
    def places(self) -> dict[str, Place]:
        """Where each package is, or would be, by hash."""
        known = {key: Place(**value) for key, value in self._record.get("places", {}).items()}
        return {key: known.get(key, Place("", False)) for key in self.nodes}

    def needed(self) -> set[str]:
        """Hashes of what is still to be installed."""
        places = self.places
        installed = [key for key, place in places.items() if place.installed]
        cached = [key for key, place in places.items() if place.cached]
        return lockfile.needed(self.nodes, installed, cached, self._kept())

    def _kept(self) -> set[str]:
        """Hashes of what only builds others, and is to be there for users who build on top."""
        return {key for key in lockfile.wrappers(self.nodes) if self.nodes[key].label not in self._passed_over}

    @property
    def _passed_over(self) -> list[str]:
        """Labels of what was to be there for users, and is nowhere to be had."""
        return list(self._record.get("passed_over", ()))

    def pass_over(self, labels: Iterable[str]) -> set[str]:
        """Do without what is for users alone and nowhere to be had; those of the labels that this is true of."""
        places = self.places
        installed = [key for key, place in places.items() if place.installed]
        cached = [key for key, place in places.items() if place.cached]
        for_this = {self.nodes[key].label for key in lockfile.needed(self.nodes, installed, cached)}
        found = {self.nodes[key].label for key in self._kept()} & set(labels) - for_this
        self._record["passed_over"] = sorted({*self._passed_over, *found})
        return found

    def wanted(self) -> list[str]:
        """What to ask Spack for, as ``name/hash``; nothing where all that it would bring by itself will do."""
        besides = self.needed() & self._kept()
        roots = [key for key, node in self.nodes.items() if node.root is not None]
        return [f"{self.nodes[key].name}/{key}" for key in [*roots, *sorted(besides)]] if besides else []

    def to_build(self) -> list[Node]:
        """What of that no cache has, dependencies first."""
        needed, places = self.needed(), self.places
        missing = {key for key in needed if self.nodes[key].external is None and not places[key].cached}
        return [node for node in lockfile.ordered(self.nodes) if node.hash in missing]

    def unseen(self) -> list[str]:
        """Hashes of what is to be built from sources that nobody has looked for yet."""
        seen = set(self._record.get("seen", ()))
        return sorted(node.hash for node in self.to_build() if node.hash not in seen)

    def note_seen(self, keys: Iterable[str]) -> None:
        """Note what sources were looked for and found."""
        self._record["seen"] = sorted({*self._record.get("seen", ()), *keys})

    def unmarked(self) -> list[str]:
        """Labels of what specs ask for and the store has as a dependency only."""
        places = self.places
        roots = [node for node in self.nodes.values() if node.root is not None and node.external is None]
        return [node.label for node in roots if not places[node.hash].explicit]

    def complete(self) -> bool:
        """Whether all is there: by Spack's database and on the disk. Spack itself need not be asked."""
        places: dict[str, dict[str, Any]] = self._record.get("places", {})
        if not self.nodes or not set(self.nodes) <= set(places):
            return False
        try:
            installed = lockfile.parse_database(Path(self._record["database"]).read_text(encoding="utf-8"))
        except OSError:
            return False
        for key, place in places.items():
            prefix = installed.get(key, "")
            place["installed"] = bool(prefix) and Path(prefix, ".spack", "spec.json").is_file()
            place["prefix"] = prefix or place["prefix"]
        return not self.needed()

    def packages(self) -> list[Package]:
        """Its packages, dependencies first."""
        return plan.packages(self.nodes, self.places, self._history, self._kept())

    def tools(self) -> list[Package]:
        """What was installed to build them and is not there."""
        return plan.tools(self.nodes, self.places, self._history)

    @property
    def _history(self) -> dict[str, Brought]:
        return {key: Brought(**value) for key, value in self._record.get("history", {}).items()}

    def deprecated(self) -> list[str]:
        """Labels of what Spack calls deprecated."""
        places = self.places
        return sorted({node.label for key, node in self.nodes.items() if places[key].deprecated})
