# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that were faults once.

``text`` is one as it is, ``base64`` one that is no UTF-8; ``repeat`` is how often that stands behind ``before``.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Find:
    """One input. why: what is wrong about it."""

    target: str
    why: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.target}: {self.why}"


def _find(entry: dict[str, str]) -> Find:
    data = base64.b64decode(entry["base64"]) if "base64" in entry else entry["text"].encode()
    return Find(entry["target"], entry["why"], entry.get("before", "").encode() + data * int(entry.get("repeat", 1)))


FINDS = [_find(entry) for entry in json.loads(Path(__file__).with_name("finds.json").read_text(encoding="utf-8"))]


def near(target: str) -> list[str]:
    """Texts of earlier finds of a target, to look for others beside them."""
    return [find.data.decode("utf-8", "replace") for find in FINDS if find.target == target and len(find.data) < 5000]
