# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of a snapshot or image in other Regions: what they are called, which there are, and what is to be done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, ClassVar

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import (
    ARCHITECTURE,
    CLEANUP,
    COPIED_FROM,
    FINGERPRINT,
    NAME,
    OS,
    SIGNATURE,
    cut,
    tag_specifications,
)
from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import Key, is_key, region_of
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, ERROR, PENDING, Snapshot

REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2}", re.ASCII)
ORIGIN = re.compile(r"(?P<region>[a-z0-9-]{1,30})/(?P<id>(?:snap|ami)-[0-9a-f]{17})", re.ASCII)
# Says that a build is not finished, which no copy is a part of.
OWN_PREFIX = "petal:"
# AWS's own tags cannot be written; tags of one resource, https://docs.aws.amazon.com/tag-editor/latest/userguide/.
AWS_PREFIX = "aws:"
MOST_TAGS = 50
# KeyState of a key that can encrypt.
USABLE_KEY = "Enabled"

KEEP, WAIT, COPY = "keep", "wait", "copy"


@dataclass(frozen=True)
class Target:
    """A Region that is to have the snapshot.

    key: what the copy is to be encrypted with, as it was given; None for no other than AWS takes by itself.
    found: what KMS says of it. encrypted: it has to be encrypted, with whatever key.
    name: of a copy, of things that have one.
    """

    region: str
    key: str | None = None
    found: Key | None = None
    encrypted: bool = False
    name: str = ""

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether a copy is encrypted as it was asked for. A key that KMS did not tell of is taken on trust."""
        if self.key is None:
            return bool(snapshot.encrypted) or not self.encrypted
        if self.found is None or self.found.unknown:
            return bool(snapshot.encrypted)
        return snapshot.kms_key_id == self.found.key_id

    def objection(self) -> str | None:
        """Why a copy could never be completed here; None when nothing is known against it."""
        if self.key is None:
            return None
        if not is_key(self.key):
            return f"{self.region}: {self.key[:80]!r} is no KMS key: expected its id, its ARN, or alias/NAME"
        if region_of(self.key) not in (None, self.region):
            return f"the key {self.key} is not one of {self.region}: give one of each Region in kms_key_ids"
        if self.found and not self.found.unknown and self.found.state != USABLE_KEY:
            return f"the key {self.key} in {self.region} is {self.found.state}: nothing can be encrypted with it"
        return None


@dataclass(frozen=True)
class Decision:
    """What to do in a Region. snapshot: the one that counts there, None when it has to be begun.

    delete: ids of failed copies, and of second ones that are not finished. reason: one clause.
    """

    action: str
    reason: str
    snapshot: Snapshot | None = None
    delete: tuple[str, ...] = ()


@dataclass(frozen=True)
class Original:
    """The snapshot to copy, and where it is.

    own: whether it is the own account's. The tags of another's cannot be seen; operating system and architecture are
    then those that were asked for with the fingerprint, which decides them.
    """

    THING: ClassVar[str] = "snapshot"

    snapshot: Snapshot
    region: str
    own: bool = True

    @property
    def origin(self) -> str:
        """REGION/ID of the one that was built: a copy of a copy is a copy of that."""
        tag = self.snapshot.tags.get(COPIED_FROM, "")
        return tag if ORIGIN.fullmatch(tag) else f"{self.region}/{self.snapshot.snapshot_id}"

    def tags(self) -> dict[str, str]:
        """The tags of a copy: the original's but for signatures, as AWS copies none, and where it comes from."""
        seen = self.snapshot
        told = {FINGERPRINT: seen.fingerprint, NAME: seen.name, OS: seen.os, ARCHITECTURE: seen.architecture}
        kept = {
            key: value
            for key, value in seen.tags.items()
            if not key.startswith((AWS_PREFIX, SIGNATURE)) and key not in (CLEANUP, COPIED_FROM)
        }
        ours = {key: value for key, value in kept.items() if key.startswith(OWN_PREFIX)}
        first = {**told, COPIED_FROM: self.origin, **ours, "Name": kept.get("Name", seen.name)}
        # Users' own tags come last: what does not fit is theirs.
        tags = {**first, **{key: value for key, value in kept.items() if key not in first}}
        return {key: cut(tags[key]) for key in list(tags)[:MOST_TAGS]}

    def parameters(self, target: Target) -> dict[str, Any]:
        """Parameters of CopySnapshot, which a client of the target's Region calls."""
        seen = self.snapshot
        encryption: dict[str, Any] = {"KmsKeyId": target.key} if target.key else {}
        if target.key or target.encrypted:
            encryption["Encrypted"] = True
        return {
            "SourceRegion": self.region,
            "SourceSnapshotId": seen.snapshot_id,
            "Description": f"petal.hpc {seen.name} {seen.fingerprint}",
            "TagSpecifications": tag_specifications(["snapshot"], self.tags()),
            **encryption,
        }

    def begun(self, snapshot_id: str, target: Target, created: str) -> Snapshot:
        """A copy that AWS has taken on and does not list yet: what it writes shows a little later.

        :param created: when it was begun, as in a record.
        """
        known = target.found.key_id if target.found else None
        return replace(
            self.snapshot,
            snapshot_id=snapshot_id,
            state=PENDING,
            progress=0,
            created=created,
            region=target.region,
            tags=self.tags(),
            encrypted=bool(self.snapshot.encrypted or target.encrypted or target.key),
            kms_key_id=known,
        )

    def objections(self) -> Iterator[str]:
        """Why it cannot be copied, whereto ever, each with the way out."""
        seen = self.snapshot
        if seen.state != COMPLETED:
            what = "wait until it is" if seen.state == PENDING else "build again"
            yield f"{seen.snapshot_id} is {seen.state}, and only a completed {self.THING} is copied: {what}"
        if not self.own and not (seen.os and seen.architecture):
            yield (
                f"{seen.snapshot_id} belongs to account {seen.owner}, so its tags cannot be seen: name its "
                "fingerprint, os and architecture, which a seed (-e seed=FILE) does"
            )


