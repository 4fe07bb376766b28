"""What becomes of a seed: golden configurations of every shipped seed and of every way to make a cluster.

After a wanted change: PETAL_WRITE_GOLDEN=1 pytest tests/unit/plugins/module_utils/_pcluster, then read the diff.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pcluster_samples
import pytest
import yaml
from pcluster_samples import EVERYTHING_SEED, EVERYTHING_SETTINGS, SETTINGS, Sample

from ansible_collections.petal.hpc.plugins.module_utils._pcluster import render
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import PclusterError, Settings
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "pcluster"
GOOD = pcluster_samples.good()


class Dumper(yaml.SafeDumper):
    """YAML as people write it: lists are indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


@pytest.mark.parametrize("sample", GOOD, ids=lambda sample: sample.name)
def test_golden(sample: Sample) -> None:
    path = GOLDEN / f"{sample.name}.yaml"
    config = sample.configure().config
    if os.environ.get("PETAL_WRITE_GOLDEN"):
        path.write_text(yaml.dump(config, Dumper=Dumper, sort_keys=False, explicit_start=True, width=150))
    assert config == yaml.safe_load(path.read_text())
    # The order is for people: what is asked first stands first.
    assert list(config) == list(yaml.safe_load(path.read_text()))


def test_every_golden_file_is_of_a_sample() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == {sample.name for sample in GOOD}


def test_shipped_seeds_have_no_warnings() -> None:
    for name in pcluster_samples.shipped():
        private = {"compute_subnet_ids": ["subnet-0123456789abcdef1"]}
        assert Sample(name, name, settings=private).configure().warnings == ()


def test_a_normalised_seed_gives_the_same() -> None:
    """The filter gets the seed as seed_info has it: every default filled in."""
    for sample in GOOD:
        seed, snapshot, settings = sample.parts()
        again = Seed.from_mapping(seed.to_dict())
        assert render.configure(again, snapshot, settings) == render.configure(seed, snapshot, settings)


def test_a_seed_without_nodes_is_for_a_build_alone() -> None:
    cluster = {"name": "x", "region": "us-east-1"}
    with pytest.raises(PclusterError, match=r"(?s)x: no ParallelCluster.*compute.*for a build alone"):
        render.configure(Seed.from_mapping({"cluster": cluster}), None, Settings.from_mapping(SETTINGS))
    bare = Seed.from_mapping({"cluster": cluster, "compute": {"head_node": "t3.large"}})
    with pytest.raises(PclusterError, match=r"(?s)compute.queues.*no queue"):
        render.configure(bare, None, Settings.from_mapping(SETTINGS))


def test_a_local_seed_is_none_for_parallelcluster() -> None:
    seed = Seed.from_mapping({"cluster": {"name": "x", "provider": "local"}}, pcluster_samples.HOST)
    with pytest.raises(PclusterError, match=r"(?s)x: no ParallelCluster.*provider local.*give the seed cluster.region"):
        render.configure(seed, None, Settings.from_mapping(SETTINGS))


def queue(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in config["Scheduling"]["SlurmQueues"] if entry["Name"] == name)
    return found


def test_the_volume_is_never_smaller_than_its_snapshot() -> None:
    for size, least in ((20, 100), (100, 100), (150, 150)):
        config = Sample("x", snapshot={"size_gb": size}).configure().config
        assert config["SharedStorage"][0]["EbsSettings"]["Size"] == least


def test_a_small_volume_has_the_size_that_parallelcluster_wants_for_its_iops() -> None:
    made = Sample("x", "quickstart.yaml").configure()
    assert made.config["SharedStorage"][0]["EbsSettings"]["Size"] == 6
    assert made.warnings == ()


def test_an_existing_volume_is_taken_as_it_is() -> None:
    config = Sample("x", settings={"volume": pcluster_samples.VOLUME}, snapshot=None).configure().config
    assert config["SharedStorage"][0]["EbsSettings"] == {"VolumeId": "vol-0123456789abcdef0"}


