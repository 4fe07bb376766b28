# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that says what a seed asks of Spack."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from seed_samples import LOCAL, changed, seed

from ansible_collections.petal.hpc.plugins.filter.seed_specs import FilterModule, seed_specs


def test_all_of_them() -> None:
    stacks = [{"name": "a", "packages": ["hdf5"], "mpi": "mpich"}]
    software = seed(changed(LOCAL, "software", "stacks", stacks)).to_dict()["software"]
    assert FilterModule().filters()["seed_specs"](software) == ["zlib", "mpich", "hdf5"]
    assert (seed_specs(software, ""), seed_specs(software, "a")) == (["zlib"], ["mpich", "hdf5"])
    with pytest.raises(AnsibleFilterError, match="takes the software of a seed"):
        seed_specs(software, "b")


def test_anything_else_is_an_error() -> None:
    bad: dict[str, Any] = {"spack_packages": [], "build_from_source": [], "stacks": [{}]}
    wrong: list[Any] = [{"spack_packages": []}, None, ["zlib"], bad]
    for one in wrong:
        with pytest.raises(AnsibleFilterError, match="takes the software of a seed"):
            seed_specs(one)
