# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of records, by OpenSSH: ``ssh-keygen -Y sign`` and ``-Y check-novalidate`` (ssh-keygen(1)).

It works without a network, is on every host, and takes keys from files, agents and security tokens.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, written_by_others
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    FILE,
    KEY,
    NAMESPACE,
    STORE,
    Place,
    Policy,
    TrustError,
    Verdict,
    judge,
)

_GOOD = re.compile(rf'Good "([!-~]+)" signature with \S+ key ({KEY.pattern})')


class SigningKey(Protocol):
    """A key that signs, wherever it is."""

    @property
    def fingerprint(self) -> str:
        """As sites name it. Raises PetalError."""

    def sign(self, data: bytes, namespace: str) -> str:
        """A signature over bytes as something, in its armour. Raises PetalError."""


class KeyFile:
    """A key of OpenSSH.

    :param path: of a private key that asks for nothing; or of a public one, whose private one an agent has.
    """

    def __init__(self, host: Host, path: str) -> None:
        self._host = host
        self._path = path

    @property
    def fingerprint(self) -> str:
        """As sites name it. Raises TrustError."""
        return fingerprint(self._host, self._path)

    def sign(self, data: bytes, namespace: str = NAMESPACE) -> str:
        """A signature over bytes, in its armour. Raises TrustError."""
        with tempfile.TemporaryDirectory(prefix="petal-sign-") as scratch:
            signed = Path(scratch, "record")
            signed.write_bytes(data)
            command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", self._path, str(signed)]
            status, _output, problem = self._host.call(command)
            signature = Path(scratch, "record.sig")
            if status != 0 or not signature.is_file():
                said = " ".join(problem.split())[-300:] or "no message"
                raise TrustError(
                    f"signing with the key {self._path}: {said.rstrip('.')}. Expected a private key without a "
                    "passphrase, or the public one of a key in an agent."
                )
            return signature.read_text(encoding="ascii")


def signed_by(host: Host, data: bytes, signatures: Sequence[str], namespace: str = NAMESPACE) -> list[str]:
    """Fingerprints of the keys whose signatures over these very bytes are right; those that are not are passed over."""
    found: list[str] = []
    if not signatures:
        return found
    with tempfile.TemporaryDirectory(prefix="petal-verify-") as scratch:
        for number, armoured in enumerate(signatures):
            signature = Path(scratch, f"{number}.sig")
            signature.write_text(armoured, encoding="ascii")
            command = ["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", str(signature)]
            status, output, _problem = host.call(command, data=data)
            said = _GOOD.fullmatch(output.strip())
            if status == 0 and said and said[1] == namespace:
                found.append(said[2])
    return found


def judged(
    host: Host,
    policy: Policy,
    place: Place,
    created: str,
    data: bytes,
    signatures: Sequence[str],
    namespace: str = NAMESPACE,
) -> tuple[Verdict, list[str]]:
    """Whether something may be used, and why; and the fingerprints of the keys whose signatures over it are right.

    :param created: when it was made, as it says itself. data: the very bytes that are signed. signatures: in their
        armour. namespace: as what it is signed.
    """
    keys = signed_by(host, data, signatures, namespace)
    return judge(policy, place, created, keys), keys


def store_place(name: str, *paths: Path) -> Place:
    """A store as a place: who else can write what is there counts for a directory; of a bucket AWS decides."""
    return Place(STORE, name, flaw="" if "://" in name else written_by_others(Path(name), *paths))


def file_place(path: str) -> Place:
    """A file as a place."""
    return Place(FILE, path)


def fingerprint(host: Host, key_file: str) -> str:
    """The fingerprint of a key, as sites name it. Raises TrustError."""
    status, output, problem = host.call(["ssh-keygen", "-l", "-E", "sha256", "-f", key_file])
    words = output.split()
    if status != 0 or len(words) < 2 or not KEY.fullmatch(words[1]):
        said = " ".join((problem or output).split())[-300:] or "no message"
        raise TrustError(f"the key {key_file} cannot be read: {said.rstrip('.')}. Expected a key of ssh-keygen.")
    return words[1]
