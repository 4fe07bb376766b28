# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys of a seed about volumes and mounts must mean together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import (
    DEFAULT_IOPS,
    DEFAULT_SIZE,
    SOFTWARE_VOLUME,
    Draft,
    Finding,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path


def at_most_five_volumes(seed: Draft) -> Iterator[Finding]:
    volumes = seed.get("shared_storage") or ()
    if len(volumes) > 5:
        yield Finding(("shared_storage",), f"{len(volumes)} volumes, ParallelCluster attaches at most five")


def software_volume_is_clear(seed: Draft) -> Iterator[Finding]:
    volumes = seed.get("shared_storage") or ()
    names = [volume.get("name") if volume else None for volume in volumes]
    if len(names) > 1 and None not in names and SOFTWARE_VOLUME not in names:
        message = f"of several volumes, one must be named {SOFTWARE_VOLUME}: the one built here"
        yield Finding(("shared_storage",), message)


def mount_dirs_apart(seed: Draft) -> Iterator[Finding]:
    """No volume inside another. Source: ParallelCluster refuses nested mount directories."""
    seen: list[str] = []
    for path, volume in seed.entries("shared_storage"):
        directory = volume.get("mount_dir")
        if not directory:
            continue
        for other in seen:
            if directory == other:
                yield Finding((*path, "mount_dir"), "another volume is mounted there already", directory)
            elif _inside(directory, other) or _inside(other, directory):
                yield Finding((*path, "mount_dir"), f"it nests with another volume's ({other})", directory)
        seen.append(directory)


def ebs_performance(seed: Draft) -> Iterator[Finding]:
    """Limits of EBS volume types. Source: Amazon EBS volume types; ParallelCluster checks the same."""
    for path, volume in seed.entries("shared_storage"):
        settings = volume.get("ebs_settings") or {}
        kind = settings.get("volume_type", "gp3")
        size = settings.get("size", DEFAULT_SIZE[seed.provider])
        yield from _performance((*path, "ebs_settings"), kind, size, settings)


_IOPS_LIMITS = {"gp3": (3000, 16000, 500), "io1": (100, 64000, 50), "io2": (100, 256000, 1000)}


def _performance(path: Path, kind: str, size: int, settings: Mapping[str, Any]) -> Iterator[Finding]:
    iops, throughput = settings.get("iops"), settings.get("throughput")
    if kind not in _IOPS_LIMITS:
        for key in ("iops", "throughput"):
            if settings.get(key) is not None:
                yield Finding((*path, key), f"a volume of type {kind} has no such setting", settings[key])
        return
    low, high, ratio = _IOPS_LIMITS[kind]
    if iops is None and kind != "gp3":
        yield Finding((*path, "iops"), f"a volume of type {kind} needs it", expected=f"{low} to {high}")
    if iops is not None and not low <= iops <= high:
        yield Finding((*path, "iops"), f"it is out of bounds for {kind}", iops, f"{low} to {high}")
    elif iops is not None and iops > max(low, ratio * size):
        expected = f"at most {max(low, ratio * size)}: {ratio} for each of the {size} GiB"
        yield Finding((*path, "iops"), "too much for the size of the volume", iops, expected)
    if throughput is None:
        return
    if kind != "gp3":
        yield Finding((*path, "throughput"), f"a volume of type {kind} has no such setting", throughput)
    elif 4 * throughput > (iops or DEFAULT_IOPS):
        expected = f"at most {(iops or DEFAULT_IOPS) // 4} MiB/s: a quarter of its {iops or DEFAULT_IOPS} IOPS"
        yield Finding((*path, "throughput"), "too much for the volume's iops", throughput, expected)


def key_wants_encryption(seed: Draft) -> Iterator[Finding]:
    for path, volume in seed.entries("shared_storage"):
        settings = volume.get("ebs_settings") or {}
        if settings.get("kms_key_id") and settings.get("encrypted") is False:
            yield Finding((*path, "ebs_settings", "kms_key_id"), "a key without encryption", hint="set encrypted: true")


def local_has_no_use_for(seed: Draft) -> Iterator[Finding]:
    """Keys that say something about AWS alone, in a seed of provider local."""
    if seed.provider != "local":
        return
    useless: list[tuple[Path, Any]] = [(path, seed.get(*path)) for path in _AWS_ALONE]
    for path, volume in seed.entries("shared_storage"):
        settings = volume.get("ebs_settings") or {}
        if settings.get("encrypted") or settings.get("kms_key_id"):
            yield Finding((*path, "ebs_settings"), "provider local does not encrypt volumes")
        useless += [((*path, "ebs_settings", key), settings.get(key)) for key in ("volume_type", "iops", "throughput")]
        named = volume.get("name", SOFTWARE_VOLUME)
        if len(seed.get("shared_storage")) > 1 and named != SOFTWARE_VOLUME:
            yield Finding(path, "provider local makes no other volumes than the one for the software", named)
    for path, value in useless:
        if value:
            yield Finding(path, "it says something about AWS, and the provider is local: nothing reads it")


_AWS_ALONE: tuple[tuple[str, ...], ...] = (
    ("cluster", "region"),
    ("compute",),
    ("software", "build", "instance_type"),
    ("software", "build", "spot"),
    ("registry", "use_public_snapshots"),
    ("registry", "trusted_accounts"),
)


def s3_mounts_apart(seed: Draft) -> Iterator[Finding]:
    seen: list[str] = []
    for path, mount in seed.entries("data", "s3_mounts"):
        point = mount.get("mount_point")
        if point in seen:
            yield Finding((*path, "mount_point"), "another bucket is mounted there already", point)
        seen += [point] if point else []


#: Directories at the top of every software volume. Others below its mount directory are free for mounts.
VOLUMES_OWN = (".petal", "bin", "containers", "envs", "etc", "lmod", "lost+found", "modules", "spack")


def s3_hides_software(seed: Draft) -> Iterator[Finding]:
    software = seed.software_mount_dir
    for path, mount in seed.entries("data", "s3_mounts"):
        point = mount.get("mount_point")
        hidden = what_is_hidden(point, software) if point else ""
        if hidden:
            outside = f"/data/{point.rsplit('/', 1)[-1]}"
            message = f"it would hide the software volume ({software}), or a part of it: {hidden}"
            yield Finding((*path, "mount_point"), message, point, hint=f"mount it outside, as at {outside}")


def what_is_hidden(point: str, software: str) -> str:
    """What of the software volume lies below a mount point; empty where nothing does.

    A directory of its own below the volume hides nothing: the node hook makes it (petal-node-setup.j2).
    """
    if point == software or _inside(software, point):
        return software
    own = point[len(software) + 1 :].split("/", 1)[0] if _inside(point, software) else ""
    return f"{software}/{own}" if own in VOLUMES_OWN else ""


def _inside(inner: str, outer: str) -> bool:
    return inner.startswith(outer + "/")
