# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ids look like: of snapshots, volumes, builds and accounts."""

from __future__ import annotations

import re

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError

SNAPSHOT_ID = re.compile(r"snap-[0-9a-f]{17}")
VOLUME_ID = re.compile(r"vol-[0-9a-f]{17}")
BUILD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
#: Of AWS.
ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
#: The digest of a file, in hex.
SHA256 = re.compile(r"[0-9a-f]{64}")


def check_snapshot_id(snapshot_id: str) -> str:
    """Give the id back; IdentityError when it is none of the local store."""
    if not SNAPSHOT_ID.fullmatch(snapshot_id):
        raise IdentityError(f"snapshot_id {snapshot_id!r} is none: expected snap- and 17 hex digits")
    return snapshot_id


def check_build_id(build_id: str) -> str:
    """Give a build id back; IdentityError when it is not allowed."""
    if not BUILD_ID.fullmatch(build_id):
        raise IdentityError(
            f"build_id {build_id!r} is not allowed: expected letters, digits, '.', '_', ':' and '-', at most 128"
        )
    return build_id
