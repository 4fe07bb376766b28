# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a snapshot is what it says, and by whose word: judged from what is known, and said in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._provenance.reading import Stated
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy, Verdict

_OWN = {"local": "store", "aws": "account"}


@dataclass(frozen=True)
class Seen:
    """What was found out.

    snapshot, origin: what it is and where it came from, empty for what was built here. digest: of the archive as it is
    now; None where the provider has none. verdict: by what the site trusts. keys, statement_keys: fingerprints of the
    keys whose signatures of record and provenance are right. stated: what the provenance says; None where there is
    none. doubt: why that counts for nothing. asked: fingerprints of which it has to bear one; none for any. documents:
    the digest of those that a node is to find on the volume; empty where the snapshot bears none.
    """

    snapshot: Snapshot
    origin: str
    digest: str | None
    verdict: Verdict
    keys: tuple[str, ...] = ()
    statement_keys: tuple[str, ...] = ()
    stated: Stated | None = None
    doubt: str = ""
    asked: tuple[str, ...] = field(default=())
    documents: str = ""

    @property
    def problems(self) -> list[str]:
        """What keeps it from being what it says, a sentence each."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        one = self.snapshot
        if self.digest != one.sha256:
            yield f"The archive has the sha256 {self.digest}, and its record says {one.sha256}: it is damaged."
        if self.asked and one.fingerprint not in self.asked:
            yield f"It bears {one.fingerprint}, and the seed has {self.asked[0]}."
        if not self.verdict.trusted:
            yield f"The site does not trust it: {self.verdict.reason}."
        if self.doubt:
            yield f"What is said of its build counts for nothing: {self.doubt}."

    def report(self, policy: Policy) -> list[str]:
        """Lines for people."""
        one, names = self.snapshot, {signer.key: signer.name for signer in policy.signers}
        lines = [
            f"{one.snapshot_id} of {one.name}",
            f"  fingerprint  {one.fingerprint}{', as the seed' if one.fingerprint in self.asked else ''}",
            self._whole(),
            f"  came from    {self.origin or f'this {_OWN[one.provider]}: it was built here'}",
            f"  signed by    {_whose(self.keys, names) or 'nobody'}",
        ]
        if self.stated is not None:
            said = self.stated
            compiled = f"{said.compiled} compiled by the builder"
            lines += [
                f"  built by     {said.builder}, build {said.build_id}, {said.started} to {said.finished}",
                f"  says so      {_whose(self.statement_keys, names) or 'nobody who has signed it'}",
                f"  made from    {said.fetched} things that came from elsewhere, and {compiled}",
                *(f"               {line}" for line in (*said.commits, *said.locks, *said.images, *_cached(said))),
            ]
        else:
            lines.append(f"  built by     {'its .petal/provenance.json' if self.documents else 'nothing'} says so")
        verdict = f"yes: {self.verdict.reason}" if not self.problems else "NO"
        return [*lines, f"  trusted      {verdict}", *(f"  {problem}" for problem in self.problems)]

    def _whole(self) -> str:
        if self.digest is None:
            return f"  documents    {self.documents or 'nothing says what is on it'}"
        right = self.digest == self.snapshot.sha256
        return f"  archive      {'as its record says' if right else 'NOT as its record says'}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, as the module returns them."""
        return {
            "snapshot": self.snapshot.to_dict(),
            "verified": not self.problems,
            "problems": self.problems,
            "trusted": self.verdict.trusted,
            "reason": self.verdict.reason,
            "imported": self.origin,
            "keys": list(self.keys),
            "provenance": None if self.stated is None else {**_plain(self.stated), "keys": list(self.statement_keys)},
        }


def _plain(said: Stated) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(said).items()}


def _cached(said: Stated) -> Iterator[str]:
    if said.cached:
        signers = (
            f"signed by {' or '.join(said.cache_signers)}" if said.cache_signers else "whose signers are not named"
        )
        yield f"{said.cached} of them from a build cache, {signers}: {', '.join(said.caches) or 'which is not named'}"


def _whose(keys: Sequence[str], names: dict[str, str]) -> str:
    return ", ".join(f"{names.get(key, 'somebody whom the site does not list')} ({key})" for key in keys)
