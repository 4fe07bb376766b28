"""How queues become compute resources, and what is said of nodes."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed import instances, nodes


@pytest.mark.parametrize(
    ("types", "groups"),
    [
        (["c5.4xlarge", "c5.9xlarge"], [("c5.4xlarge",), ("c5.9xlarge",)]),
        (["c5.4xlarge", "c5.9xlarge", "c6i.4xlarge"], [("c5.4xlarge", "c6i.4xlarge"), ("c5.9xlarge",)]),
        (["c6i.4xlarge", "c6a.4xlarge", "c6i.4xlarge"], [("c6i.4xlarge", "c6a.4xlarge")]),
        # GPUs, and other accelerators
        (["g5.4xlarge", "c6i.4xlarge", "g6.4xlarge"], [("g5.4xlarge", "g6.4xlarge"), ("c6i.4xlarge",)]),
        (["inf2.xlarge", "c6i.xlarge"], [("inf2.xlarge",), ("c6i.xlarge",)]),
        # 96 vCPUs each: but one has EFA for its sake
        (["hpc6a.48xlarge", "c6a.24xlarge"], [("hpc6a.48xlarge",), ("c6a.24xlarge",)]),
        # 192 vCPUs and 8 GPUs of one maker: 32 cards and 16
        (["p5.48xlarge", "p5en.48xlarge"], [("p5.48xlarge",), ("p5en.48xlarge",)]),
        # nobody knows how many vCPUs they have
        (["c99.large", "c99.xlarge", "c5.large"], [("c99.large",), ("c99.xlarge",), ("c5.large",)]),
    ],
)
def test_alike(types: list[str], groups: list[tuple[str, ...]]) -> None:
    assert nodes.alike(types) == groups


def test_what_is_alike_never_disagrees() -> None:
    for group in nodes.alike(instances.table()):
        assert nodes.disagreement(group) == ""


@pytest.mark.parametrize(
    ("least", "most", "counts"),
    [
        (0, 10, [(0, 4), (0, 3), (0, 3)]),
        (0, 3, [(0, 1), (0, 1), (0, 1)]),
        (5, 10, [(4, 4), (1, 3), (0, 3)]),
        (10, 10, [(4, 4), (3, 3), (3, 3)]),
    ],
)
def test_the_counts_are_the_queues(least: int, most: int, counts: list[tuple[int, int]]) -> None:
    made = nodes.resources("q", ["c5.4xlarge", "c5.9xlarge", "c5.18xlarge"], least, most)
    assert [(one.min_count, one.max_count) for one in made] == counts
    assert sum(one.min_count for one in made) == least
    assert sum(one.max_count for one in made) == most


def test_one_kind_keeps_name_and_counts() -> None:
    (one,) = nodes.resources("short", ["c6i.4xlarge", "c6a.4xlarge"], 1, 20)
    assert one == nodes.Resource("short", ("c6i.4xlarge", "c6a.4xlarge"), 1, 20)


def test_names_are_unique_and_parallelclusters() -> None:
    types = [
        "c5.4xlarge",
        "c5.9xlarge",
        "c5-9xlarge.metal",
        "u-123456789012tb1.112xlarge",
        "u-123456789012tb1.112xlargest",
    ]
    names = [one.name for one in nodes.resources("c5-9xlarge", types, 0, 10)]
    assert names == [
        "c5-9xlarge",
        "c5-9xlarge-2",
        "c5-9xlarge-metal",
        "u-123456789012tb1-112xlar",
        "u-123456789012tb1-112xl-2",
    ]
    assert max(map(len, names)) <= nodes.LONGEST_NAME


def test_the_first_keeps_its_name_whatever_comes_behind() -> None:
    """A cluster that runs keeps its nodes when its queue gets another kind."""
    types = ["c5.9xlarge", "c5.4xlarge", "g5.4xlarge"]
    for number in range(1, len(types) + 1):
        assert nodes.resources("q", types[:number], 0, 10)[0].name == "q"


@pytest.mark.parametrize(
    ("types", "by_cores", "said"),
    [
        (["c5.4xlarge", "c6i.4xlarge"], False, ""),
        (["c5.4xlarge", "c5.9xlarge"], False, "vCPUs: c5.4xlarge 16, c5.9xlarge 36"),
        (["c7a.4xlarge", "c6a.4xlarge"], False, ""),
        (["c7a.4xlarge", "c6a.4xlarge"], True, "cores: c7a.4xlarge 16, c6a.4xlarge 8"),
        (["c7a.4xlarge", "c6a.8xlarge"], True, ""),
        (["g5.4xlarge", "c6i.4xlarge"], False, "GPUs: g5.4xlarge 1, c6i.4xlarge none"),
        (["c99.4xlarge", "c6i.4xlarge"], False, ""),
    ],
)
def test_disagreement(types: list[str], by_cores: bool, said: str) -> None:
    assert nodes.disagreement(types, by_cores) == said


def test_head_nodes() -> None:
    assert nodes.memory_for(0) == 0.6
    assert nodes.memory_for(10000) == 16
    assert nodes.short_head("t3.small", 35) == ""
    assert nodes.short_head("t3.small", 36) == (
        "2 GiB of memory do not manage 36 nodes: ParallelCluster asks for 2.04 GiB"
    )
    assert nodes.larger_head("t3.small", 36) == "t3.medium"
    assert nodes.larger_head("t3.small", 10000) == "t3.xlarge"
    assert nodes.larger_head("c1.medium", 10000) == ""
    assert nodes.short_head("c99.large", 10000) == ""


@pytest.mark.parametrize(
    ("name", "efa", "said"),
    [
        ("p5.48xlarge", False, "p5.48xlarge has 32 network cards"),
        ("hpc6a.48xlarge", True, "hpc6a.48xlarge has a second interface for EFA"),
        ("hpc6a.48xlarge", False, ""),
        ("c6i.4xlarge", False, ""),
    ],
)
def test_several_interfaces(name: str, efa: bool, said: str) -> None:
    kind = instances.find(name)
    assert kind and nodes.several_interfaces(kind, efa) == said


@pytest.mark.parametrize(
    ("name", "sure", "said"),
    [
        ("c5.4xlarge", False, ""),
        ("c5.8xlarge", True, "c5 has no such size"),
        ("c99.4xlarge", False, f"c99 is no family in the table of {instances.DATE}"),
    ],
)
def test_unknown_types(name: str, sure: bool, said: str) -> None:
    assert nodes.unknown(name)[:2] == (sure, said)


def test_where_families_are_sold() -> None:
    assert "us-east-2" in nodes.not_sold_in("hpc6a.48xlarge", "us-east-1")
    assert nodes.not_sold_in("hpc6a.48xlarge", "us-east-2") == ()
    # a Region that the table does not know, and a family
    assert nodes.not_sold_in("hpc6a.48xlarge", "us-gov-west-1") == ()
    assert nodes.not_sold_in("c99.large", "us-east-1") == ()


def test_old_gpus() -> None:
    assert [
        name for name in ("p3.2xlarge", "p3dn.24xlarge", "g4dn.xlarge", "p4d.24xlarge") if nodes.old_gpus(name)
    ] == [
        "p3.2xlarge",
        "p3dn.24xlarge",
    ]


def test_names_of_types_always_make_names() -> None:
    for first, second in itertools.pairwise(instances.table()):
        for one in nodes.resources("q", [first, second], 0, 10):
            assert len(one.name) <= nodes.LONGEST_NAME and one.name.replace("-", "").isalnum() and "." not in one.name
