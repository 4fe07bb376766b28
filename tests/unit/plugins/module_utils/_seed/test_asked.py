# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a seed asks of Spack."""

from __future__ import annotations

from seed_samples import LOCAL, changed, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed.asked import specs


def test_everything_once_and_in_its_order() -> None:
    data = changed(LOCAL, "software", "build_from_source", ["bzip2", "zlib"])
    stacks = [
        {"name": "a", "packages": ["hdf5", "zlib"], "mpi": "mpich"},
        {"name": "b", "packages": ["hdf5", "openmpi@5 +x"], "mpi": "openmpi@5"},
        {"name": "c", "packages": ["xz"]},
    ]
    software = seed(changed(data, "software", "stacks", stacks)).to_dict()["software"]
    assert specs(software) == ["zlib", "bzip2", "mpich", "hdf5", "openmpi@5+x", "xz"]


def test_without_stacks() -> None:
    software = seed(LOCAL).to_dict()["software"]
    assert specs(software) == ["zlib"]
    # As an earlier release has noted it.
    del software["stacks"]
    assert specs(software) == ["zlib"]