def check_regions(regions: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Regions in their order, each once. Raises SharingError for one that is none, or not enabled for the account.

    :param known: the Regions of the account; empty where they could not be asked for.
    """
    found = tuple(dict.fromkeys(region.strip() for region in regions))
    if not found:
        raise SharingError(
            "regions names no Region: give those that are to have a copy, as -e regions=eu-west-1,us-west-2"
        )
    for region in found:
        if not REGION.fullmatch(region) or (known and region not in known):
            near = get_close_matches(region, known, 1)
            hint = f"did you mean {near[0]}?" if near else "enable it first, or leave it out"
            raise SharingError(f"regions: {region[:40]!r} is no Region that this account can use: {hint}")
    return found


def decide(source: Original, target: Target, there: Sequence[Snapshot]) -> Decision:
    """What a Region needs.

    :param there: own snapshots with the fingerprint in the target's Region, in any state.
    """
    copies = [one for one in there if _of(one, target.region) == source.origin]
    failed = tuple(one.snapshot_id for one in copies if one.state == ERROR and COPIED_FROM in one.tags)
    fitting = sorted((one for one in copies if target.fits(one)), key=lambda one: (one.created, one.snapshot_id))
    complete = [one for one in fitting if one.state == COMPLETED]
    begun = [one for one in fitting if one.state == PENDING]
    if complete:
        what = "it is the original" if COPIED_FROM not in complete[0].tags else "it was copied before"
        return Decision(KEEP, what, complete[0], (*failed, *_ids(begun)))
    if begun:
        # Two controllers, or an answer that was lost: the first that began is the one, whoever looks.
        return Decision(WAIT, f"its copy is {begun[0].progress} % done", begun[0], (*failed, *_ids(begun[1:])))
    return Decision(COPY, "its last copy failed" if failed else "there is no copy yet", None, failed)


def _of(snapshot: Snapshot, region: str) -> str:
    return snapshot.tags.get(COPIED_FROM) or f"{region}/{snapshot.snapshot_id}"


def _ids(snapshots: Iterable[Snapshot]) -> Iterator[str]:
    # Never a snapshot that was built: only what says that it is a copy.
    return (one.snapshot_id for one in snapshots if COPIED_FROM in one.tags)


@dataclass
class Outcome:
    """What came of one Region. begun: by this run. problem: why there is no copy; empty when all is well."""

    region: str
    snapshot: Snapshot | None = None
    reason: str = ""
    begun: bool = False
    deleted: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def changed(self) -> bool:
        """Whether anything was done here, or would be."""
        return self.begun or bool(self.deleted)

    @property
    def progress(self) -> int:
        """Percent done."""
        return self.snapshot.progress if self.snapshot else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "region": self.region,
            "snapshot": self.snapshot.to_dict() if self.snapshot else None,
            "state": self.snapshot.state if self.snapshot else None,
            "begun": self.begun,
            "deleted": self.deleted,
            "reason": self.reason,
        }


def progress(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How far all are together, as ``done`` of ``total`` percent and what is still being copied."""
    waiting = [f"{one.region} {one.progress} %" for one in outcomes if one.progress < 100]
    done = sum(one.progress for one in outcomes)
    return {"done": done, "total": 100 * len(outcomes), "item": ", ".join(waiting) or "all are complete"}


def difference(outcomes: Sequence[Outcome], before: Mapping[str, str | None]) -> dict[str, Any]:
    """``before`` and ``after`` of the Regions for Ansible's diff."""
    after = {one.region: one.snapshot.snapshot_id if one.snapshot else "a copy" for one in outcomes}
    return {"before": {"copies": dict(before)}, "after": {"copies": after}}