def test_a_volume_on_which_the_cluster_builds_its_software_begins_with_nothing() -> None:
    still_to_be_made = Sample("x", settings={"volume": {"to_build": True}}, snapshot=None).configure().config
    settings = still_to_be_made["SharedStorage"][0]["EbsSettings"]
    assert not {"SnapshotId", "VolumeId"} & set(settings)
    made = {"volume_id": "vol-0123456789abcdef0", "availability_zone": "us-east-1a", "to_build": True}
    config = Sample("x", settings={"volume": made}, snapshot=None).configure().config
    assert config["SharedStorage"][0]["EbsSettings"] == {"VolumeId": "vol-0123456789abcdef0"}
    assert "petal:snapshot" not in [tag["Key"] for tag in config["Tags"]]


def test_data_outlives_the_cluster_and_software_does_not() -> None:
    config = Sample("x", seed={"shared_storage": pcluster_samples.EVERYTHING_STORAGE}).configure().config
    policies = {entry["Name"]: entry["EbsSettings"]["DeletionPolicy"] for entry in config["SharedStorage"]}
    assert policies == {"software": "Delete", "work": "Retain", "archive": "Retain"}


def test_a_custom_image_without_a_volume_has_nothing_mounted_over_its_software() -> None:
    made = Sample("x", seed={"compute": {"custom_ami": "ami-0123456789abcdef0"}}, snapshot=None).configure()
    assert made.config["Image"]["CustomAmi"] == "ami-0123456789abcdef0"
    assert "SharedStorage" not in made.config
    assert "CustomActions" not in made.config["HeadNode"]
    warning = made.warnings[-1]
    assert "deprecated" in warning.message
    assert "docs/migrate-from-ami.md" in warning.hint


def test_an_image_with_the_software_takes_the_place_of_its_volume() -> None:
    image = {"image_id": "ami-0123456789abcdef0", "fingerprint": "sha256:" + "a" * 64}
    storage = {"shared_storage": pcluster_samples.EVERYTHING_STORAGE}
    made = Sample("x", seed=storage, settings={"image": image, "hook_url": "s3://bucket/key"}).configure()
    assert made.config["Image"]["CustomAmi"] == image["image_id"]
    assert [volume["Name"] for volume in made.config["SharedStorage"]] == ["work", "archive"]
    assert made.config["HeadNode"]["CustomActions"]["OnNodeConfigured"] == {"Script": "s3://bucket/key"}
    tags = {tag["Key"]: tag["Value"] for tag in made.config["Tags"]}
    assert (tags["petal:software"], tags["petal:image"]) == (image["fingerprint"], image["image_id"])
    assert "petal:snapshot" not in tags
    assert "deprecated" in made.warnings[-1].message
    named = Sample("x", seed={"compute": {"custom_ami": "ami-0fedcba9876543210"}}, settings={"image": image})
    assert named.configure().config["Image"]["CustomAmi"] == image["image_id"]


