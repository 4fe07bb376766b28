"""What ParallelCluster asks of a seed; tests/lab/pcluster_samples.py has cases that are held against the real one."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import LOCAL, changed, faults, problems, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import cluster_rules, drafts, instances, nodes, schema
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import UNKNOWN_HOST
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Report

PLAIN: dict[str, Any] = {
    "cluster": {"name": "x", "region": "us-east-1"},
    "compute": {"head_node": "m6i.large", "queues": [{"name": "q", "instance_types": ["c5.4xlarge"]}]},
    "software": {"spack_packages": ["zlib"]},
}


def types(*names: str, **more: Any) -> dict[str, Any]:
    return changed(PLAIN, "compute", "queues", [{"name": "q", "instance_types": list(names), **more}])


def users(*names: str, os: str = "alinux2023") -> dict[str, Any]:
    entries = [{"name": name, "uid": 5001 + number} for number, name in enumerate(names)]
    return changed(changed(PLAIN, "users", entries), "cluster", "os", os)


def scratch(mount_dir: str, *names: str) -> dict[str, Any]:
    return changed(types(*names), "shared_storage", [{"name": "software", "mount_dir": mount_dir}])


TYPES = "compute.queues[0].instance_types"
BROKEN: list[tuple[dict[str, Any], str, str]] = [
    (types("c5.8xlarge"), TYPES + "[0]", "c5 has no such size"),
    (changed(PLAIN, "compute", "head_node", "t3.huge"), "compute.head_node", "t3 has no such size"),
    (
        changed(PLAIN, "software", "build", "instance_type", "c6a.9xlarge"),
        "software.build.instance_type",
        "no such size",
    ),
    (types("p3.2xlarge"), TYPES + "[0]", "drivers of ParallelCluster's images"),
    (types("hpc6a.48xlarge", spot=True), TYPES + "[0]", "not sold as spot"),
    (types("c5.4xlarge", "c5.9xlarge", max_count=1), "compute.queues[0].max_count", "as 2 kinds of nodes"),
    (
        changed(
            PLAIN,
            "compute",
            "queues",
            [{"name": f"q{n}", "instance_types": ["c5.large", "c5.xlarge"]} for n in range(26)],
        ),
        "compute.queues",
        "52 kinds of nodes",
    ),
    (
        changed(types("c5.4xlarge", max_count=200), "compute", "head_node", "t3.micro"),
        "compute.head_node",
        "1 GiB of memory",
    ),
    (changed(PLAIN, "cluster", "os", "rocky8"), "cluster.os", "no image of Rocky"),
    (changed(types("p6e-gb200.36xlarge"), "cluster", "os", "rhel9"), TYPES + "[0]", "does not run it with rhel9"),
    (users("slurm"), "users[0].name", "ParallelCluster's own"),
    (users("a", "munge"), "users[1].name", "ParallelCluster's own"),
    (users("pcluster-admin"), "users[0].name", "ParallelCluster's own"),
    (users("ec2-user"), "users[0].name", "the image's first user"),
    (users("ubuntu", os="ubuntu2404"), "users[0].name", "the image's first user"),
    (changed(PLAIN, "users", [{"name": "x", "uid": 1000}]), "users[0].uid", "has this id"),
    (changed(PLAIN, "users", [{"name": "x", "uid": 5001, "gid": 1000}]), "users[0].gid", "has this id"),
    (scratch("/scratch/software", "c5d.4xlarge"), "shared_storage[0].mount_dir", "the local disks of c5d.4xlarge"),
]
WARNED: list[tuple[dict[str, Any], str, str]] = [
    (types("c99.4xlarge"), TYPES + "[0]", "c99 is no family in the table of"),
    (types("hpc6a.48xlarge"), TYPES + "[0]", f"hpc6a was not sold in us-east-1 on {instances.DATE}"),
    (types("dl2q.24xlarge"), TYPES + "[0]", "accelerators of Qualcomm"),
    (
        types("c5.4xlarge", "c5.9xlarge"),
        TYPES,
        "2 kinds of nodes, which share the queue's max_count: at most 5 of c5.4xlarge, 5 of c5.9xlarge",
    ),
    (scratch("/scratch", "c5d.4xlarge"), "shared_storage[0].mount_dir", "the local disks of c5d.4xlarge"),
]


@pytest.mark.parametrize(("data", "path", "message"), BROKEN, ids=[f"{path}: {text}" for _d, path, text in BROKEN])
def test_errors(data: dict[str, Any], path: str, message: str) -> None:
    assert message in faults(data).get(path, ""), faults(data)


@pytest.mark.parametrize(("data", "path", "message"), WARNED, ids=[f"{path}: {text}" for _d, path, text in WARNED])
def test_warnings(data: dict[str, Any], path: str, message: str) -> None:
    found = {warning.path: warning.message for warning in seed(data).warnings}
    assert message in found.get(path, ""), found


def sold(*there: str) -> drafts.Sold:
    """EC2, which has these types, and is only asked for what the table doubts."""

    def answer(region: str, names: frozenset[str]) -> frozenset[str]:
        assert region == "us-east-1" and names == {"c5.8xlarge", "c99.large", "hpc6a.48xlarge"}
        return names & set(there)

    return answer


def test_ec2_knows_better_than_the_table() -> None:
    data = types("c5.4xlarge", "c5.8xlarge", "c99.large", "hpc6a.48xlarge")
    made = Seed.from_mapping(data, sold=sold("c5.8xlarge", "c99.large", "hpc6a.48xlarge"))
    assert [warning.path for warning in made.warnings] == [TYPES]
    with pytest.raises(SeedError) as error:
        Seed.from_mapping(data, sold=sold("c5.8xlarge"))
    assert {problem.path: problem.message for problem in error.value.problems} == {
        TYPES + "[2]": "EC2 has no such instance type in us-east-1",
        TYPES + "[3]": "EC2 has no such instance type in us-east-1",
    }


def test_ec2_is_not_asked_for_what_the_table_knows() -> None:
    def nobody(_region: str, names: frozenset[str]) -> frozenset[str] | None:
        raise AssertionError(f"asked for {names}")

    assert Seed.from_mapping(PLAIN, sold=nobody).warnings == ()


def test_a_seed_that_was_judged_is_not_judged_again() -> None:
    data = Seed.from_mapping(types("c5.8xlarge"), sold=drafts.judged_before).to_dict()
    assert Seed.from_mapping(data, sold=drafts.judged_before).to_dict() == data


@pytest.mark.parametrize(
    "data",
    [
        types("c6i.4xlarge", "c6a.4xlarge", spot=True),
        types("c5.4xlarge", max_count=185),
        # an image of one's own has its own drivers
        changed(types("p3dn.24xlarge"), "compute", "custom_ami", "ami-0123456789abcdef0"),
        users("ubuntu", "rocky", "researcher", "backup"),
        users("ec2-user", os="ubuntu2204"),
        scratch("/scratch/software", "c5.4xlarge"),
        scratch("/scratchy", "c5d.4xlarge"),
    ],
)
def test_what_is_right(data: dict[str, Any]) -> None:
    assert faults(data) == {}


def test_an_image_of_rocky_is_enough_and_no_legacy() -> None:
    rocky = changed(changed(PLAIN, "cluster", "os", "rocky9"), "compute", "custom_ami", "ami-0123456789abcdef0")
    assert seed(rocky).warnings == ()


def test_a_larger_head_node_is_named() -> None:
    (problem,) = problems(changed(types("c5.4xlarge", max_count=200), "compute", "head_node", "t3.small"))
    assert problem.hint == "take t3.xlarge, or lower the queues' max_count"


def test_a_local_seed_has_no_parallelcluster() -> None:
    local = changed(LOCAL, "users", [{"name": "slurm", "uid": 1000}])
    local["compute"] = {
        "head_node": "t3.micro",
        "queues": [{"name": "q", "instance_types": ["c5.8xlarge", "c5.large"]}],
    }
    assert faults(local) == {}
    assert rules_that_fire(local, ERROR) + rules_that_fire(local, WARNING) == []


def test_every_rule_has_a_case() -> None:
    """By name: what the cases above and the samples break."""
    broken = {
        rule.__name__
        for level, cases in ((ERROR, BROKEN), (WARNING, WARNED))
        for data, _path, _text in cases
        for rule in rules_that_fire(data, level)
    }
    assert broken == {rule.__name__ for _level, rule in cluster_rules.RULES}


def rules_that_fire(data: dict[str, Any], level: str) -> list[Any]:
    report = Report()
    draft = drafts.Draft(schema.SEED.check(data, (), report) or {}, report, UNKNOWN_HOST)
    return [rule for its, rule in cluster_rules.RULES if its == level and list(rule(draft))]


def test_half_a_seed_is_no_crash() -> None:
    for data in (
        changed(PLAIN, "compute", {}),
        changed(PLAIN, "compute", {"head_node": 1, "queues": "x"}),
        changed(PLAIN, "compute", {"head_node": "t3.large", "queues": [None, {}, {"instance_types": [1, "c5.large"]}]}),
        changed(PLAIN, "compute", "queues", [{"name": "q", "instance_types": ["c5.large"], "max_count": "x"}]),
        changed(PLAIN, "users", [{}, {"name": 1}]),
    ):
        assert faults(data)


def test_fifty_kinds_are_few_enough() -> None:
    kinds = [group[0] for group in nodes.alike(n for n, k in instances.table().items() if k.architecture == "x86_64")]
    queue = {"name": "q", "instance_types": kinds[:50], "max_count": 50}
    found = faults(changed(changed(PLAIN, "compute", "queues", [queue]), "compute", "custom_ami", "ami-01234567"))
    assert "compute.queues" not in found
