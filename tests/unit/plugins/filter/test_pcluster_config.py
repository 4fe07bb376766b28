# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from pcluster_samples import EVERYTHING_SEED, HOST, SETTINGS, Sample, plain, snapshot

from ansible_collections.petal.hpc.plugins.filter.node_hook_arguments import FilterModule as Arguments
from ansible_collections.petal.hpc.plugins.filter.pcluster_config import FilterModule
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

SEED = Seed.from_mapping(plain("cfd.yaml"), HOST)
make = FilterModule().filters()["pcluster_config"]


def test_door() -> None:
    assert make(SEED.to_dict(), snapshot(SEED), SETTINGS) == Sample("cfd", "cfd.yaml").configure().config


def test_a_broken_rule_is_an_error_of_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match="its state is pending"):
        make(SEED.to_dict(), snapshot(SEED, state="pending"), SETTINGS)


@pytest.mark.parametrize("seed", [None, "x", {"cluster": {}}, {1, 2}])
def test_what_is_no_seed(seed: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"petal\.hpc\.pcluster_config: "):
        make(seed, None, SETTINGS)


def test_arguments_of_the_hook() -> None:
    arguments = Arguments().filters()["node_hook_arguments"]
    seed = {**plain("cfd.yaml"), **EVERYTHING_SEED}
    assert arguments(seed, ["lab-data"])[-3:] == ["lab-data:/data/in:rw", "--s3-mount", "lab-results:/data/out:ro"]
    assert arguments(SEED.to_dict()) == []
    for wrong in (None, {"cluster": {"name": "x; rm -rf /"}}):
        with pytest.raises(AnsibleFilterError, match=r"petal\.hpc\.node_hook_arguments: "):
            arguments(wrong)
