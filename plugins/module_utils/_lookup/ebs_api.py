# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look-up over sources on AWS: at most one question about the own account, one about the organization's accounts,
and one about what the registry names, each in pages of a thousand; and none that an earlier match makes needless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ansible.module_utils.common.warnings import warn

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import DOCUMENTS
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lookup.sources import (
    LOCAL,
    ORGANIZATION,
    REGISTRY_TYPES,
    Claim,
    Found,
    LookUp,
    LookupSource,
    check_accounts,
    look_up,
    parse_sources,
)
from ansible_collections.petal.hpc.plugins.module_utils._registry.api import Registry, Settings
from ansible_collections.petal.hpc.plugins.module_utils._registry.query import VariantCriteria
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import RegistryError, Stack
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.record import FILTER_VALUES
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.signing_api import judged
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    ACCOUNT,
    ONLY_OWN,
    Place,
    Policy,
    TrustError,
    Verdict,
    judge,
)

TRUST = "name them in registry.trusted_accounts of the seed (option trusted_accounts), and in petal_trusted_accounts"


def find_in_sources(module: Any, criteria: Criteria) -> LookUp:
    """What snapshot_info does with ``sources``; warnings go to the module. Raises PetalError.

    :param module: AnsibleAWSModule with the options sources, all_sources, trusted_accounts, registry_size_gb and those
        of a registry.
    """
    given = module.params
    sources = parse_sources(given["sources"])
    registry = Registry(given["registry_url"], Settings.of(given)) if given["registry_url"] else None
    policy = Policy.from_mapping(given["trust"])
    host, size = Host(module.run_command), given["registry_size_gb"]
    lookup = Lookup(EbsSnapshots(module), host, registry, given["trusted_accounts"], size, policy)
    found = lookup.find(sources, criteria, given["all_sources"])
    for warning in found.warnings:
        warn(warning)
    return found


