"""Clusters for tests of the ParallelCluster configuration: shipped seeds in every mode, and wrong ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._pcluster import render
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.merge import merge
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import Settings, snapshot_of
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

SEEDS = ROOT / "seeds"
HOST = Host("debian12", "x86_64")
FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
HOOK = "s3://lab-hooks/petal/cluster/petal-node-bootstrap"

#: What takes a seed of provider local to AWS; docs/pcluster.md says the same.
MOVED: dict[str, dict[str, Any]] = {
    "cluster": {"provider": "aws", "region": "us-east-1", "os": "alinux2023"},
    "compute": {"head_node": "t3.large", "queues": [{"name": "compute", "instance_types": ["c6i.xlarge"]}]},
}

SETTINGS: dict[str, Any] = {
    "head_node_subnet_id": "subnet-0123456789abcdef0",
    "key_name": "me",
    "hook_url": HOOK,
    "hook_revision": "0123456789ab",
}


def plain(name: str, moved: bool = True) -> dict[str, Any]:
    """A shipped seed as it stands in its file; moved to AWS where it is a local one, and so wanted."""
    data: dict[str, Any] = yaml.safe_load((SEEDS / name).read_text())
    if moved and data["cluster"].get("provider") == "local":
        for section, keys in MOVED.items():
            data[section] = {**data.get(section, {}), **keys}
    return data


def shipped() -> list[str]:
    """Names of all shipped seeds, below the folder of seeds."""
    return [str(path.relative_to(SEEDS)) for path in sorted(SEEDS.rglob("*.yaml"))]


def snapshot(seed: Seed, **changes: Any) -> dict[str, Any]:
    """A record of a snapshot with the seed's software."""
    return {
        "snapshot_id": "snap-0123456789abcdef0",
        "fingerprint": FINGERPRINT,
        "name": seed.cluster.name,
        "os": seed.cluster.os,
        "architecture": seed.cluster.architecture,
        "size_gb": seed.software_volume.ebs_settings.size,
        "created": "2026-01-31T12:00:00Z",
        "state": "completed",
        "provider": "aws",
        "region": seed.cluster.region,
        "encrypted": True,
        **changes,
    }


@dataclass(frozen=True)
class Sample:
    """A cluster: what is put on a shipped seed, on the record of its snapshot (None: there is none), on the settings.

    says: what the message about a wrong one holds. moved: a local seed is taken to AWS first.
    """

    name: str
    seed_name: str = "bioinformatics.yaml"
    seed: dict[str, Any] = field(default_factory=dict)
    snapshot: dict[str, Any] | None = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    moved: bool = True

    def parts(self) -> tuple[Seed, Snapshot | None, Settings]:
        """What the configuration is made of. Raises PetalError."""
        seed = Seed.from_mapping(_merged(plain(self.seed_name, self.moved), self.seed), HOST)
        record = None if self.snapshot is None else snapshot_of(snapshot(seed, **self.snapshot))
        return seed, record, Settings.from_mapping(_merged(SETTINGS, self.settings))

    def configure(self) -> render.Configuration:
        """Raises PetalError where a rule is broken."""
        return render.configure(*self.parts())

    def draft(self) -> dict[str, Any]:
        """The configuration that nobody has looked at. Raises PetalError."""
        return render.draft(*self.parts())


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        merged[key] = merge(merged[key], value) if isinstance(merged.get(key), dict) and key != "overrides" else value
    return merged


