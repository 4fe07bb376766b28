# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry says of snapshots is used as far as AWS confirms it and the site trusts who owns or signed them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import DOCUMENTS
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lookup.ebs_api import Lookup
from ansible_collections.petal.hpc.plugins.module_utils._lookup.sources import LookUp, LookupSource
from ansible_collections.petal.hpc.plugins.module_utils._registry.api import Registry
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import RegistryError, Stack, Variant
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.api import EbsSnapshots
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy, Signer

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen on this machine")
REGION, OWNER, STRANGER = "us-east-1", "111122223333", "444455556666"
FINGERPRINT, DIGEST = "sha256:" + "a" * 64, "sha256:" + "d" * 64
ID = "snap-0123456789abcdef0"
CRITERIA = Criteria(fingerprint=FINGERPRINT, os="debian12", architecture="x86_64")
SHARED = Snapshot(
    snapshot_id=ID,
    fingerprint=FINGERPRINT,
    name="bio",
    os="debian12",
    architecture="x86_64",
    size_gb=8,
    created="2026-01-31T12:00:00Z",
    provider="aws",
    source="organization",
    owner=STRANGER,
    region=REGION,
)


class Commands:
    """The host's commands, which are run, and counted."""

    def __init__(self) -> None:
        self.run: list[list[str]] = []

    def __call__(self, args: list[str], **options: Any) -> tuple[int, str, str]:
        self.run.append(args)
        done = subprocess.run(args, input=options.get("data") or b"", capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class Account:
    """What DescribeSnapshots shows: own snapshots, and those of others by their ids and owners."""

    region = REGION

    def __init__(self, own: Sequence[Snapshot] = (), others: Sequence[Snapshot] = ()) -> None:
        self.own = own
        self.others = others

    def scan(self, criteria: Criteria) -> tuple[list[Snapshot], list[Refusal]]:
        return [one for one in self.own if criteria.means(one)], []

    def by_id(
        self, snapshot_ids: Sequence[str], _criteria: Criteria, accounts: Sequence[str]
    ) -> tuple[list[Snapshot], list[Refusal]]:
        return [one for one in self.others if one.snapshot_id in snapshot_ids and one.owner in accounts], []


class Told:
    """A registry that knows one stack, or cannot be asked."""

    url = "https://registry.example.org"

    def __init__(self, stack: Stack | None) -> None:
        self.stack = stack
        self.notes: list[str] = []

    def index(self) -> None:
        if self.stack is None:
            raise RegistryError("it cannot be reached")

    def any_of(self, _index: None, fingerprints: Sequence[str]) -> list[Stack]:
        return [self.stack] if self.stack and self.stack.fingerprint in fingerprints else []


class Site:
    """A site whose signer has a key, and what a look-up there finds."""

    def __init__(self, directory: Path) -> None:
        key = directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.commands = Commands()
        self.host = Host(self.commands)
        self.key = trust.KeyFile(self.host, str(key))
        self.policy = Policy(signers=(Signer("the software group", self.key.fingerprint),))
        self.commands.run.clear()

    def signature(self, **facts: str) -> str:
        """Of what is said of the shared snapshot, in one line."""
        said = {"snapshot_id": ID, "owner": STRANGER, "fingerprint": FINGERPRINT, "documents": DIGEST, **facts}
        signature = ebs.to_text([self.key.sign(ebs.statement(**said), ebs.NAMESPACE)])
        self.commands.run.clear()
        return signature

    def find(
        self, kind: str, account: Account, stack: Stack | None = None, policy: Policy | None = None, **options: Any
    ) -> LookUp:
        registry = cast(Registry, Told(stack))
        given = {"trusted_accounts": [], "policy": policy or self.policy, **options}
        lookup = Lookup(cast(EbsSnapshots, account), self.host, registry, **given)
        return lookup.find([LookupSource(kind, 1)], CRITERIA)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def stack(signature: str = "", **variant: Any) -> Stack:
    documents = DIGEST if signature else ""
    one = replace(Variant(REGION, ID, FINGERPRINT, documents=documents, signature=signature), **variant)
    return Stack("bio", FINGERPRINT, (one,), aws_account=STRANGER)


def reasons(found: LookUp) -> list[str]:
    return [refusal.reason for refusal in found.selection().passed_over]


def test_what_a_trusted_signer_has_signed_is_used_whoever_owns_it(site: Site) -> None:
    found = site.find("community", Account(others=[SHARED]), stack(site.signature()))
    best = found.selection().best
    assert best is not None
    assert (best.snapshot_id, best.source, best.tags) == (ID, "community", {DOCUMENTS: DIGEST})
    assert len(site.commands.run) == 1


@pytest.mark.parametrize("told", [{"fingerprint": "sha256:" + "b" * 64}, {"owner": OWNER}, {"documents": FINGERPRINT}])
def test_a_signature_of_something_else_is_worth_nothing(told: dict[str, str], site: Site) -> None:
    found = site.find("community", Account(others=[SHARED]), stack(site.signature(**told)))
    assert found.chosen is None
    assert "nobody has signed it" in reasons(found)[0]


@pytest.mark.parametrize(
    ("variant", "limit", "reason"),
    [
        ({"size_gb": 9}, None, "the registry says that it has 9 GiB, AWS says 8"),
        ({}, 4, "it needs 8 GiB, the seed's volume has 4"),
    ],
)
def test_what_is_contradicted_is_refused_before_any_signature_is_looked_at(
    variant: dict[str, Any], limit: int | None, reason: str, site: Site
) -> None:
    told = stack(site.signature(), **variant)
    found = site.find("community", Account(others=[SHARED]), told, registry_size_gb=limit)
    assert reasons(found) == [reason]
    assert site.commands.run == []


def test_what_aws_does_not_show_is_refused(site: Site) -> None:
    found = site.find("community", Account(), stack(site.signature()))
    assert "AWS shows no such snapshot" in reasons(found)[0]


def test_what_is_no_signature_is_refused(site: Site) -> None:
    found = site.find("community", Account(others=[SHARED]), stack("not base64"))
    assert "something else than signatures" in reasons(found)[0]


def test_a_registry_that_cannot_be_asked_is_passed_over(site: Site) -> None:
    found = site.find("community", Account())
    assert found.chosen is None
    assert found.warnings == ("the source community is passed over: it cannot be reached",)


def own(**different: Any) -> Snapshot:
    return replace(SHARED, owner=OWNER, source="local", **different)


def test_an_own_one_of_an_earlier_release_is_used_and_no_command_is_run(site: Site) -> None:
    assert site.find("local", Account(own=[own()])).selection().best == own()
    assert site.commands.run == []


def test_an_own_one_is_refused_where_signatures_are_required(site: Site) -> None:
    signature = site.key.sign(ebs.statement(ID, OWNER, FINGERPRINT, DIGEST), ebs.NAMESPACE)
    signed = own(tags={DOCUMENTS: DIGEST, **ebs.to_tags([signature])})
    strict = replace(site.policy, required=True)
    assert site.find("local", Account(own=[signed]), policy=strict).selection().best == signed
    refused = site.find("local", Account(own=[own()]), policy=strict)
    assert "takes only what is signed" in reasons(refused)[0]
