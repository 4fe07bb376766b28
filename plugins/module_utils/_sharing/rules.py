# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold before AWS is asked to share a snapshot, or an image. Each rule knows the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import SHARING
from ansible_collections.petal.hpc.plugins.module_utils._image.record import Image
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING
from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import NEEDED, NO, PERHAPS, Key, lets_in
from ansible_collections.petal.hpc.plugins.module_utils._sharing.plan import Request
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import (
    ACCOUNTS,
    PRIVATE,
    PUBLIC,
    SEPARATOR,
    SharingError,
    Verdict,
    parse,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.record import DESCRIPTION
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, Snapshot

# GetSnapshotBlockPublicAccessState.
UNBLOCKED = "unblocked"
KMS_ENABLED = "Enabled"


@dataclass(frozen=True)
class Situation:
    """A snapshot or an image of the own account, what is asked for, and what AWS says that bears on it.

    key: of an encrypted one. product_codes: of AWS Marketplace; None where they could not be looked at.
    block_public_access: the account's state in the Region; None where it was not asked for or not to be had.
    """

    snapshot: Snapshot
    request: Request
    key: Key | None = None
    product_codes: Sequence[str] | None = ()
    block_public_access: str | None = None

    @property
    def id(self) -> str:
        """The snapshot's."""
        return self.snapshot.snapshot_id

    @property
    def thing(self) -> str:
        """What it is."""
        return "image" if isinstance(self.snapshot, Image) else "snapshot"

    @property
    def copying(self) -> str:
        """The command that copies it within its Region."""
        named = (
            f"images -e action=copy -e ami={self.id}"
            if self.thing == "image"
            else f"copy_volume -e snapshot_id={self.id}"
        )
        return f"ansible-playbook petal.hpc.{named} -e region={self.snapshot.region} -e regions={self.snapshot.region}"

    @property
    def public(self) -> bool:
        """Whether everybody is to get it."""
        return self.request.public is True


@dataclass(frozen=True)
class Finding:
    """What stands against it (``error``), or what to know (``warning``): one or two sentences with the way out."""

    level: str
    text: str


Rule = Callable[[Situation], Iterator[Finding]]


def judge(situation: Situation) -> tuple[list[str], list[str]]:
    """What stands against giving it to those who are to get it, and what to know; both may be empty."""
    rules = IMAGE_RULES if situation.thing == "image" else RULES
    findings = [finding for rule in rules for finding in rule(situation)]
    return (
        [finding.text for finding in findings if finding.level == ERROR],
        [finding.text for finding in findings if finding.level == WARNING],
    )


def _own_account(situation: Situation) -> Iterator[Finding]:
    if situation.snapshot.owner in situation.request.accounts:
        text = f"account {situation.snapshot.owner} owns {situation.id} and has it already: leave it out"
        yield Finding(ERROR, text)


def _completed(situation: Situation) -> Iterator[Finding]:
    state = situation.snapshot.state
    if state != COMPLETED:
        what = "wait until it is" if state == "pending" else "delete it and build again"
        yield Finding(ERROR, f"{situation.id} is {state}, and only a completed {situation.thing} is shared: {what}")


def _audited(situation: Situation) -> Iterator[Finding]:
    """No tag, no verdict: then the user's word stands for the audit, but never for the public."""
    tag = situation.snapshot.tags.get(SHARING)
    if tag is None:
        if situation.public:
            yield Finding(
                ERROR,
                f"{situation.id} has no tag {SHARING}: nobody has looked for licences and private files on it, so it "
                "is not made public. Build it again (-e force=true), which looks",
            )
        elif not situation.request.unaudited:
            yield Finding(
                ERROR,
                f"{situation.id} has no tag {SHARING}: nobody has looked for licences and private files on it. Build "
                "it again (-e force=true), which looks; or look yourself and say so with -e unaudited=true",
            )
        return
    try:
        verdict = parse(tag)
    except SharingError as error:
        yield Finding(ERROR, f"{situation.id}: the tag {SHARING}: {error}. Build it again (-e force=true)")
        return
    yield from _verdict(situation, verdict)


def _verdict(situation: Situation, verdict: Verdict) -> Iterator[Finding]:
    reasons = SEPARATOR.join(verdict.reasons) or "its tag gives no reasons"
    if verdict.level == PRIVATE:
        yield Finding(
            ERROR,
            f"{situation.id} may not leave the account: {reasons}. Take that out of what is built, and build again",
        )
    elif verdict.level == ACCOUNTS and situation.public:
        yield Finding(
            ERROR,
            f"{situation.id} may be shared with accounts but not made public: {reasons}. Leave it out of the seed and "
            "build again, or share with accounts",
        )
    elif verdict.level not in (PUBLIC, ACCOUNTS):
        yield Finding(ERROR, f"{situation.id}: the tag {SHARING} has the level {verdict.level}, which is not known")


def _product_codes(situation: Situation) -> Iterator[Finding]:
    if situation.product_codes is None:
        yield Finding(
            WARNING, f"{situation.id}: whether it has product codes of AWS Marketplace could not be looked at"
        )
    elif situation.product_codes:
        codes = ", ".join(situation.product_codes)
        yield Finding(
            ERROR,
            f"{situation.id} has product codes of AWS Marketplace ({codes}): it stays in the account that subscribed. "
            "Build from an image without them",
        )


def _encrypted_public(situation: Situation) -> Iterator[Finding]:
    if situation.public and situation.snapshot.encrypted:
        yield Finding(
            ERROR,
            f"{situation.id} is encrypted, and no encrypted snapshot can be public, nor any copy of it. Build it again "
            "with encrypted: false in shared_storage.ebs_settings, or share with accounts",
        )


def _key(situation: Situation) -> Iterator[Finding]:
    key, snapshot = situation.key, situation.snapshot
    if not snapshot.encrypted or key is None or not situation.request.accounts:
        return
    if key.aws_managed:
        yield Finding(
            ERROR,
            f"{situation.id} is encrypted with AWS's own key for EBS (alias/aws/ebs), which no other account can use. "
            f"Copy it with a key of your own and share the copy: {situation.copying} -e kms_key_id=alias/NAME",
        )
        return
    if key.unknown:
        yield Finding(WARNING, f"whether other accounts can use {_named(key)} could not be looked at: {key.unknown}")
        return
    if key.state not in ("", KMS_ENABLED):
        yield Finding(ERROR, f"{_named(key)} is {key.state}, so nobody can use {situation.id}: enable the key first")
    yield from _key_policy(situation, key)


def _key_policy(situation: Situation, key: Key) -> Iterator[Finding]:
    if key.policy is None:
        yield Finding(WARNING, f"the key policy of {_named(key)} could not be looked at: it has to allow {_needed()}")
        return
    answers = {account: lets_in(key.policy, account) for account in situation.request.accounts}
    shut = [account for account, answer in answers.items() if answer == NO]
    unclear = [account for account, answer in answers.items() if answer == PERHAPS]
    if shut:
        yield Finding(
            ERROR,
            f"the key policy of {_named(key)} does not let in {_listed(shut)}, so {_made_of(situation)} would "
            f"fail there. Allow the principal arn:aws:iam::ACCOUNT:root {_needed()} first (docs/sharing.md shows how)",
        )
    if unclear:
        yield Finding(
            WARNING,
            f"whether the key policy of {_named(key)} lets in {_listed(unclear)} hangs on conditions that cannot be "
            f"known here: it has to allow {_needed()}",
        )


def _block_public_access(situation: Situation) -> Iterator[Finding]:
    if not situation.public:
        return
    state, region = situation.block_public_access, situation.snapshot.region
    if state is None:
        yield Finding(WARNING, f"whether {region} blocks public access to snapshots could not be looked at")
    elif state != UNBLOCKED:
        yield Finding(
            ERROR,
            f"this account blocks public access to snapshots in {region} ({state}), so {situation.id} cannot be made "
            "public. Share with accounts, or let an administrator decide: aws ec2 "
            f"disable-snapshot-block-public-access --region {region}",
        )


def _can_be_found(situation: Situation) -> Iterator[Finding]:
    if not DESCRIPTION.fullmatch(situation.snapshot.description):
        yield Finding(
            WARNING,
            f"the Description of {situation.id} does not bear its fingerprint, which is all that other accounts see: "
            "they do not find it. copy_volume makes a copy that does",
        )


RULES: tuple[Rule, ...] = (
    _own_account,
    _completed,
    _audited,
    _product_codes,
    _encrypted_public,
    _key,
    _block_public_access,
    _can_be_found,
)

#: An image is never made public, and is found by a Description that record.parse_foreign reads.
IMAGE_RULES: tuple[Rule, ...] = (_own_account, _completed, _audited, _product_codes, _key)


def _made_of(situation: Situation) -> str:
    return f"{'a host' if situation.thing == 'image' else 'a volume'} of {situation.id}"


def _named(key: Key) -> str:
    return f"the key {key.key_id}"


def _needed() -> str:
    return ", ".join(NEEDED)


def _listed(accounts: Sequence[str], most: int = 5) -> str:
    more = len(accounts) - most
    shown = ", ".join(accounts[:most])
    return f"account{'s' if len(accounts) > 1 else ''} {shown}" + (f" and {more} more" if more > 0 else "")