def test_a_hybrid_seed_has_its_image_and_a_volume_beside_it() -> None:
    ami = "ami-0123456789abcdef0"
    hybrid = {"compute": {"custom_ami": ami}, "software": {"in_ami": ["cmake@3.24"]}}
    made = Sample("x", seed=hybrid, settings={"hook_url": "s3://bucket/key"}).configure()
    assert made.config["Image"]["CustomAmi"] == ami
    assert "SnapshotId" in made.config["SharedStorage"][0]["EbsSettings"]
    assert made.config["HeadNode"]["CustomActions"]["OnNodeConfigured"] == {"Script": "s3://bucket/key"}
    assert not [warning for warning in made.warnings if "deprecated" in warning.message]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["hpc6a.48xlarge"], True),
        (["hpc7g.4xlarge"], True),
        (["p5.48xlarge"], True),
        (["trn1.2xlarge"], False),
        (["c6i.32xlarge"], False),
    ],
)
def test_efa_where_it_is_what_is_rented(types: list[str], expected: bool) -> None:
    architecture = "arm64" if "hpc7g" in types[0] else "x86_64"
    head = "m7g.large" if architecture == "arm64" else "m6i.large"
    seed = {"compute": {"head_node": head, "queues": [{"name": "q", "instance_types": types}]}}
    settings = {"compute_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]}
    config = Sample("x", seed=seed, settings=settings).configure().config
    made = queue(config, "q")
    assert ("Efa" in made["ComputeResources"][0]) is expected
    assert ("PlacementGroup" in made["Networking"]) is expected
    assert len(made["Networking"]["SubnetIds"]) == (1 if expected else 2)


def test_types_that_do_not_agree_get_resources_of_their_own() -> None:
    """The golden file `mixed` has the whole: the first bears the queue's name, the counts are the queue's."""
    made = queue(next(sample for sample in GOOD if sample.name == "mixed").configure().config, "wide")
    resources = {one["Name"]: (one["MinCount"], one["MaxCount"]) for one in made["ComputeResources"]}
    assert resources == {"wide": (4, 4), "c5-9xlarge": (1, 3), "g5-4xlarge": (0, 3)}


def test_efa_only_for_the_part_of_a_queue_that_is_rented_for_it() -> None:
    seed = {
        "compute": {"head_node": "m6i.large", "queues": [{"name": "q", "instance_types": ["p5.48xlarge", "c6i.large"]}]}
    }
    settings = {"compute_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]}
    made = queue(Sample("x", seed=seed, settings=settings).configure().config, "q")
    fast, slow = made["ComputeResources"]
    assert fast["Efa"] == {"Enabled": True} and fast["Networking"] == {"PlacementGroup": {"Enabled": True}}
    assert "Efa" not in slow and "Networking" not in slow
    assert made["Networking"] == {"SubnetIds": ["subnet-0123456789abcdef1"]}


def test_efa_where_the_site_says() -> None:
    large = {
        "compute": {"queues": [{"name": name, "instance_types": ["c6i.32xlarge"]} for name in ("memory", "short")]}
    }
    config = Sample("x", seed=large, settings={"efa_queues": ["memory"]}).configure().config
    assert "Efa" in queue(config, "memory")["ComputeResources"][0]
    assert "Efa" not in queue(config, "short")["ComputeResources"][0]
    config = Sample("x", "cfd.yaml", settings={"efa_queues": []}).configure().config
    assert "Efa" not in queue(config, "solve")["ComputeResources"][0]


def test_a_change_of_users_changes_nothing_that_parallelcluster_refuses_to_update() -> None:
    """It refuses another OnNodeConfigured of a head node, and drains a queue for another one of its own."""
    before = Sample("x").configure().config
    after = (
        Sample("x", seed={"users": EVERYTHING_SEED["users"]}, settings={"hook_revision": "other"}).configure().config
    )
    changed = copy.deepcopy(before)
    changed["HeadNode"]["CustomActions"]["OnNodeUpdated"]["Args"] = ["other"]
    assert after == changed


def test_access_to_s3_is_what_is_needed() -> None:
    config = Sample("x", seed=EVERYTHING_SEED, settings=EVERYTHING_SETTINGS).configure().config
    expected = [
        {"BucketName": "lab-data", "EnableWriteAccess": False},
        {"BucketName": "lab-results", "EnableWriteAccess": True},
        {"BucketName": "lab-hooks", "KeyName": "petal/cluster/petal-node-bootstrap", "EnableWriteAccess": False},
    ]
    assert config["HeadNode"]["Iam"]["S3Access"] == expected
    assert queue(config, "short")["Iam"]["S3Access"] == expected
    # A bucket stands there once: its data and the hook in it.
    config = Sample("x", seed=EVERYTHING_SEED, settings={"hook_url": "s3://lab-data/hook"}).configure().config
    assert [entry["BucketName"] for entry in config["HeadNode"]["Iam"]["S3Access"]] == ["lab-data", "lab-results"]


def test_nothing_that_builders_may_delete() -> None:
    """docs/iam/builder.json lets a builder end whatever bears petal:fingerprint."""
    for sample in GOOD:
        assert not {"petal:fingerprint", "petal:build-id"} & {tag["Key"] for tag in sample.configure().config["Tags"]}


def test_the_input_stays_as_it_is() -> None:
    overrides = {"SharedStorage": [{"Name": "software", "EbsSettings": {"Throughput": 250}}]}
    kept = copy.deepcopy(overrides)
    Sample("x", settings={"overrides": overrides}).configure()
    assert overrides == kept
