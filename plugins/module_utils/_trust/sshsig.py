# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of keys that OpenSSH cannot use itself, in the form that ``ssh-keygen -Y check-novalidate`` reads.

A key in AWS KMS signs what it is given and gives ASN.1 back. Put into the format of OpenSSH's PROTOCOL.sshsig, with the
key as RFC 5656 has it, its signatures stand beside those of other keys, are verified in the same way without a network,
and a site names the key by the same kind of fingerprint.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from collections.abc import Iterator

from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import BEGIN, END, TrustError

MAGIC = b"SSHSIG"
HASH = "sha512"
#: The one kind of key: in KMS ECC_NIST_P256, signing with ECDSA_SHA_256.
KIND, CURVE = "ecdsa-sha2-nistp256", "nistp256"
#: What a SubjectPublicKeyInfo of such a key begins with (RFC 5480): the point follows, 65 bytes, not compressed.
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
POINT = 65
#: ASN.1: a sequence, an integer.
SEQUENCE, INTEGER = 0x30, 0x02


def public_key(spki: bytes) -> bytes:
    """A key as SSH has it, from how KMS gives it (DER). Raises TrustError for another kind of key."""
    point = spki[len(SPKI) :]
    if not spki.startswith(SPKI) or len(point) != POINT or point[0] != 4:
        raise TrustError(
            "the key is of another kind: expected ECC_NIST_P256 for SIGN_VERIFY, as `aws kms create-key --key-spec "
            "ECC_NIST_P256 --key-usage SIGN_VERIFY` makes it"
        )
    return _string(KIND.encode()) + _string(CURVE.encode()) + _string(point)


def fingerprint(key: bytes) -> str:
    """Of a key as SSH has it, as ``ssh-keygen -l`` prints it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')}"


def to_sign(data: bytes, namespace: str) -> bytes:
    """What the key has to sign for a signature over ``data``."""
    return b"".join((MAGIC, *map(_string, (namespace.encode(), b"", HASH.encode(), hashlib.new(HASH, data).digest()))))


def armoured(key: bytes, namespace: str, signature: bytes) -> str:
    """A signature in its armour.

    :param key: as SSH has it. signature: of ``to_sign``, as KMS gives it (DER). Raises TrustError where it is none.
    """
    r, s = _integers(signature)
    inner = _string(KIND.encode()) + _string(_string(r) + _string(s))
    parts = (key, namespace.encode(), b"", HASH.encode(), inner)
    whole = MAGIC + (1).to_bytes(4, "big") + b"".join(map(_string, parts))
    return "\n".join([BEGIN, *textwrap.wrap(base64.b64encode(whole).decode(), 70), END, ""])


def signer(armour: str) -> str:
    """The fingerprint of the key that a signature of whatever kind of key names. Raises TrustError where it is none."""
    try:
        whole = base64.b64decode("".join(armour.splitlines()[1:-1]), validate=True)
    except ValueError as error:
        raise TrustError("it is no signature of ssh-keygen") from error
    # The magic and a version stand before the key, which is a string with its length.
    start = len(MAGIC) + 8
    length = int.from_bytes(whole[start - 4 : start], "big")
    if not whole.startswith(MAGIC) or not 0 < length <= len(whole) - start:
        raise TrustError("it is no signature of ssh-keygen")
    return fingerprint(whole[start : start + length])


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _integers(der: bytes) -> tuple[bytes, bytes]:
    """The two numbers of an ECDSA-Sig-Value (RFC 3279), each as SSH has it: big-endian, with a sign."""
    found = list(_elements(der, SEQUENCE))
    numbers = list(_elements(found[0], INTEGER)) if len(found) == 1 else []
    if len(numbers) != 2 or not all(0 < len(number) <= 33 for number in numbers):
        raise TrustError("the signature is none of ECDSA")
    return numbers[0], numbers[1]


def _elements(data: bytes, tag: int) -> Iterator[bytes]:
    """Contents of the elements of a kind that follow one another; none of a longer form than such a signature has."""
    while data:
        if len(data) < 2 or data[0] != tag or data[1] >= 0x80 or len(data) < 2 + data[1]:
            raise TrustError("the signature is none of ECDSA")
        yield data[2 : 2 + data[1]]
        data = data[2 + data[1] :]
