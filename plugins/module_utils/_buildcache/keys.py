# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GnuPG says about keys and signatures, read by machine.

Source: ``doc/DETAILS`` of GnuPG 2.2 (colon listings, ``--status-fd``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError

_UNUSABLE = {"e": "has expired", "r": "is revoked", "i": "is invalid", "d": "is disabled"}


@dataclass(frozen=True)
class Key:
    """A primary key: fingerprint (40 hex digits), its first user id, whether its secret part is there.

    problem: why it must not be trusted, as ``has expired``; empty where nothing speaks against it.
    """

    fingerprint: str
    user: str = ""
    secret: bool = False
    problem: str = ""


def normal_fingerprint(text: str, name: str) -> str:
    """A fingerprint as GnuPG writes it: 40 upper-case hex digits, from what people copy (spaces, lower case, 0x).

    Raises BuildcacheError for anything else; key ids above all, because they can be forged.
    """
    plain = re.sub(r"\s+", "", text).upper()
    plain = plain[2:] if plain.startswith("0X") else plain
    if not re.fullmatch(r"[0-9A-F]{40}", plain):
        raise BuildcacheError(
            f"key {name}: {text!r} is no fingerprint; expected 40 hex digits, as `gpg --show-keys FILE` prints them"
        )
    return plain


def parse_keys(output: str) -> list[Key]:
    """The primary keys of a colon listing (``--with-colons``), each once."""
    found: dict[str, Key] = {}
    current: list[str] | None = None
    fingerprint = ""
    for line in output.splitlines():
        fields = line.split(":")
        kind = fields[0]
        if kind in ("pub", "sec"):
            current, fingerprint = fields, ""
        elif kind in ("sub", "ssb"):
            # The fingerprint that follows is the subkey's.
            current = None
        elif kind == "fpr" and current is not None and not fingerprint:
            fingerprint = fields[9].upper()
            found[fingerprint] = Key(fingerprint, "", current[0] == "sec", _UNUSABLE.get(current[1], ""))
        elif kind == "uid" and fingerprint in found and not found[fingerprint].user:
            key = found[fingerprint]
            found[fingerprint] = Key(key.fingerprint, fields[9], key.secret, key.problem)
    return list(found.values())


def the_key(output: str, fingerprint: str, name: str, where: str) -> Key:
    """The one key that a file holds, from its listing, where it is the one that is to be trusted.

    Raises BuildcacheError where the file holds another key, more than one, none, or one that is expired or revoked.
    """
    keys = parse_keys(output)
    held = ", ".join(key.fingerprint for key in keys) or "no key"
    if [key.fingerprint for key in keys] != [fingerprint]:
        raise BuildcacheError(
            f"key {name}: {where} holds {held}; expected exactly {fingerprint}. Nothing was imported: ask the owner "
            "of the cache for the fingerprint, over another way than the key came"
        )
    if keys[0].problem:
        raise BuildcacheError(f"key {name}: {fingerprint} in {where} {keys[0].problem}; ask its owner for the new one")
    return keys[0]


def parse_verification(status: str, trusted: Iterable[str]) -> dict[str, str]:
    """Why each file's signature is not good enough, by file name; empty where it is.

    status: of ``gpg --verify-files --status-fd``; trusted: fingerprints of primary keys.
    """
    wanted = set(trusted)
    verdicts: dict[str, str] = {}
    name = ""
    for line in status.splitlines():
        word, _space, rest = line.removeprefix("[GNUPG:] ").partition(" ")
        fields = rest.split()
        if word == "FILE_START":
            name = rest.partition(" ")[2]
            verdicts[name] = "its signature could not be verified"
        elif word == "ERRSIG":
            # Newer signatures say the whole fingerprint, older ones a key id.
            signer = fields[6] if len(fields) > 6 and len(fields[6]) == 40 else fields[0]
            verdicts[name] = f"it is signed by {signer}, which is not trusted"
        elif word == "BADSIG":
            verdicts[name] = "its signature does not match what it signs"
        elif word in ("EXPKEYSIG", "EXPSIG", "REVKEYSIG"):
            what = {"EXPKEYSIG": "key has expired", "EXPSIG": "signature has expired", "REVKEYSIG": "key is revoked"}
            verdicts[name] = f"its {what[word]} ({fields[0]})"
        elif word == "VALIDSIG" and not verdicts.get(name, "").startswith(("its key", "its signature has")):
            primary = fields[-1].upper()
            verdicts[name] = "" if primary in wanted else f"it is signed by {primary}, which is not trusted"
    return verdicts


def unwanted(held: Iterable[Key], wanted: Iterable[str]) -> list[Key]:
    """The keys of a keyring that nobody named."""
    named = set(wanted)
    return [key for key in held if key.fingerprint not in named]


def merge_secret(public: Iterable[Key], secret: Iterable[Key]) -> Mapping[str, Key]:
    """Both listings of a keyring as one, by fingerprint."""
    merged = {key.fingerprint: key for key in public}
    for key in secret:
        user = merged[key.fingerprint].user if key.fingerprint in merged else key.user
        merged[key.fingerprint] = Key(key.fingerprint, user, True, key.problem)
    return merged
