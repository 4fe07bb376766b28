# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's SSH keys as its console shows them, and the lines of known_hosts that they become.

cloud-init prints them once a host has made them. AWS hands the console over to whoever may ask for it, by its own
authenticated API, so nobody on the way to the host can put a key of his own in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

#: Of all kinds, the newest first: the order in which OpenSSH prefers them.
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_BEGIN, _END = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"
# In front of a key there may be what a logger puts before lines, behind it a comment.
_KEY = re.compile(rf"(?:^|\s)({'|'.join(map(re.escape, KINDS))}) ([A-Za-z0-9+/]{{60,}}={{0,2}})(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class HostKey:
    """A public key. kind: as SSH calls it; data: in base64."""

    kind: str
    data: str

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it."""
        digest = hashlib.sha256(base64.b64decode(self.data)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def keys_on(console: str) -> list[HostKey]:
    """The keys of the last whole block on a console; none where there is no block with a sound key."""
    for part in reversed(console.replace("\r", "").split(_BEGIN)[1:]):
        block, end, _rest = part.partition(_END)
        # Only whole blocks count: a console that is cut off in the middle of a key is looked at again.
        keys = [HostKey(kind, data) for kind, data in _KEY.findall(block) if end and _sound(kind, data)]
        if keys:
            return sorted(dict.fromkeys(keys), key=lambda key: KINDS.index(key.kind))
    return []


def keys_known(known_hosts: str, host: str) -> list[HostKey]:
    """The keys that a known_hosts file has for a host by exactly this name."""
    lines = (line.split() for line in known_hosts.splitlines())
    return [
        HostKey(words[1], words[2])
        for words in lines
        if len(words) >= 3 and host in words[0].split(",") and _sound(words[1], words[2])
    ]


def with_host(known_hosts: str, host: str, keys: Iterable[HostKey]) -> str:
    """The text of a known_hosts file with these keys for a host, and no others for it."""
    others = [line for line in known_hosts.splitlines() if line.split()[:1] != [host]]
    return "".join(f"{line}\n" for line in [*others, *(f"{host} {key.kind} {key.data}" for key in keys)])


def _sound(kind: str, data: str) -> bool:
    """Whether the data is that of a whole key of its kind: fields with their lengths before them, the kind first."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields = []
    while raw:
        length = int.from_bytes(raw[:4], "big")
        if len(raw) < 4 + length:
            return False
        fields.append(raw[4 : 4 + length])
        raw = raw[4 + length :]
    return len(fields) >= 2 and fields[0] == kind.encode()
