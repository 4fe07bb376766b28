# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fingerprint looks like, and how one is made of plain data; what goes into a seed's is in ``_seed``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError

FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


def digest(value: Mapping[str, Any]) -> str:
    """The digest of plain data by its canonical JSON: keys sorted, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def check_fingerprint(fingerprint: str) -> str:
    """Give the fingerprint back; IdentityError when it is none."""
    if not FINGERPRINT.fullmatch(fingerprint):
        raise IdentityError(
            f"fingerprint {fingerprint!r} is none: expected sha256: and 64 hex digits, as petal.hpc.seed_info gives it"
        )
    return fingerprint


def hex_digits(fingerprint: str) -> str:
    """What tells a fingerprint from all others, for names of files and resources. Raises IdentityError."""
    return check_fingerprint(fingerprint).partition(":")[2]
