# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look-up over several sources: the first, by priority, that has a snapshot of use wins, and the answer says why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.ids import ACCOUNT
from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import Selection, select
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import snapshot_store
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, Snapshot, SnapshotError

LOCAL = "local"
ORGANIZATION = "organization"
OFFICIAL = "official"
COMMUNITY = "community"
TYPES = (LOCAL, ORGANIZATION, OFFICIAL, COMMUNITY)
# Those of which a registry tells; used only where somebody asked for them.
REGISTRY_TYPES = (OFFICIAL, COMMUNITY)
SOURCES_LIMIT = 50


@dataclass(frozen=True)
class LookupSource:
    """Where to look, as in a seed's ``snapshot_sources``. store: of type organization alone. account: of any but local;
    with official and community the one whose snapshots count, and are trusted there."""

    type: str
    priority: int
    account: str | None = None
    enabled: bool = True
    store: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.type, self.account, self.store) if part)


def parse_sources(values: Iterable[Mapping[str, Any]]) -> tuple[LookupSource, ...]:
    """Sources by priority. Raises SnapshotError for what a seed could not say either.

    :param values: mappings with type, priority, account, store and enabled; type and priority have to be there.
    """
    sources: list[LookupSource] = []
    for position, value in enumerate(values):
        where = f"sources[{position}]"
        kind, account, enabled = value["type"], value.get("account"), value.get("enabled")
        store = value.get("store")
        _check_whose(where, kind, account, store)
        given = (kind not in REGISTRY_TYPES) if enabled is None else bool(enabled)
        source = LookupSource(kind, value["priority"], account, given, store)
        for other in sources:
            if other.priority == source.priority:
                raise SnapshotError(f"{where}: another source has the priority {source.priority}: which one is first?")
            if (other.type, other.account, other.store) == (source.type, source.account, source.store):
                raise SnapshotError(f"{where}: the source {source} is there twice")
        sources.append(source)
    if len(sources) > SOURCES_LIMIT:
        raise SnapshotError(f"there are {len(sources)} sources, at most {SOURCES_LIMIT} are asked")
    return tuple(sorted(sources, key=lambda one: one.priority))


def _check_whose(where: str, kind: str, account: Any, store: Any) -> None:
    if kind == LOCAL and account is not None:
        raise SnapshotError(f"{where}: a source of type local takes no account")
    if kind != ORGANIZATION and store is not None:
        raise SnapshotError(f"{where}: a source of type {kind} takes no store")
    if account is not None and not (isinstance(account, str) and ACCOUNT.fullmatch(account)):
        raise SnapshotError(f"{where}: {str(account)[:60]!r} is none; it needs an account, twelve digits in quotes")
    if kind == ORGANIZATION and store is None and account is None:
        raise SnapshotError(
            f"{where}: a source of type organization needs an account, twelve digits in quotes, or a store"
        )
    if account is not None and store is not None:
        raise SnapshotError(f"{where}: an account and a store are two sources")
    flaw = "it is no text" if not isinstance(store, (str, type(None))) else snapshot_store(store) if store else None
    if flaw:
        raise SnapshotError(f"{where}: store {str(store)[:100]!r}: {flaw}")


def check_accounts(accounts: Iterable[str], option: str) -> tuple[str, ...]:
    """Give account ids back, each once. Raises SnapshotError for what is none, which names the option."""
    found = tuple(dict.fromkeys(accounts))
    for account in found:
        if not ACCOUNT.fullmatch(account):
            raise SnapshotError(f"{option}: {account[:60]!r} is no AWS account: expected twelve digits in quotes")
    return found


@dataclass(frozen=True)
class Claim:
    """What a registry says of a snapshot. None where it does not tell. Nothing of it is true before AWS says so."""

    snapshot_id: str
    fingerprint: str
    name: str
    os: str | None = None
    architecture: str | None = None
    size_gb: int | None = None
    account: str | None = None
    public: bool | None = None
    verified: bool = False
    packages: tuple[str, ...] = ()
    documents: str = ""
    signature: str = ""

    @property
    def source(self) -> str:
        """Whose it is: what the registry's maintainers have verified is official."""
        return OFFICIAL if self.verified else COMMUNITY

    def objection(self, criteria: Criteria, trusted: Sequence[str]) -> str | None:
        """Why AWS need not be asked about it; None when it has to be."""
        # Of one that bears a signature that decides.
        if self.account is not None and self.account not in trusted and not self.signature:
            return f"its owner, account {self.account}, is not among the trusted accounts"
        if criteria.architecture is not None and self.architecture not in (None, criteria.architecture):
            return f"it was built for {self.architecture}, not {criteria.architecture}"
        if criteria.os is not None and self.os not in (None, criteria.os):
            return f"it was built for {self.os}, not {criteria.os}"
        return None

    def contradiction(self, snapshot: Snapshot) -> str | None:
        """What AWS says otherwise of the snapshot; None when it is as the registry says."""
        if self.account not in (None, snapshot.owner):
            return f"the registry says that account {self.account} owns it, AWS says {snapshot.owner}"
        if self.size_gb not in (None, snapshot.size_gb):
            return f"the registry says that it has {self.size_gb} GiB, AWS says {snapshot.size_gb}"
        if self.public and snapshot.encrypted:
            return "the registry says that it is public, AWS says that it is encrypted, which no public one can be"
        return None


