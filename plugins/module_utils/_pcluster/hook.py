# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node hook of a cluster is told: the seed's users and S3 mounts, as arguments of ``petal-node-setup``."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed


def arguments(seed: Seed, writable_buckets: Sequence[str] = ()) -> list[str]:
    """Arguments of the hook, one list entry each, users first.

    They are no part of the fingerprint, so they are not on the volume: a volume serves clusters with other users.
    A seed's grammar keeps ``:`` out of names, buckets and directories.
    """
    found: list[str] = []
    for user in seed.users:
        found += ["--user", f"{user.name}:{user.uid}:{user.gid}"]
    for mount in seed.data.s3_mounts:
        access = "rw" if mount.bucket in writable_buckets else "ro"
        found += ["--s3-mount", f"{mount.bucket}:{mount.mount_point}:{access}"]
    return found