VOLUME = {"volume_id": "vol-0123456789abcdef0", "availability_zone": "us-east-1a", "size_gb": 100}
#: Everything that a seed and a site may say.
EVERYTHING_SEED = {
    "users": [{"name": "researcher1", "uid": 5001, "gid": 5001}, {"name": "researcher2", "uid": 5002, "gid": 5001}],
    "data": {
        "s3_mounts": [
            {"bucket": "lab-data", "mount_point": "/data/in"},
            {"bucket": "lab-results", "mount_point": "/data/out"},
        ]
    },
}
EVERYTHING_STORAGE = [
    {"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 100, "kms_key_id": "alias/lab"}},
    {"name": "work", "mount_dir": "/work", "ebs_settings": {"volume_type": "io2", "size": 200, "iops": 4000}},
    {"name": "archive", "mount_dir": "/archive", "ebs_settings": {"volume_type": "st1", "size": 500}},
]
EVERYTHING_SETTINGS = {
    "head_node_zone": "us-east-1a",
    "compute_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"],
    "additional_security_group_ids": ["sg-0123456789abcdef0"],
    "login_nodes": [
        {
            "name": "login",
            "instance_type": "t3.large",
            "count": 2,
            "iam_policies": ["arn:aws:iam::123456789012:policy/petal-login"],
        }
    ],
    "s3_writable_buckets": ["lab-results"],
}
OVERRIDES = {
    "HeadNode": {"Dcv": {"Enabled": True}, "Ssh": {"KeyName": None}, "LocalStorage": {"RootVolume": {"Size": 100}}},
    "Monitoring": {"DetailedMonitoring": True},
    "Scheduling": {
        "SlurmSettings": {"ScaledownIdletime": 5},
        "SlurmQueues": [
            {"Name": "memory", "JobExclusiveAllocation": True, "ComputeResources": [{"Name": "memory", "MinCount": 1}]}
        ],
    },
    "SharedStorage": [
        {"Name": "home2", "MountDir": "/home2", "StorageType": "Efs", "EfsSettings": {"Encrypted": True}},
    ],
}

#: How a cluster may be made, beside the plain way from a snapshot.
MODES = (
    Sample("volume", settings={"volume": VOLUME}),
    Sample("custom-ami", seed={"compute": {"custom_ami": "ami-0123456789abcdef0"}}, snapshot=None),
    Sample("custom-ami-and-volume", seed={"compute": {"custom_ami": "ami-0123456789abcdef0"}}),
    Sample("everything", seed={**EVERYTHING_SEED, "shared_storage": EVERYTHING_STORAGE}, settings=EVERYTHING_SETTINGS),
    Sample("overrides", settings={"overrides": OVERRIDES}),
    Sample("plain", settings={"hook_url": None, "hook_revision": None, "key_name": None}),
    Sample(
        "arm",
        "testing/workload-basic.yaml",
        seed={"compute": {"head_node": "m7g.large", "queues": [{"name": "mpi", "instance_types": ["hpc7g.16xlarge"]}]}},
        settings={"compute_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]},
    ),
    Sample("larger", "testing/workload-basic.yaml", snapshot={"size_gb": 60}),
)


def good() -> list[Sample]:
    """Every shipped seed from its snapshot, then the modes."""
    return [*(Sample(Path(name).stem, name) for name in shipped()), *MODES]


def _override(name: str, overrides: dict[str, Any], says: str, **more: Any) -> Sample:
    return Sample(name, settings={"overrides": overrides}, says=says, **more)


def _ebs(**settings: Any) -> dict[str, Any]:
    return {"SharedStorage": [{"Name": "software", "EbsSettings": settings}]}


def _queue(**keys: Any) -> dict[str, Any]:
    return {"Scheduling": {"SlurmQueues": [{"Name": "memory", **keys}]}}


def _six() -> Iterator[dict[str, Any]]:
    for number in range(5):
        yield {"Name": f"v{number}", "MountDir": f"/v{number}", "StorageType": "Ebs", "EbsSettings": {"Size": 50}}


_POOL = {"name": "login", "instance_type": "t3.large"}
_S3 = {"bucket": "lab-data", "mount_point": "/shared"}
_ROLE = "arn:aws:iam::123456789012:role/nodes"

#: What must not reach AWS, and breaks a rule of ours.
OURS = (
    _override(
        "VolumeId with SnapshotId", _ebs(VolumeId="vol-0123456789abcdef0"), "VolumeId takes a volume that is there"
    ),
    _override("KmsKeyId with Encrypted false", _ebs(KmsKeyId="alias/x", Encrypted=False), "a key without encryption"),
    Sample(
        "encrypted snapshot, Encrypted false",
        seed={"shared_storage": [{"name": "software", "mount_dir": "/shared", "ebs_settings": {"encrypted": False}}]},
        says="the snapshot is encrypted",
    ),
    _override("size below the snapshot's", _ebs(Size=99), "is below the snapshot's 100 GiB"),
    _override("no size: 40 GiB", _ebs(Size=None), "no Size, which is 40 GiB"),
    _override(
        "a mount inside another",
        {"SharedStorage": [{"Name": "x", "MountDir": "/shared/x", "StorageType": "Ebs", "EbsSettings": {"Size": 50}}]},
        "it lies inside what is mounted at /shared",
    ),
    _override(
        "a mount over another",
        {"SharedStorage": [{"Name": "x", "MountDir": "shared", "StorageType": "Ebs", "EbsSettings": {"Size": 50}}]},
        "something else is mounted there already",
    ),
    Sample(
        "an S3 mount over the software", seed={"data": {"s3_mounts": [_S3]}}, says="something else is mounted there"
    ),
    _override(
        "a mount over the system",
        {"SharedStorage": [{"Name": "software", "MountDir": "/opt/slurm"}]},
        "belongs to the system or to ParallelCluster",
    ),
    _override(
        "an Arm queue on x86",
        _queue(ComputeResources=[{"Name": "memory", "Instances": [{"InstanceType": "c7g.large"}]}]),
        "this instance type is arm64",
    ),
    Sample(
        "Arm login nodes on x86",
        settings={
            "login_nodes": [{**_POOL, "instance_type": "t4g.large", "iam_policies": ["arn:aws:iam::aws:policy/X"]}]
        },
        says="this instance type is arm64",
    ),
    _override("six EBS volumes", {"SharedStorage": list(_six())}, "at most 5"),
    _override(
        "a volume named default",
        {"SharedStorage": [{"Name": "default", "MountDir": "/x", "StorageType": "Ebs"}]},
        "takes no such name",
    ),
    Sample("no snapshot", snapshot=None, says="the software volume would be empty"),
    Sample("a snapshot of another Region", snapshot={"region": "eu-central-1"}, says="it is in eu-central-1"),
    Sample("a snapshot that is not completed", snapshot={"state": "pending"}, says="its state is pending"),
    Sample("a local snapshot", snapshot={"provider": "local"}, says="no EBS snapshot"),
    Sample("Arm software on x86", snapshot={"architecture": "arm64"}, says="its software is for arm64"),
    Sample(
        "a volume in another zone",
        settings={"volume": VOLUME, "head_node_zone": "us-east-1b"},
        says="the head node in us-east-1b",
    ),
    Sample(
        "a volume of other software",
        settings={"volume": {**VOLUME, "snapshot_id": "snap-0fedcba9876543210"}},
        says="it was made from snap-0fedcba9876543210",
    ),
    _override(
        "EFA over two zones",
        _queue(
            Networking={"SubnetIds": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]},
            ComputeResources=[{"Name": "memory", "Efa": {"Enabled": True}}],
        ),
        "EFA does not reach across zones",
    ),
    Sample("EFA for a queue that is none", settings={"efa_queues": ["short", "no"]}, says="the seed has no such queue"),
    Sample(
        "a user with an id of ParallelCluster's",
        seed={"users": [{"name": "x", "uid": 401}]},
        says="users of the image or of ParallelCluster have this id",
    ),
    Sample(
        "login nodes that cannot fetch the hook",
        settings={"login_nodes": [_POOL]},
        says="login nodes need an IAM policy",
    ),
    Sample("no subnet", settings={"head_node_subnet_id": "eu-1"}, says="this is no subnet id"),
    Sample("a setting that is none", settings={"key_nam": "me"}, says="did you mean key_name?"),
)

