# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hybrid seed: some packages live in the nodes' image, and serve as externals of Spack what lives on the volume.

The part in the image is a seed of its own, built, found and fingerprinted as any other. An image that a seed names
(``compute.custom_ami``) is somebody else's: it counts by its id, and is asked what it has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import spack_settings, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed, Storage

#: What stands behind the volume's mount directory, and behind its name, for the part in the image.
IMAGE = "-image"
#: GiB at most for the part in the image: it becomes the root of every node, and bases are small beside volumes.
MOST_GB = 50
#: What the operating system has of it builds the image itself, and stays known.
OF_SYSTEM = "gcc"


def is_one(seed: Seed) -> bool:
    """Whether a seed has packages in an image."""
    return bool(seed.software.in_ami)


def foreign_image(seed: Seed) -> str:
    """The image that a hybrid seed names; empty where build_ami makes it, or the seed is no hybrid."""
    return (seed.compute and seed.compute.custom_ami) or "" if is_one(seed) else ""


def image_dir(seed: Seed) -> str:
    """Where the part in the image stands, on every node: beside the volume, which would hide what is below it."""
    return seed.software_volume.mount_dir + IMAGE


def name_of_image(name: str) -> str:
    """What the part in the image is called, by the name of the whole: two stacks are kept apart, each with its last."""
    return name + IMAGE


def image_part(seed: Seed) -> Seed:
    """The part of a hybrid seed that lives in the image, as a seed: the same system, Spack, compiler and settings."""
    software = replace(
        seed.software,
        spack_packages=seed.software.in_ami,
        in_ami=(),
        stacks=(),
        build_from_source=(),
        use_custom_ami=False,
        containers=(),
        python_environments=(),
        modules=(),
        spack=replace(seed.software.spack, config=_settings(seed)),
    )
    volumes = tuple(_of_image(seed, one) if one == seed.software_volume else one for one in seed.shared_storage)
    compute = seed.compute and replace(seed.compute, custom_ami=None)
    return replace(seed, software=software, shared_storage=volumes, compute=compute, tier="auto")


def _settings(seed: Seed) -> dict[str, Any]:
    """The seed's settings of Spack, by which nothing of the operating system takes the place of what is named."""
    names = {spec.parse(text).name for text in seed.software.in_ami} - {OF_SYSTEM}
    built = {name: {"externals": [], "buildable": True} for name in sorted(names)}
    return spack_settings.merged(seed.software.spack.config, {"packages": built} if built else {})


def _of_image(seed: Seed, volume: Storage) -> Storage:
    size = min(volume.ebs_settings.size, MOST_GB)
    settings = replace(volume.ebs_settings, size=size)
    return replace(volume, mount_dir=image_dir(seed), ebs_settings=settings)


def described(seed: Seed) -> dict[str, Any]:
    """What roles go by: ``specs`` in the image, ``mount_dir`` of what build_ami puts there, ``ami`` that is named."""
    return {"specs": list(seed.software.in_ami), "mount_dir": image_dir(seed), "ami": foreign_image(seed)}
