# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose software may come to a node: decided by the site's keys, stores and accounts, never by where a file lies.

A software volume runs as every user of a cluster. Digests say that it is whole; who made it is said by a signature of
its record, by the account that AWS names as its owner, or by the site's word for a place that nobody else can write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core import ids
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import snapshot_store

#: What a signature is for (ssh-keygen(1), -n): one of another program's is none of ours.
NAMESPACE = "snapshot@petal.hpc"
STATEMENT_NAMESPACE = "provenance@petal.hpc"
#: Of a file with signatures, in bytes, and of the signatures in it.
SIGNATURES_LIMIT = 64 * 1024
SIGNATURES_MOST = 8
KEY = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?")
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_ON_COMMAND_LINE = '; on a command line a list is JSON, as in -e \'{"NAME": ["ENTRY"]}\''
_BASE64 = re.compile(r"[A-Za-z0-9+/=]{1,128}")

OWN, STORE, FILE, ACCOUNT = "own", "store", "file", "account"
SCOPES = ("stores", "accounts", "registries")


class TrustError(PetalError):
    """Something is not trusted, or what is to be trusted is not well said."""


@dataclass(frozen=True)
class Signer:
    """Somebody whose signature counts.

    key: fingerprint of the public key, as ``ssh-keygen -l`` prints it. valid_from, valid_until: the first and the last
    moment of what may bear the signature, ISO 8601 in UTC; empty for any. stores, accounts, registries: where what is
    signed may come from; none of all three for anywhere. revoked: no signature of this key counts any more.
    """

    name: str
    key: str
    valid_from: str = ""
    valid_until: str = ""
    stores: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    revoked: bool = False

    def objection(self, place: Place, created: str) -> str:
        """Why the signature does not count for what comes from a place and was made then; empty where it does."""
        if self.revoked:
            return f"the key of {self.name} ({self.key}) is revoked"
        if self.valid_from and created < self.valid_from:
            return f"{self.name} signs what was made from {self.valid_from} on, and it is of {created}"
        if self.valid_until and created > _end_of(self.valid_until):
            return f"{self.name} signed what was made until {self.valid_until}, and it is of {created}"
        scoped = self.stores or self.accounts or self.registries
        allowed = {STORE: self.stores, ACCOUNT: self.accounts}.get(place.kind, ())
        # What is in the own store, or in a file, was brought there by its owner.
        elsewhere = place.kind in (STORE, ACCOUNT) and place.name not in allowed
        if scoped and elsewhere and not (place.registry and place.registry in self.registries):
            return f"{self.name} does not sign for {place}"
        return ""


def _end_of(moment: str) -> str:
    """A day lasts until its end."""
    return moment if "T" in moment else f"{moment}T23:59:59Z"


@dataclass(frozen=True)
class Place:
    """Where something comes from.

    kind: OWN (built here, in the own store), STORE, FILE or ACCOUNT. name: of the store, file or account. registry: the
    address of the registry that named it. flaw: who else can write there, as a clause; empty where nobody can.
    """

    kind: str
    name: str = ""
    registry: str = ""
    flaw: str = ""

    def __str__(self) -> str:
        return {OWN: "the own store", ACCOUNT: f"account {self.name}"}.get(self.kind, f"{self.kind} {self.name}")


@dataclass(frozen=True)
class Origin:
    """Where something in the own store came from, as it was when it came. unsigned: its owner's word for it."""

    place: Place
    unsigned: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"schema": 1, **asdict(self)}


def parse_origin(value: Any) -> Origin:
    """Read what was kept of an origin. Raises TrustError."""
    place = value.get("place") if isinstance(value, Mapping) else None
    names = [field.name for field in fields(Place)]
    if not isinstance(place, Mapping) or not all(isinstance(place.get(name), str) for name in names):
        raise TrustError("what is kept of its origin is damaged")
    return Origin(Place(**{name: place[name] for name in names}), value.get("unsigned") is True)


@dataclass(frozen=True)
class Policy:
    """What a site trusts.

    stores, accounts: whose software is used without a signature. required: nothing is used without one. unsigned: the
    user's word, for this run, that what nobody has signed may be used.
    """

    signers: tuple[Signer, ...] = ()
    stores: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    required: bool = False
    unsigned: bool = False

    @classmethod
    def from_mapping(cls, value: Any) -> Policy:
        """Read the site's ``petal_trusted_signers``, ``…_stores``, ``…_accounts``, ``petal_require_signatures``.

        Raises TrustError with the place of what is wrong.
        """
        if not isinstance(value, Mapping):
            raise TrustError("what the site trusts is no mapping")
        _no_other_keys(value, ("signers", "stores", "accounts", "required", "unsigned"), "petal_trusted_…")
        signers = [] if value.get("signers") is None else value["signers"]
        if not isinstance(signers, list):
            raise TrustError("petal_trusted_signers is no list: expected entries with name and key")
        return cls(
            tuple(_signer(entry, f"petal_trusted_signers[{index}]") for index, entry in enumerate(signers)),
            _stores(value.get("stores"), "petal_trusted_stores"),
            _accounts(value.get("accounts"), "petal_trusted_accounts"),
            _switch(value.get("required"), "petal_require_signatures"),
            _switch(value.get("unsigned"), "unsigned"),
        )


#: Of a site that has said nothing: what was built in the own store.
ONLY_OWN = Policy()


@dataclass(frozen=True)
class Verdict:
    """Whether something may be used, and why, as a clause.

    signer: by whose word; empty where no signature counts. unsigned: only because the user wishes it.
    """

    trusted: bool
    reason: str
    signer: str = ""
    unsigned: bool = False


