# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is signed of an EBS snapshot, which has no digest of its own, and how signatures fit into its tags.

AWS says who owns a snapshot, and never lets its blocks change. What only its builder can say is that this id is that
build: its fingerprint, and the digest of what a node finds on the volume, ``.petal/SHA256SUMS``.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import SIGNATURE
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    BEGIN,
    END,
    SIGNATURES_MOST,
    TrustError,
    parse_signatures,
)

NAMESPACE = "ebs-snapshot@petal.hpc"
#: Characters of a tag's value, and tags that signatures may take of the 50 that a snapshot has.
VALUE, TAGS_MOST = 256, 12
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,4096}={0,2}")


def statement(snapshot_id: str, owner: str, fingerprint: str, documents: str) -> bytes:
    """The bytes that are signed: the same for the same snapshot.

    :param owner: the account that AWS names. documents: ``sha256:…`` of ``.petal/SHA256SUMS`` on the
        volume, which has the digests of manifest, provenance, bill of materials and seed.
    """
    facts = {"snapshot_id": snapshot_id, "owner": owner, "fingerprint": fingerprint, "documents": documents}
    return (json.dumps({"schema": 1, **facts}, sort_keys=True, separators=(",", ":")) + "\n").encode()


def to_text(signatures: Sequence[str]) -> str:
    """Signatures in one line, without their armour. Raises TrustError where they are too many for it."""
    if len(signatures) > SIGNATURES_MOST:
        raise TrustError(f"there are more than {SIGNATURES_MOST} signatures")
    return ".".join("".join(one.splitlines()[1:-1]) for one in signatures)


def from_text(text: str) -> list[str]:
    """Signatures in their armour. Raises TrustError for anything else."""
    parts = text.split(".") if text else []
    if len(parts) > SIGNATURES_MOST or not all(_BASE64.fullmatch(part) for part in parts):
        raise TrustError("there is something else than signatures of ssh-keygen in it")
    lines = [[BEGIN, *textwrap.wrap(part, 70), END, ""] for part in parts]
    return parse_signatures("".join("\n".join(one) for one in lines).encode())


def to_tags(signatures: Sequence[str]) -> dict[str, str]:
    """Signatures as tags. Raises TrustError where they do not fit."""
    text = to_text(signatures)
    values = [text[start : start + VALUE] for start in range(0, len(text), VALUE)]
    if len(values) > TAGS_MOST:
        raise TrustError(f"{len(signatures)} signatures take more than {TAGS_MOST} tags")
    return {_name(number): value for number, value in enumerate(values, 1)}


def from_tags(tags: Mapping[str, str]) -> list[str]:
    """Signatures in their armour; none where there are no such tags. Raises TrustError for what is none."""
    values = []
    for number in range(1, TAGS_MOST + 1):
        if _name(number) not in tags:
            break
        values.append(tags[_name(number)])
    return from_text("".join(values))


def _name(number: int) -> str:
    return SIGNATURE if number == 1 else f"{SIGNATURE}-{number}"