#: Slips in the site's own keys, which ParallelCluster's schema finds.
SCHEMAS = (
    _override("Os al2023", {"Image": {"Os": "al2023"}}, "Must be one of: alinux2023"),
    _override("a key that is none", _ebs(VolumeInitializationRate=100), "Unknown field"),
    _override("DeletionPolicy Keep", _ebs(DeletionPolicy="Keep"), "Must be one of: Delete"),
    _override("scheduler awsbatch", {"Scheduling": {"Scheduler": "awsbatch"}}, "Must be one of: slurm"),
    _override("a role and S3Access", {"HeadNode": {"Iam": {"InstanceRole": _ROLE}}}, "S3Access can not be configured"),
    _override(
        "InstanceType and Instances",
        _queue(ComputeResources=[{"Name": "memory", "InstanceType": "r6i.large"}]),
        "either InstanceType or Instances",
    ),
    _override(
        "two actions in one",
        {"HeadNode": {"CustomActions": {"OnNodeConfigured": {"Sequence": []}}}},
        "Both Script and Sequence fields are provided",
    ),
    _override("a queue without subnets", _queue(Networking={"SubnetIds": None}), "Missing data for required field"),
)

#: A seed of provider local as it is: it has no cluster on AWS.
LOCAL = Sample("a local seed", "quickstart.yaml", moved=False, says="a seed of provider local has no cluster on AWS")
