# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a secret is kept, as a site names it: never the secret itself. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

FILE, ENVIRONMENT, PARAMETER, SECRET = KINDS = ("file", "env", "ssm", "secretsmanager")
_WANTED = "file:/PATH, env:NAME, ssm:NAME or secretsmanager:NAME"
_NAMES = {
    FILE: re.compile(r"[/~][^\n\0]*"),
    ENVIRONMENT: re.compile(r"[A-Za-z_][A-Za-z0-9_]*"),
    PARAMETER: re.compile(r"[A-Za-z0-9_./:-]+"),
    SECRET: re.compile(r"[A-Za-z0-9_./:+=@!-]+"),
}
LONGEST = 2048


@dataclass(frozen=True)
class Reference:
    """kind: one of KINDS; name: what is looked up there; region: of AWS, as an ARN names it, empty where none does."""

    kind: str
    name: str
    region: str = ""


def parse_reference(text: str, what: str) -> Reference:
    """A reference. what: what it is to be called in messages. Raises PetalError.

    >>> parse_reference("ssm:/petal/key", "x")
    Reference(kind='ssm', name='/petal/key', region='')
    """
    kind, _colon, name = text.partition(":")
    pattern = _NAMES.get(kind)
    if pattern is None or len(name) > LONGEST or not pattern.fullmatch(name):
        # What it is instead may be the secret.
        raise PetalError(
            f"{what} names no place of a secret; expected {_WANTED}. The secret itself does not belong there"
        )
    parts = name.split(":")
    return Reference(kind, name, parts[3] if parts[0] == "arn" and len(parts) > 5 else "")