def judge(policy: Policy, place: Place, created: str, keys: Sequence[str]) -> Verdict:
    """Decide.

    :param created: when it was made, as its record says: signed, where it is signed.
    :param keys: fingerprints of the keys whose signatures over the record are right.
    """
    known = {signer.key: signer for signer in policy.signers}
    objections = []
    for key in dict.fromkeys(keys):
        signer = known.get(key)
        objection = signer.objection(place, created) if signer else f"nobody whom the site trusts has the key {key}"
        if signer and not objection:
            return Verdict(True, f"signed by {signer.name} ({key})", signer.name)
        objections.append(objection)
    said = "; ".join(objections) or "nobody has signed it"
    revoked = [known[key].name for key in keys if key in known and known[key].revoked]
    if policy.required or revoked:
        return Verdict(False, f"{said}{'; the site takes only what is signed' if policy.required else ''}")
    if place.kind == OWN:
        return Verdict(True, "built here")
    word = {STORE: policy.stores, ACCOUNT: policy.accounts}.get(place.kind, ())
    if place.name in word and not place.flaw:
        return Verdict(True, f"the site trusts {place}")
    if policy.unsigned:
        return Verdict(True, f"{said}, and it is used all the same, as asked for (unsigned=true)", unsigned=True)
    return Verdict(False, f"{said}; {_why_not(place, place.name in word)}")


def _why_not(place: Place, named: bool) -> str:
    if named:
        return f"the site trusts {place}, but {place.flaw}: what is there needs a signature"
    way_out = {
        STORE: "name it in petal_trusted_stores, or whoever signs for it in petal_trusted_signers",
        ACCOUNT: "name it in petal_trusted_accounts, or whoever signs for it in petal_trusted_signers",
    }.get(place.kind, "name whoever signs for it in petal_trusted_signers")
    return f"{place} is not trusted by the site ({way_out}; or take it as it is, this time, with -e unsigned=true)"


def parse_signatures(data: bytes) -> list[str]:
    """The signatures in a file, each in its armour, as ``ssh-keygen -Y sign`` writes them one after another.

    Raises TrustError for anything else in it.
    """
    if len(data) > SIGNATURES_LIMIT:
        raise TrustError(f"the signatures have more than {SIGNATURES_LIMIT} bytes")
    found: list[list[str]] = []
    inside = False
    for line in data.decode("ascii", "replace").splitlines():
        if line == BEGIN and not inside:
            found.append([line])
            inside = True
        elif inside and (line == END or _BASE64.fullmatch(line)):
            found[-1].append(line)
            inside = line != END
        elif line or inside:
            raise TrustError("there is something else than signatures of ssh-keygen in it")
    if inside:
        raise TrustError("it ends in the middle of a signature")
    if len(found) > SIGNATURES_MOST:
        raise TrustError(f"there are more than {SIGNATURES_MOST} signatures")
    return ["\n".join(lines) + "\n" for lines in found]


def _signer(value: Any, where: str) -> Signer:
    if not isinstance(value, Mapping):
        raise TrustError(f"{where} is no mapping: expected name and key")
    _no_other_keys(value, ("name", "key", "valid_from", "valid_until", *SCOPES, "revoked"), where)
    name, key = value.get("name"), value.get("key")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:
        raise TrustError(f"{where}.name is missing or no line of at most 100 characters")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise TrustError(
            f"{where}.key is no fingerprint of a key: expected SHA256:… as `ssh-keygen -lf KEY.pub` prints it"
        )
    readers = dict(zip(SCOPES, (_stores, _accounts, _texts)))
    scopes = {scope: read(value.get(scope), f"{where}.{scope}") for scope, read in readers.items()}
    return Signer(
        name,
        key,
        _moment(value.get("valid_from"), f"{where}.valid_from"),
        _moment(value.get("valid_until"), f"{where}.valid_until"),
        revoked=_switch(value.get("revoked"), f"{where}.revoked"),
        **scopes,
    )


def _no_other_keys(value: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    for key in value:
        if key not in known:
            raise TrustError(f"{where}: the key {str(key)[:60]!r} is unknown; known are {', '.join(known)}")


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TrustError(f"{where} is no list of texts")
    # YAML reads an account id without quotes as a number.
    found = tuple(str(entry) if isinstance(entry, int) and not isinstance(entry, bool) else entry for entry in value)
    if not all(isinstance(entry, str) and entry for entry in found):
        raise TrustError(f"{where} is no list of texts")
    return found


def _stores(value: Any, where: str) -> tuple[str, ...]:
    found = _texts(value, where)
    for index, store in enumerate(found):
        if flaw := snapshot_store(store):
            raise TrustError(f"{where}[{index}]: {store[:100]!r}: {flaw}{_ON_COMMAND_LINE if store[0] in '[{' else ''}")
    return found


def _accounts(value: Any, where: str) -> tuple[str, ...]:
    found = _texts(value, where)
    for index, account in enumerate(found):
        if not ids.ACCOUNT.fullmatch(account):
            raise TrustError(
                f"{where}[{index}]: {account[:60]!r} is no AWS account: expected twelve digits in quotes"
                f"{_ON_COMMAND_LINE if account[0] in '[{' else ''}"
            )
    return found


def _moment(value: Any, where: str) -> str:
    # YAML reads a day without quotes as a date.
    text = "" if value is None else str(value)
    if text and not TIME.fullmatch(text):
        raise TrustError(f"{where} is no moment: expected 2026-12-31 or 2026-12-31T12:00:00Z")
    return text


def _switch(value: Any, where: str) -> bool:
    if value not in (None, True, False):
        raise TrustError(f"{where} is neither true nor false")
    return bool(value)