@dataclass(frozen=True)
class Found:
    """What one source has. problem: why it could not be asked, or not now; the next source is asked then."""

    snapshots: Sequence[Snapshot] = ()
    refused: Sequence[Refusal] = ()
    problem: str = ""


@dataclass(frozen=True)
class Answer:
    """What came of one source. selection: None where it was not asked; reason: one clause."""

    source: LookupSource
    reason: str
    selection: Selection | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        found = len(self.selection.snapshots) if self.selection else 0
        return {**asdict(self.source), "asked": self.selection is not None, "found": found, "reason": self.reason}


@dataclass(frozen=True)
class LookUp:
    """Outcome of a look-up over sources. chosen: the answer with the snapshot to use; None when there is none."""

    answers: tuple[Answer, ...]
    chosen: Answer | None
    warnings: tuple[str, ...] = field(default=())

    @property
    def reason(self) -> str:
        """Which source, why this one, and what came of those before it; one sentence."""
        if self.chosen is None:
            return "there is none to use; " + self._others(self.answers)
        before = [answer for answer in self.answers if answer.source.priority < self.chosen.source.priority]
        why = f"{self.chosen.reason}, from source {self.chosen.source} (priority {self.chosen.source.priority})"
        return f"{why}; before it: {self._others(before)}" if before else why

    @staticmethod
    def _others(answers: Iterable[Answer]) -> str:
        return "; ".join(f"{answer.source}: {answer.reason}" for answer in answers) or "none was asked"

    def selection(self) -> Selection:
        """The snapshots of all sources that were asked, and the one to use."""
        asked = [answer.selection for answer in self.answers if answer.selection]
        best = self.chosen.selection.best if self.chosen and self.chosen.selection else None
        return Selection(
            newest_first([snapshot for one in asked for snapshot in one.snapshots]),
            best,
            self.reason,
            [refusal for one in asked for refusal in one.passed_over],
        )

    def to_dict(self) -> dict[str, Any]:
        """As a Selection's, with the source in each of passed_over, ``source`` (or None) and ``sources``."""
        passed_over = [
            {**asdict(refusal), "source": str(answer.source)}
            for answer in self.answers
            if answer.selection
            for refusal in answer.selection.passed_over
        ]
        return {
            **self.selection().to_dict(),
            "passed_over": passed_over,
            "source": asdict(self.chosen.source) if self.chosen else None,
            "sources": [answer.to_dict() for answer in self.answers],
        }


def look_up(
    sources: Iterable[LookupSource], criteria: Criteria, ask: Callable[[LookupSource], Found], everywhere: bool = False
) -> LookUp:
    """Ask sources in their order until one has a snapshot of use.

    :param ask: what a source has that is meant, fit or not.
    :param everywhere: ask the others too, for a list; the first match is the one to use all the same.
    """
    answers: list[Answer] = []
    warnings: list[str] = []
    ended = False
    chosen: Answer | None = None
    for source in sources:
        if not source.enabled:
            answers.append(Answer(source, "it is not enabled"))
        elif ended and not everywhere:
            answers.append(Answer(source, "it was not asked, as one before it has a match"))
        else:
            answer = _asked(source, criteria, ask(source), warnings)
            answers.append(answer)
            if answer.selection is not None and not ended:
                chosen = answer if answer.selection.best else None
                # Several fingerprints of one source are a question to the user, and no reason to go on.
                ended = any(snapshot.state == COMPLETED for snapshot in answer.selection.snapshots)
    return LookUp(tuple(answers), chosen, tuple(warnings))


def _asked(source: LookupSource, criteria: Criteria, found: Found, warnings: list[str]) -> Answer:
    if found.problem:
        warnings.append(f"the source {source} is passed over: {found.problem}")
        return Answer(source, found.problem)
    selection = select(found.snapshots, criteria, found.refused)
    if source.type in REGISTRY_TYPES:
        # What somebody recommends and cannot be used is worth a word; one's own old snapshots are not.
        warnings += [
            f"{source}: {refusal.snapshot_id} is passed over: {refusal.reason}" for refusal in selection.passed_over
        ]
    return Answer(source, selection.reason, selection)
