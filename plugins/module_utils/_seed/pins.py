# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tags of images and branches stood for when a volume was built, as tags of its snapshot.

They are hints: whoever reads them makes the fingerprint of a seed with them, and compares that with the snapshot's. A
name is in them by its digest alone, so that no address of a site's becomes a tag, and AWS takes every character.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import PINS, VALUE_LIMIT
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import without_credentials

#: Of the 50 that AWS allows a snapshot, which has about a dozen others, and its signatures.
TAGS_MOST = 16
#: A name, and a commit or the digest of an image.
_PIN = re.compile(r"([0-9a-f]{12})=([0-9a-f]{40}|[0-9a-f]{64})")
_SHA256 = "sha256:"
#: A commit, and the digest of an image.
_STANDS_FOR = re.compile(r"[0-9a-f]{40}|sha256:[0-9a-f]{64}")


def to_tags(refs: Mapping[str, str]) -> dict[str, str]:
    """Tags that tell what each stands for; none where they do not fit, as a part of them is of no use.

    refs: commits and digests of images, by what they are known as.
    """
    if not all(_STANDS_FOR.fullmatch(value) for value in refs.values()):
        return {}
    values: list[str] = []
    for word in sorted(f"{_short(name)}={value.removeprefix(_SHA256)}" for name, value in refs.items()):
        if values and len(values[-1]) + 1 + len(word) <= VALUE_LIMIT:
            values[-1] += f" {word}"
        else:
            values.append(word)
    return {_tag(number): value for number, value in enumerate(values, 1)} if len(values) <= TAGS_MOST else {}


def from_tags(tags: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """What these names stood for, as far as the tags tell it. Whoever may tag may have written them."""
    known: dict[str, str] = {}
    for number in range(1, TAGS_MOST + 1):
        for word in str(tags.get(_tag(number), "")).split(" "):
            found = _PIN.fullmatch(word)
            if found:
                known[found[1]] = found[2] if len(found[2]) == 40 else f"{_SHA256}{found[2]}"
    return {name: known[_short(name)] for name in names if _short(name) in known}


def _short(name: str) -> str:
    return hashlib.sha256(without_credentials(name).encode()).hexdigest()[:12]


def _tag(number: int) -> str:
    return PINS if number == 1 else f"{PINS}-{number}"
