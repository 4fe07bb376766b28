"""Every rule finds what it is for, and the shipped seeds break none (test_render)."""

from __future__ import annotations

import pcluster_samples
import pytest
from pcluster_samples import Sample

from ansible_collections.petal.hpc.plugins.module_utils._pcluster import rules
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import PclusterError
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING, SeedError


def found(sample: Sample) -> list[str]:
    """Messages of all rules."""
    seed, snapshot, settings = sample.parts()
    return [str(problem) for problem in rules.check(rules.Case(sample.draft(), seed, snapshot, settings))]


@pytest.mark.parametrize("sample", pcluster_samples.OURS, ids=lambda sample: sample.name)
def test_a_wrong_one_is_an_error_that_says_why(sample: Sample) -> None:
    with pytest.raises(PclusterError) as error:
        sample.configure()
    assert sample.says in str(error.value)


@pytest.mark.parametrize("sample", pcluster_samples.OF_SEEDS, ids=lambda sample: sample.name)
def test_what_a_seed_must_not_say_is_said_without_a_configuration(sample: Sample) -> None:
    with pytest.raises(SeedError) as error:
        sample.parts()
    assert sample.says in str(error.value)


@pytest.mark.parametrize("sample", pcluster_samples.SCHEMAS, ids=lambda sample: sample.name)
def test_what_the_schema_refuses_is_left_to_it(sample: Sample) -> None:
    """And no rule stumbles over what it did not expect."""
    sample.configure()


@pytest.mark.parametrize(
    "overrides",
    [
        {"SharedStorage": "x"},
        {"SharedStorage": ["x", None]},
        {"SharedStorage": [{"Name": 1, "MountDir": 2, "EbsSettings": []}]},
        {"Scheduling": {"SlurmQueues": [{"ComputeResources": "x", "Networking": []}]}},
        {"Scheduling": []},
        {"HeadNode": None, "LoginNodes": {"Pools": {}}},
    ],
)
def test_nonsense_of_the_site_is_no_crash(overrides: dict[str, object]) -> None:
    assert isinstance(found(Sample("x", settings={"overrides": overrides})), list)


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (
            Sample("x", "cfd.yaml"),
            "hpc6a.48xlarge has a second interface for EFA: AWS gives its nodes no public address",
        ),
        (Sample("x", snapshot={"size_gb": 30}), "file system stays at 30 GiB"),
        (Sample("x", snapshot={"os": "ubuntu2204"}), "was built on ubuntu2204, the cluster runs alinux2023"),
        (Sample("x", settings={"hook_url": None}), "no node hook on HeadNode, Scheduling.SlurmQueues[0]"),
        (Sample("x", seed={"compute": {"custom_ami": "ami-01234567"}}), "legacy tier and deprecated"),
        (
            Sample("x", seed={"data": {"s3_mounts": [{"bucket": "lab", "mount_point": "/shared/modules"}]}}),
            "it lies inside the volume at /shared",
        ),
        (
            Sample(
                "x",
                settings={
                    "volume": pcluster_samples.VOLUME,
                    "overrides": {"SharedStorage": [{"Name": "software", "EbsSettings": {"Size": 50}}]},
                },
            ),
            "Size will have no effect",
        ),
    ],
)
def test_what_is_doubtful_is_a_warning(sample: Sample, says: str) -> None:
    warnings = sample.configure().warnings
    assert [warning.level for warning in warnings] == [WARNING] * len(warnings)
    assert says in " ".join(map(str, warnings))


def test_a_bucket_in_a_directory_of_its_own_below_the_volume_is_nothing_to_warn_of() -> None:
    below = {"data": {"s3_mounts": [{"bucket": "lab", "mount_point": "/shared/references"}]}}
    assert Sample("x", seed=below).configure().warnings == ()


def test_all_errors_are_reported_together() -> None:
    overrides = {"SharedStorage": [{"Name": "software", "EbsSettings": {"Size": 1}}]}
    sample = Sample("x", snapshot={"state": "error"}, settings={"overrides": overrides, "efa_queues": ["no"]})
    with pytest.raises(PclusterError) as error:
        sample.configure()
    assert {problem.level for problem in error.value.problems} == {ERROR}
    assert len(error.value.problems) == 3


def test_every_rule_has_a_case() -> None:
    """A rule that nothing breaks is not known to work."""
    seen: set[str] = set()
    for sample in [*pcluster_samples.OURS, *pcluster_samples.good()]:
        try:
            case = rules.Case(sample.draft(), *sample.parts())
        except PclusterError:
            continue
        seen |= {rule.__name__ for level, rule in rules.RULES if level == ERROR and list(rule(case))}
    assert seen == {rule.__name__ for level, rule in rules.RULES if level == ERROR}