class Lookup:
    """Sources in one Region.

    :param snapshots: of the account and Region.
    :param registry: what the types official and community go through; None where there is none.
    :param trusted_accounts: whose snapshots are used on a registry's word, as far as the site trusts them. Raises
        SnapshotError for what is no account.
    :param policy: what the site trusts; without it nothing but the own account.
    :param registry_size_gb: the largest size in GiB of what is used on a registry's word; None for any.
    """

    def __init__(
        self,
        snapshots: EbsSnapshots,
        host: Host,
        registry: Registry | None,
        trusted_accounts: Sequence[str],
        registry_size_gb: int | None = None,
        policy: Policy = ONLY_OWN,
    ) -> None:
        self._snapshots = snapshots
        self._host = host
        self._registry = registry
        self._policy = policy
        self._trusted = check_accounts(trusted_accounts, "trusted_accounts")
        self._believed = self._trusted
        self._registry_size_gb = registry_size_gb
        self._shared: tuple[list[Snapshot], list[Refusal]] | None = None
        self._signers: tuple[str, ...] = ()
        self._vouched: tuple[list[Snapshot], dict[str, list[Refusal]]] | None = None

    def find(self, sources: Sequence[LookupSource], criteria: Criteria, everywhere: bool = False) -> LookUp:
        """The first match by priority. Raises SnapshotError and AwsError; what a registry does wrong is a warning."""
        named = [source for source in sources if source.enabled and source.account is not None]
        shared = [str(source.account) for source in named if source.type == ORGANIZATION]
        accounts = [account for account in shared if not self._doubt(account)]
        # Whoever names an account in a source of a registry trusts it there.
        official = [str(source.account) for source in named if source.type in REGISTRY_TYPES]
        asked = dict.fromkeys([*self._trusted, *official])
        # What is signed is asked for by its owner later; where signatures are required they are looked at then.
        lenient = replace(self._policy, required=False)
        self._believed = tuple(account for account in asked if not self._doubt(account, lenient))

        def ask(source: LookupSource) -> Found:
            if source.type == LOCAL:
                return self._own(criteria)
            if source.store is not None:
                return Found(problem="it is a store of the provider local, not an account of AWS")
            if source.type == ORGANIZATION:
                doubt = self._doubt(str(source.account))
                return Found(problem=doubt) if doubt else self._organization(source, criteria, accounts)
            return self._of_registry(source, criteria)

        found = look_up(sources, criteria, ask, everywhere)
        notes = self._registry.notes if self._registry else []
        return replace(found, warnings=(*found.warnings, *notes))

    def _own(self, criteria: Criteria) -> Found:
        """Of the own account: what bears signatures, or has to, is judged by them."""
        found, refused = self._snapshots.scan(criteria)
        trusted = []
        for one in found:
            verdict, _keys = judged(self._host, one, self._policy)
            if verdict.trusted:
                trusted.append(one)
            else:
                refused.append(Refusal(one.snapshot_id, verdict.reason))
        return Found(trusted, refused)

    def _doubt(self, account: str, policy: Policy | None = None) -> str:
        """Why the site does not trust an account; empty where it does. A seed can ask for less, and not for more."""
        verdict = judge(policy or self._policy, Place(ACCOUNT, account), "", ())
        return "" if verdict.trusted else verdict.reason

    def _organization(self, source: LookupSource, criteria: Criteria, accounts: Sequence[str]) -> Found:
        if self._shared is None:
            self._shared = self._snapshots.shared(criteria, accounts)
        snapshots, refused = self._shared
        # What cannot be read is told of once, with the first that is asked.
        self._shared = (snapshots, [])
        return Found([snapshot for snapshot in snapshots if snapshot.owner == source.account], refused)

    def _of_registry(self, source: LookupSource, criteria: Criteria) -> Found:
        if self._registry is None:
            return Found(problem="no registry is named: give registry.url in the seed (option registry_url)")
        if criteria.fingerprint is None:
            return Found(problem="a registry is asked for one fingerprint only; petal.hpc.registry_info lists it")
        nobody = not set(self._trusted) & set(self._believed) and not self._policy.signers
        if source.account is None and nobody:
            doubt = "; ".join(dict.fromkeys(self._doubt(account) for account in self._trusted)) or TRUST
            return Found(problem=f"no account is trusted, so nothing that a registry says can be used: {doubt}")
        if source.account is not None and not self._policy.signers and (doubt := self._doubt(source.account)):
            return Found(problem=doubt)
        if self._vouched is None:
            try:
                self._vouched = self._checked(self._claims(self._registry, criteria), criteria)
            except RegistryError as error:
                return Found(problem=str(error))
        snapshots, refused = self._vouched
        signed = self._signers if source.account is None else ()
        whose = (*self._trusted, *signed) if source.account is None else (source.account,)
        mine = [one for one in snapshots if one.source == source.type]
        others = [
            Refusal(one.snapshot_id, f"its owner, account {one.owner}, is not among those of this source")
            for one in mine
            if one.owner not in whose
        ]
        return Found([one for one in mine if one.owner in whose], [*refused.get(source.type, []), *others])

    def _claims(self, registry: Registry, criteria: Criteria) -> list[Claim]:
        stacks = registry.any_of(registry.index(), criteria.fingerprints)
        claims = [claim for stack in stacks for claim in _claims_of(stack, criteria, self._snapshots.region)]
        # Two stacks may name one snapshot: the official word counts.
        claims.sort(key=lambda claim: not claim.verified)
        return list({claim.snapshot_id: claim for claim in reversed(claims)}.values())[::-1]

    def _checked(self, claims: Sequence[Claim], criteria: Criteria) -> tuple[list[Snapshot], dict[str, list[Refusal]]]:
        """What AWS confirms of a registry's claims, and what it does not, by type of source."""
        refused: dict[str, list[Refusal]] = {}

        def refuse(claim: Claim, reason: str) -> None:
            refused.setdefault(claim.source, []).append(Refusal(claim.snapshot_id, reason))

        asked: dict[str, Claim] = {}
        for claim in claims:
            objection = claim.objection(criteria, self._believed)
            if objection is None and len(asked) == FILTER_VALUES:
                objection = f"the registry names more than {FILTER_VALUES} snapshots"
            if objection is None:
                asked[claim.snapshot_id] = claim
            else:
                refuse(claim, objection)
        if not asked:
            return [], refused
        # Whose snapshots are used on the word of somebody who has signed them.
        self._signers = tuple(claim.account for claim in asked.values() if claim.signature and claim.account)
        whom = list(dict.fromkeys([*self._believed, *self._signers]))
        seen, wrong = self._snapshots.by_id(list(asked), criteria, whom)
        reasons = {refusal.snapshot_id: refusal.reason for refusal in wrong}
        there = {snapshot.snapshot_id: snapshot for snapshot in seen}
        confirmed = []
        for snapshot_id, claim in asked.items():
            snapshot = there.get(snapshot_id)
            if snapshot is None:
                refuse(claim, reasons.get(snapshot_id) or self._absent(claim))
                continue
            verdict = self._judged(claim, snapshot)
            if not verdict.trusted:
                refuse(claim, verdict.reason)
                continue
            # A registry's word for what is on it counts where somebody whom the site trusts has signed it.
            tags = {DOCUMENTS: claim.documents} if verdict.signer else {}
            confirmed.append(replace(snapshot, source=claim.source, packages=list(claim.packages), tags=tags))
        return confirmed, refused

    def _judged(self, claim: Claim, snapshot: Snapshot) -> Verdict:
        """Whether a snapshot is as a registry says, and the owner's account or a signature makes it of use."""
        contradiction = claim.contradiction(snapshot)
        if self._registry_size_gb is not None and snapshot.size_gb > self._registry_size_gb:
            contradiction = f"it needs {snapshot.size_gb} GiB, the seed's volume has {self._registry_size_gb}"
        if contradiction:
            return Verdict(False, contradiction)
        said = ebs.statement(snapshot.snapshot_id, snapshot.owner, snapshot.fingerprint, claim.documents)
        place = Place(ACCOUNT, snapshot.owner, self._registry.url if self._registry else "")
        try:
            signatures = ebs.from_text(claim.signature) if claim.documents else []
        except TrustError as error:
            return Verdict(False, str(error))
        return trust.judged(self._host, self._policy, place, snapshot.created, said, signatures, ebs.NAMESPACE)[0]

    def _absent(self, claim: Claim) -> str:
        whose = f"account {claim.account}" if claim.account else f"the trusted accounts ({', '.join(self._believed)})"
        return (
            f"AWS shows no such snapshot of {whose} in {self._snapshots.region}: it belongs to somebody else, is gone, "
            "or is not shared with this account"
        )


def _claims_of(stack: Stack, criteria: Criteria, region: str) -> Iterator[Claim]:
    wanted = VariantCriteria(criteria.fingerprint, region, older_fingerprints=criteria.older_fingerprints)
    for variant in stack.variants:
        if wanted.fits(variant) and criteria.name in (None, stack.name):
            yield Claim(
                snapshot_id=variant.snapshot_id,
                fingerprint=variant.fingerprint,
                name=stack.name,
                os=variant.os,
                architecture=variant.architecture,
                size_gb=variant.size_gb,
                account=stack.aws_account,
                public=stack.public,
                verified=stack.verified,
                packages=stack.packages,
                documents=variant.documents,
                signature=variant.signature,
            )
