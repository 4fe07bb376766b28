# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ext4 in an image or on a device that nobody has mounted."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import (
    SUPERBLOCK_OFFSET,
    SUPERBLOCK_SIZE,
    Ext4,
    parse_superblock,
)


def superblock(path: Path) -> Ext4 | None:
    """What it is; None where there is none."""
    with path.open("rb") as stream:
        stream.seek(SUPERBLOCK_OFFSET)
        return parse_superblock(stream.read(SUPERBLOCK_SIZE))


def renew(host: Host, path: Path, identity: str, doing: str, check: bool = False) -> bool:
    """Give it another UUID, so that it can be told from the one that it is a copy of; whether that changes it.

    Only superblocks are written: the sums of all else, which begin with the UUID, go on to begin with the old one.
    Raises PetalError where there is no ext4, or it cannot be done.

    :param identity: the UUID.
    """
    found = superblock(path)
    if found is None:
        raise PetalError(f"{doing}: there is no ext4 on {path}")
    if found.uuid == identity:
        return False
    if not check:
        if found.sums_by_uuid:
            host.run(["tune2fs", "-O", "metadata_csum_seed", str(path)], doing)
        host.run(["tune2fs", "-U", identity, str(path)], doing)
    return True
