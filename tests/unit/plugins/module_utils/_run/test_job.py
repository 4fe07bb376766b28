"""What is different where a run is a job of AWX."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._run.job import Store, is_job, no_head, no_store, provider_of

STORE = Store("own", "/var/lib/petal", there=False, named=False)


@pytest.mark.parametrize(
    ("extra", "job"), [(["awx_job_id"], True), (["seed", "tower_job_id"], True), (["seed"], False)]
)
def test_a_job_is_known_by_its_variables(extra: list[str], job: bool) -> None:
    assert is_job(extra) is job


def test_the_sentence_says_what_to_name() -> None:
    said = no_store(STORE)
    assert said.startswith("There is no store at /var/lib/petal on localhost")
    assert "build_host in the inventory's variables for all or with -e build_host=HOST" in said


@pytest.mark.parametrize(
    "store",
    [
        replace(STORE, need=""),
        replace(STORE, there=True),
        replace(STORE, named=True),
        replace(STORE, need="any", others=True),
    ],
)
def test_nothing_is_refused_where_nothing_would_be_lost(store: Store) -> None:
    assert no_store(store) == ""
    assert no_store(replace(STORE, others=True)) != ""


@pytest.mark.parametrize(
    ("seed", "region", "provider"),
    [
        ({"cluster": {"provider": "aws"}}, "", "aws"),
        ({"cluster": {"region": "us-east-1"}}, "", "aws"),
        ({"cluster": {"region": "us-east-1", "provider": "local"}}, "", "local"),
        ({"cluster": {}}, "us-east-1", "aws"),
        ({"cluster": []}, "", "local"),
        (None, "", "local"),
    ],
)
def test_a_seed_is_for_a_provider(seed: Any, region: str, provider: str) -> None:
    assert provider_of(seed, region) == provider


ALL = ["head", "compute", "login"]


@pytest.mark.parametrize(
    ("groups", "job", "said"),
    [
        ({"head": [], "compute": ["c1"]}, False, "group head has 0 hosts"),
        ({"login": ["l1"]}, True, "group head has 0 hosts"),
        ({"head": [], "compute": []}, False, "no host in its groups head, compute: put"),
        ({"head": []}, True, "localhost is the container of this AWX job"),
        ({}, True, "localhost is the container of this AWX job"),
        ({}, False, ""),
        ({"head": ["h"], "compute": []}, True, ""),
        ({"others": ["o"]}, False, ""),
    ],
)
def test_a_cluster_has_a_head(groups: dict[str, list[str]], job: bool, said: str) -> None:
    found = no_head(groups, ALL, job)
    assert said in found and bool(said) == bool(found)
    assert no_head(groups, [], job) == ""
